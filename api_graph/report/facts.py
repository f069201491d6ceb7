"""What was run, from the manifests; each part may be missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from api_graph.report.journals import Journal
from api_graph.report.text import clipped, worded

_LOADERS = {"APLoadImage", "LoadImage"}
_HEATMAP_SAVER = "APSaveHeatmap"


@dataclass(frozen=True)
class Facts:
    """One run, or all shards of one.

    `settings` are (heading, [(name, value)]). `cached` has rows by node, and is None until the run has finished.
    `rate` is in rows per second, of one shard where there are several; `missing` are shards that have no results.
    """

    name: str = ""
    source: str = ""
    count: int | None = None
    device: str = ""
    started: str = ""
    finished: str = ""
    rate: float | None = None
    cached: Mapping[str, int] | None = None
    settings: Sequence[tuple[str, Sequence[tuple[str, str]]]] = ()
    inputs: Sequence[Path] = ()
    image_columns: Sequence[str] = ()
    image: str = ""
    shards: int = 0
    missing: Sequence[str] = ()
    one_graph: bool = True
    graph: Mapping[str, Any] = field(default_factory=dict)

    def title(self, node: str) -> str:
        """The node's title in the graph, else its class, else its id."""
        return clipped(_titled(node, self.graph), 80)

    def class_type(self, node: str) -> str:
        """The node's class, or nothing where the graph has no such node."""
        return clipped(str(_part(_part(self.graph, node), "class_type", "")), 80)

    def makes_heatmaps(self, node: str) -> bool:
        """Whether the pictures that a node saves show where a model looks."""
        return self.class_type(node) == _HEATMAP_SAVER or "heatmap" in self.title(node).lower()


def facts_of(journals: Sequence[Journal]) -> Facts:
    """What the manifests of a run's journals say."""
    manifests = [journal.manifest for journal in journals]
    first = manifests[0]
    graph, rows = _part(first, "graph", {}), _part(first, "rows", {})
    ends = [text for m in manifests if (text := _part(m, "finished", ""))]
    count = rows.get("count")
    return Facts(
        name=clipped(str(_part(first, "graph_name", "")), 120),
        source=clipped(str(_part(rows, "source", "")), 300),
        count=count if isinstance(count, int) else None,
        device=clipped(str(_part(first, "device", "")), 120),
        started=min((text for m in manifests if (text := _part(m, "started", ""))), default=""),
        finished=max(ends) if len(ends) == len(manifests) else "",
        rate=_rate(journals),
        cached=_cached(manifests),
        settings=list(_settings(first)),
        inputs=[Path(folder) for folder in _part(first, "inputs", []) if isinstance(folder, str)],
        image_columns=_image_columns(first, graph),
        image=_constant_image(graph),
        shards=sum(journal.shard is not None for journal in journals),
        missing=_missing([journal.shard for journal in journals if journal.shard]),
        one_graph=len({_part(m, "fingerprint", "") for m in manifests}) == 1,
        graph=graph,
    )


def moment(text: str) -> datetime | None:
    """An ISO 8601 time, or None for any other text. Without a zone it is of this machine."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _part(mapping: Any, key: str, default: Any = None) -> Any:
    """`mapping[key]` if it is there and of the default's type, else the default."""
    found = mapping.get(key) if isinstance(mapping, Mapping) else None
    return found if default is None or isinstance(found, type(default)) else default


def _titled(node: str, graph: Mapping[str, Any]) -> str:
    parts = _part(graph, node, {})
    return str(_part(_part(parts, "_meta", {}), "title", "") or _part(parts, "class_type", "") or node)


def _rate(journals: Sequence[Journal]) -> float | None:
    """Rows per second of all the time that was spent, once the run has said."""
    rows, seconds = 0, 0.0
    for journal in journals:
        totals = _part(journal.manifest, "totals", {})
        if not totals:
            return None
        rows, seconds = rows + _part(totals, "rows", 0), seconds + float(totals.get("seconds") or 0)
    return rows / seconds if seconds > 0 else None


def _cached(manifests: Sequence[Mapping[str, Any]]) -> Mapping[str, int] | None:
    counts: Counter[str] = Counter()
    for manifest in manifests:
        cached = _part(_part(manifest, "totals", {}), "cached")
        if not isinstance(cached, Mapping):
            return None
        counts.update({node: n for node, n in cached.items() if isinstance(n, int)})
    return counts


def _settings(manifest: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for heading, part in (
        ("Arguments", "arguments"),
        ("Set for all rows", "set"),
        ("Columns, by what they set", "columns"),
        ("Versions", "versions"),
    ):
        pairs = _part(manifest, part, {}).items()
        if pairs:
            yield heading, [(clipped(str(name), 80), clipped(worded(value), 1000)) for name, value in pairs]


def _loaders(graph: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((id, node) for id, node in graph.items() if _part(node, "class_type") in _LOADERS)


def _image_columns(manifest: Mapping[str, Any], graph: Mapping[str, Any]) -> list[str]:
    """The columns that name the images which the graph loads."""
    names = {"image"}
    for id, _ in _loaders(graph):
        title = _titled(id, graph)
        names |= {title, f"{title}.image", f"{id}.image"}
    columns = _part(manifest, "columns", {})
    return [column for name, column in columns.items() if name in names and isinstance(column, str)]


def _constant_image(graph: Mapping[str, Any]) -> str:
    """The image that every row is about, if the graph loads but one and no column names it."""
    names = [_part(_part(node, "inputs", {}), "image", "") for _, node in _loaders(graph)]
    return names[0] if len(names) == 1 else ""


def _missing(shards: Sequence[tuple[int, int]]) -> list[str]:
    """Shards of the same cut that have no results yet."""
    cuts = {of for _, of in shards}
    return [f"{i}/{of}" for of in sorted(cuts) for i in range(1, of + 1) if (i, of) not in shards]

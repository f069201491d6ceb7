"""What was run, from the manifests. Any part of a manifest may be missing or wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from api_graph.report.journals import JournalFile, mapping
from api_graph.report.text import as_text, clipped

T = TypeVar("T", str, list[object])

_LOADERS = {"APLoadImage", "LoadImage"}
_HEATMAP_SAVER = "APSaveHeatmap"
_VALUES = "Values in the graph; what it leaves out has its default"
_VALUES_AND_DEFAULTS = "Values in the graph, and the defaults of what it leaves out"
_MODEL_INPUTS = ("model", "answerer")
_VALUES = "Values in the graph; what it leaves out has its default"
_SETTINGS = (
    ("Arguments", "arguments"),
    ("Set for all rows", "set"),
    ("Columns, by what they set", "columns"),
    ("Versions", "versions"),
)


@dataclass(frozen=True)
class Facts:
    """One run, or all shards of one.

    `settings` are (heading, [(name, value)]), all that the graph lets be set among them. `models` are those that it
    loads; `demo`: one of them is a demo model, and the pictures are the table's. `cached` has the number of rows by
    node, and is None until the run has finished. `rate` is in rows per second; if there are shards, it is that of one
    shard. `missing` are the shards that have no results.
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
    models: Sequence[str] = ()
    demo: bool = False
    graph: Mapping[str, object] = field(default_factory=dict)

    def title(self, node: str) -> str:
        """The node's title in the graph, else its class, else its id."""
        return clipped(_title(node, self.graph), 80)

    def class_type(self, node: str) -> str:
        """The node's class, empty if the graph has no such node."""
        return clipped(_member(self.graph.get(node), "class_type", ""), 80)

    def makes_heatmaps(self, node: str) -> bool:
        """Whether the pictures that a node saves show where a model looks."""
        return self.class_type(node) == _HEATMAP_SAVER or "heatmap" in self.title(node).lower()


def facts_of(journals: Sequence[JournalFile]) -> Facts:
    """What the manifests of a run's journals say."""
    manifests = [journal.manifest for journal in journals]
    first = manifests[0]
    graph, rows = mapping(first.get("graph")), mapping(first.get("rows"))
    starts = [text for manifest in manifests if (text := _member(manifest, "started", ""))]
    ends = [text for manifest in manifests if (text := _member(manifest, "finished", ""))]
    count = rows.get("count")
    inputs = _inputs(first, graph)
    models = [value for name, value in inputs if name.rpartition(".")[2] in _MODEL_INPUTS]
    bound = _bound(first)
    of_the_table = not bound or any((id, "image") in bound for id in _image_loaders(graph))
    return Facts(
        name=clipped(_member(first, "graph_name", ""), 120),
        source=clipped(_member(rows, "source", ""), 300),
        count=count if isinstance(count, int) else None,
        device=clipped(_member(first, "device", ""), 120),
        started=min(starts, default=""),
        finished=max(ends) if len(ends) == len(manifests) else "",
        rate=_rate(manifests),
        cached=_cached(manifests),
        settings=[
            *_settings(first),
            *([(_VALUES_AND_DEFAULTS if "defaults" in first else _VALUES, inputs)] if inputs else []),
        ],
        inputs=[Path(folder) for folder in _member(first, "inputs", []) if isinstance(folder, str)],
        image_columns=_image_columns(first, graph),
        image=_constant_image(graph),
        shards=sum(journal.shard is not None for journal in journals),
        missing=_missing([journal.shard for journal in journals if journal.shard]),
        one_graph=_one_graph(manifests),
        models=list(dict.fromkeys(models)),
        demo=of_the_table and any(value.partition(" ")[0] == "demo" for value in models),
        graph=graph,
    )


def moment(text: str) -> datetime | None:
    """An ISO 8601 time, or None for any other text. A time without a zone is local."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _member(value: object, name: str, default: T) -> T:
    """`value[name]` if there is such a member and it has the type of `default`, else `default`."""
    found = mapping(value).get(name)
    return found if isinstance(found, type(default)) else default


def _one_graph(manifests: Sequence[Mapping[str, object]]) -> bool:
    """Whether all manifests of a format have one fingerprint: each format has its own."""
    fingerprints = {(repr(each.get("format")), _member(each, "fingerprint", "")) for each in manifests}
    return len(fingerprints) == len({form for form, _ in fingerprints})


def _title(node: str, graph: Mapping[str, object]) -> str:
    parts = mapping(graph.get(node))
    return _member(parts.get("_meta"), "title", "") or _member(parts, "class_type", "") or node


def _rate(manifests: Sequence[Mapping[str, object]]) -> float | None:
    """Rows per second, over the time of all shards. None until all of them have told theirs."""
    rows, seconds = 0.0, 0.0
    for manifest in manifests:
        totals = mapping(manifest.get("totals"))
        if not totals:
            return None
        rows += _number(totals.get("rows"))
        seconds += _number(totals.get("seconds"))
    return rows / seconds if seconds > 0 else None


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0.0


def _cached(manifests: Sequence[Mapping[str, object]]) -> Mapping[str, int] | None:
    counts: Counter[str] = Counter()
    for manifest in manifests:
        cached = mapping(manifest.get("totals")).get("cached")
        if not isinstance(cached, Mapping):
            return None
        counts.update({node: n for node, n in cached.items() if isinstance(n, int)})
    return counts


def _settings(manifest: Mapping[str, object]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for heading, name in _SETTINGS:
        pairs = mapping(manifest.get(name)).items()
        if pairs:
            yield heading, [(clipped(str(name), 80), clipped(as_text(value), 1000)) for name, value in pairs]


def _inputs(manifest: Mapping[str, object], graph: Mapping[str, object]) -> list[tuple[str, str]]:
    """Every value of the graph by its full name, defaults too where they are known; of what rows set, the column."""
    columns, bound, found = mapping(manifest.get("columns")), _bound(manifest), []
    for id, node in graph.items():
        title, inputs = _title(id, graph), mapping(mapping(node).get("inputs"))
        stated = {name: value for name, value in inputs.items() if not isinstance(value, list)}  # a list is a link
        for name, value in stated.items():
            names = (f"{title}.{name}", f"{id}.{name}", *([title] if len(stated) == 1 else []))
            renamed = next((columns[one] for one in names if one in columns), None)
            column = bound.get((id, name), renamed)
            said = as_text(value) if column is None else f"column {as_text(column)}"
            found.append((clipped(names[0], 80), clipped(said, 1000)))
        left_out = mapping(mapping(manifest.get("defaults")).get(id))
        found += [
            (clipped(f"{title}.{name}", 80), f"{clipped(as_text(value), 1000)} (default)")
            for name, value in left_out.items()
        ]
    return found


def _bound(manifest: Mapping[str, object]) -> dict[tuple[object, object], str]:
    """The column that sets an input, by the input's node and name; {} for a run that did not note it (version 0.1)."""
    bindings = mapping(manifest.get("bindings")).items()
    return {(at[0], at[1]): column for column, at in bindings if isinstance(at, list) and len(at) == 2}


def _image_loaders(graph: Mapping[str, object]) -> dict[str, object]:
    return {id: node for id, node in graph.items() if _member(node, "class_type", "") in _LOADERS}


def _image_columns(manifest: Mapping[str, object], graph: Mapping[str, object]) -> list[str]:
    """The columns that name the images which the graph loads."""
    names = {"image"}
    for id in _image_loaders(graph):
        title = _title(id, graph)
        names |= {title, f"{title}.image", f"{id}.image"}
    columns = mapping(manifest.get("columns"))
    return [column for name, column in columns.items() if name in names and isinstance(column, str)]


def _constant_image(graph: Mapping[str, object]) -> str:
    """The image that all rows are about if no column names one: that of the only node which loads images."""
    names = [_member(mapping(node).get("inputs"), "image", "") for node in _image_loaders(graph).values()]
    return names[0] if len(names) == 1 else ""


def _missing(shards: Sequence[tuple[int, int]]) -> list[str]:
    """Shards that have no results yet."""
    counts = {of for _, of in shards}
    return [f"{i}/{of}" for of in sorted(counts) for i in range(1, of + 1) if (i, of) not in shards]

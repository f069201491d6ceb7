"""DIR/manifest.json: what was run, so that a folder says where its results come from and never mixes two graphs."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from api_graph.errors import BadInput, shown
from api_graph.table.writing import whole_file

NAME = "manifest.json"
FORMAT = 1

_PACKAGES = ("api-graph", "torch", "torchvision", "open_clip_torch", "transformers", "numpy", "pillow", "ray")
_OBJECTS = ("graph", "rows", "columns", "arguments")
_MOST_SHOWN = 5


@dataclass
class Manifest:
    """`graph` is in API format with constants applied; `columns` maps the graph's inputs to the table's columns."""

    graph: Mapping[str, Any]
    graph_name: str
    rows: Mapping[str, Any]
    set: Mapping[str, Any]
    columns: Mapping[str, str]
    inputs: list[str] = field(default_factory=list)
    shard: str | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: versions())
    device: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    started: str = ""
    finished: str | None = None
    totals: Mapping[str, Any] | None = None

    @property
    def fingerprint(self) -> str:
        """sha256 of what decides the results."""
        return fingerprint(self.graph, self.columns)

    def write(self, folder: Path) -> None:
        """Write DIR/manifest.json, whole or not at all. Raises WriteFailed."""
        document = {"format": FORMAT, **asdict(self), "fingerprint": self.fingerprint}
        with whole_file(folder / NAME) as file:
            file.write(json.dumps(document, indent=1).encode())


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of an output folder; None where there is none. Raises BadInput for one that cannot be used."""
    path = folder / NAME
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _unusable(path, f"cannot be read ({reason})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _unusable(path, f"is not of format {FORMAT}")
    known = [item.name for item in fields(Manifest)]
    wrong = [name for name in known if name not in document]
    wrong += [name for name in _OBJECTS if not isinstance(document.get(name), dict)]
    if wrong:
        raise _unusable(path, f"has no usable {wrong[0]!r}")
    return Manifest(**{name: document[name] for name in known})


def fingerprint(graph: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    """sha256 of what decides the results: the graph without its titles, and which column feeds which input."""
    nodes = {id: {name: part for name, part in node.items() if name != "_meta"} for id, node in graph.items()}
    return hashlib.sha256(_canonical({"graph": nodes, "columns": dict(columns)}).encode("ascii")).hexdigest()


def check_same(old: Manifest, new: Manifest) -> None:
    """Raises BadInput, naming what differs, where results of `new` do not belong beside those of `old`."""
    if old.fingerprint == new.fingerprint:
        return
    found = differences(old, new) or ["the graph differs"]
    more = f"; and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    raise BadInput(
        f"this folder has results of something else: {'; '.join(found[:_MOST_SHOWN])}{more}",
        input="--out",
        hint="Name another folder, or give the graph, its values and the columns as before.",
    )


def differences(old: Manifest, new: Manifest) -> list[str]:
    """What differs, in words: nodes, inputs of nodes, columns."""
    found = [f"node {id} is gone" for id in old.graph if id not in new.graph]
    found += [f"node {id} is new" for id in new.graph if id not in old.graph]
    for id in old.graph:
        if id in new.graph:
            found += _node_differences(id, old.graph[id], new.graph[id])
    return found + _changed(old.columns, new.columns, "column of {}")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that are installed; none of them is imported."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _node_differences(id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    if old["class_type"] != new["class_type"]:
        return [f"node {id} was a {old['class_type']} and is a {new['class_type']}"]
    return _changed(old["inputs"], new["inputs"], f"{id}.{{}}")


def _changed(old: Mapping[str, Any], new: Mapping[str, Any], named: str) -> list[str]:
    def said(values: Mapping[str, Any], name: str) -> str:
        return shown(values[name]) if name in values else "not set"

    def same(name: str) -> bool:
        return name in old and name in new and _canonical(old[name]) == _canonical(new[name])

    return [
        f"{named.format(name)} was {said(old, name)} and is {said(new, name)}"
        for name in dict.fromkeys([*old, *new])
        if not same(name)
    ]


def _canonical(value: Any) -> str:
    """As JSON, which tells 1 from 1.0 and from true, and a list not from a tuple."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _unusable(path: Path, problem: str) -> BadInput:
    return BadInput(f"the manifest {problem}", value=str(path), hint="Restore it, or name another folder.")

"""DIR/manifest.json: what was run. A folder tells where its results come from, and never mixes two graphs."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from api_graph.errors import BadInput, shown
from api_graph.json_values import Json
from api_graph.table.output import whole_file

if TYPE_CHECKING:  # it needs torch, and versions are told without
    from api_graph.graph.model import ApiNode, Graph
    from api_graph.table.rows import Table

NAME = "manifest.json"
FORMAT = 2
_READ = (1, 2)

MERGED = "merged"
"""The name, among the arguments in a merged folder's manifest, of the shards that it was made from."""

FORMATS: Mapping[str, Json] = {"image_format": "png", "heatmap_format": "png", "quality": None}
"""Arguments that say how pictures are written, and what a folder had that does not say it."""
MAPS: Mapping[str, Json] = {"maps": None, "map_precision": None}
"""The same of maps as numbers, which older folders do not have."""

_PACKAGES = ("api-graph", "torch", "torchvision", "open_clip_torch", "transformers", "numpy", "pillow", "ray")
_OBJECTS = ("graph", "rows", "columns", "arguments", "results", "bindings", "defaults", "grid", "controls")
_ADDED: Mapping[str, object] = {"grid": {}, "controls": {}}
"""What earlier manifests of format 2 do not have."""
_SINCE_FORMAT_2: Mapping[str, object] = {"results": {}, "bindings": {}, "names": "", "defaults": {}}
_NO_NAMES: Mapping[str, str] = {}
_MOST_SHOWN = 5

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""Unlike `==` it tells 1 from 1.0 and from true, and does not tell a tuple from a list."""


class RunTotals(TypedDict):
    """Sums over all rows of a folder. By node: seconds, rows for which it ran, and rows with its result cached."""

    rows: int
    ok: int
    failed: int
    seconds: float
    node_seconds: Mapping[str, float]
    ran: Mapping[str, int]
    cached: Mapping[str, int]


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages; none of them is imported."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass
class Manifest:
    """`graph` is in API format, with constants applied; `columns` maps the graph's inputs to the table's columns.

    `results` has by node id the name under which its results stand: fixed when the folder is begun. `bindings` has by
    column the node and the input that it sets, None where it sets nothing; it is empty where that is not known. `names`
    is the template of file names, "" for numbers alone, as in version 0.1. `defaults` has by node id what the
    inputs have that the graph leaves out. `grid` has by name of an input the values that every row of the table was run
    with, in all combinations: each of these is a row of its own here. `controls` is what the controls among them set.
    """

    graph: Mapping[str, ApiNode]
    graph_name: str
    rows: Mapping[str, Json]
    set: Mapping[str, Json]
    columns: Mapping[str, str]
    inputs: list[str] = field(default_factory=list)
    shard: str | None = None
    versions: Mapping[str, str] = field(default_factory=versions)
    device: str = ""
    arguments: Mapping[str, Json] = field(default_factory=dict)
    started: str = ""
    finished: str | None = None
    totals: RunTotals | None = None
    results: Mapping[str, str] = field(default_factory=dict)
    bindings: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    names: str = ""
    defaults: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    controls: Mapping[str, Json] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """sha256 of what decides the results: which column sets which input, and the graph without these and titles."""
        of_rows = self.set_by_rows()
        nodes = {
            id: {
                name: _without(of_rows, id, part) if isinstance(part, Mapping) else part
                for name, part in node.items()
                if name != "_meta"
            }
            for id, node in self.graph.items()
        }
        document: dict[str, object] = {"graph": nodes, "columns": dict(self.columns)}
        if self.bindings:  # else it is what version 0.1 has written
            document["bindings"] = {column: address for column, address in self.bindings.items() if address}
        formats = self.formats
        if (kept := {name: formats[name] for name in FORMATS}) != FORMATS:
            document["formats"] = kept
        if formats["maps"] is not None:
            document["maps"] = {name: formats[name] for name in MAPS}
        decisive = _canonical(document)
        return hashlib.sha256(decisive.encode("ascii")).hexdigest()

    @property
    def limit(self) -> int | None:
        """How many rows `--limit` has left: it counts those of the table, and each has all settings of the grid."""
        limit = self.arguments.get("limit")
        return limit * prod(map(len, self.grid.values())) if isinstance(limit, int) else None

    @property
    def formats(self) -> dict[str, Json]:
        """How pictures are written, and maps, and to which tars they go."""
        return {name: self.arguments.get(name, default) for name, default in {**FORMATS, **MAPS, "tar": None}.items()}

    def over(self, table: Table) -> Table:
        """The table as it was run: with the settings of the grid for each of its rows."""
        from api_graph.table.control_rows import Controls
        from api_graph.table.grid import Grid

        return Grid(self.grid, Controls.from_json(self.controls) if self.controls else None).over(table)

    def as_run(self, graph: Graph) -> Graph:
        """A graph as it was run: with the nodes for controls, where it had them."""
        if not self.controls:
            return graph
        from api_graph.registry import all_nodes
        from api_graph.table.control_rows import COLUMN, Controls
        from api_graph.table.controls import with_controls

        new = Controls.from_json(self.controls).inputs
        bound = {name: (own[0], own[1]) for name, own in self.bindings.items() if own and name not in new}
        sets = {name: own for name, own in bound.items() if name not in self.grid}
        taken = [bound[name] for name in self.grid if name != COLUMN]
        return with_controls(graph, all_nodes(), (), sets, taken)[0]

    def set_by_rows(self) -> set[tuple[str, str]]:
        """The inputs (node id and name) that every row sets: what the graph has there, no result depends on."""
        if self.arguments.get("keep_null"):  # a row without a value has the graph's own
            return set()
        return {(address[0], address[1]) for address in self.bindings.values() if address}

    def write(self, folder: Path) -> None:
        """Write DIR/manifest.json, whole or not at all. Raises WriteFailed."""
        document = {"format": FORMAT, **asdict(self), "fingerprint": self.fingerprint}
        with whole_file(folder / NAME) as file:
            file.write(json.dumps(document, indent=1).encode())


def read_manifest(folder: Path, *, names: bool = True) -> Manifest | None:
    """The manifest of an output folder, None if there is none. Raises BadInput for one that cannot be used.

    One of format 1 gets the names of its results from the nodes' declarations; without `names`, it has none.
    """
    path = folder / NAME
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _unusable(path, f"cannot be read ({reason})") from error
    if not isinstance(document, dict) or document.get("format") not in _READ:
        raise _unusable(path, f"is not of format {FORMAT} or older")
    document = {**_ADDED, **document}
    if document["format"] == 1:
        document = {**document, **_SINCE_FORMAT_2}
    known = [item.name for item in fields(Manifest)]
    wrong = [name for name in known if name not in document]
    wrong += [name for name in _OBJECTS if not isinstance(document.get(name), dict)]
    if wrong:
        raise _unusable(path, f"has no usable {wrong[0]!r}")
    manifest = Manifest(**{name: document[name] for name in known})
    if document["format"] == 1 and names:
        manifest.results = result_names(manifest.graph)
    return manifest


def result_names(
    graph: Mapping[str, ApiNode], known: Mapping[str, str] = _NO_NAMES, *, maps: bool = False
) -> dict[str, str]:
    """By node id the names under which results stand: the titles of the nodes that give any; with `maps`, maps too.

    Nodes of one title have their ids behind it, as in `Answer (12)`. `known` are names that are not to change.
    """
    from api_graph.registry import all_nodes

    registry, titles = all_nodes(), dict[str, str]()
    for id, node in graph.items():
        spec = registry.get(node["class_type"])
        mapping = maps and spec is not None and any(o.socket == "AP_ATTRIBUTION" for o in spec.outputs)
        if spec is None or spec.figures or mapping or (spec.output and not spec.preview):
            own = node.get("_meta", {}).get("title", "").strip()
            titles[id] = own or (spec.title if spec else node["class_type"])
    names = {id: known[id] for id in graph if id in known}
    taken, twice = set(names.values()), Counter(titles.values())
    # Titles that stand once go first: they stay as they are, whatever the others become.
    once = [id for id, title in titles.items() if twice[title] == 1]
    for id in [*once, *titles]:
        name = titles[id] if twice[titles[id]] == 1 else f"{titles[id]} ({id})"
        while id not in names and name in taken:
            name = f"{name} ({id})"
        taken.add(names.setdefault(id, name))
    return {id: names[id] for id in graph if id in names}


def is_manifest(folder: Path) -> bool:
    """Whether the folder has a manifest of this package, of whichever format."""
    try:
        document = json.loads((folder / NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and {"format", "graph", "rows", "columns"} <= document.keys()


def _unusable(path: Path, problem: str) -> BadInput:
    hint = "Restore it, or name another folder."
    return BadInput(f"the manifest {problem}", value=str(path), hint=hint)


def check_same(old: Manifest, new: Manifest) -> None:
    """Raise BadInput, naming the differences, if results of `new` must not be mixed with those of `old`.

    A shard is a part of so many rows: of a table that has grown, or been cut by another `--limit`, it is another part,
    and would have rows that its neighbours have done.
    """
    if old.grid.keys() != new.grid.keys() or (new.shard is not None and _canonical(old.grid) != _canonical(new.grid)):
        was, now = (" × ".join(_axis(each, whole=each.shard is not None)) or "no grid" for each in (old, new))
        hint = "Name another folder. Without --shard, more values of the same inputs may join."
        raise BadInput(f"this folder was begun with {was}, and not with {now}", input="--grid", hint=hint)
    if new.shard is not None and (before := _rows_counted(old)) != (now := _rows_counted(new)):
        raise BadInput(
            f"this shard was begun as a part of {before} rows, and of {now} it is another part",
            input="--out",
            value=new.shard,
            hint="Run the shards of another number of rows in another folder.",
        )
    found = differences(old, new)
    if not found:
        return
    more = f"; and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    raise BadInput(
        f"this folder has results of something else: {'; '.join(found[:_MOST_SHOWN])}{more}",
        input="--out",
        hint="Name another folder, or give the graph, its values and the columns as before.",
    )


def _rows_counted(manifest: Manifest) -> object:
    """How many rows count, with `--limit`; None in a manifest that does not say it."""
    count, limit = manifest.rows.get("count"), manifest.limit
    return min(count, limit) if isinstance(count, int) and isinstance(limit, int) else count


def _axis(manifest: Manifest, *, whole: bool) -> list[str]:
    """The inputs of a manifest's grid; `whole`, with their values."""
    return [f"{name}={','.join(map(shown, own))}" if whole else name for name, own in manifest.grid.items()]


def differences(old: Manifest, new: Manifest) -> list[str]:
    """The differences in words: nodes, inputs of nodes, columns.

    What columns set is left out, and which table it was: a row of another table has another key. A manifest of version
    0.1 does not say what its columns set; it was what they set now.
    """
    both = bool(old.bindings and new.bindings)
    of_rows = old.set_by_rows() & new.set_by_rows() if both else old.set_by_rows() | new.set_by_rows()
    found = [f"node {id} is gone" for id in old.graph if id not in new.graph]
    found += [f"node {id} is new" for id in new.graph if id not in old.graph]
    for id, before in old.graph.items():
        after = new.graph.get(id)
        if after is None:
            continue
        if before["class_type"] != after["class_type"]:
            found.append(f"node {id} was a {before['class_type']} and is a {after['class_type']}")
        else:
            was, now = (_without(of_rows, id, node["inputs"]) for node in (before, after))
            found += _changed(was, now, f"{id}.{{}}")
    for column in old.bindings.keys() & new.bindings.keys():
        if old.bindings[column] != new.bindings[column]:
            sets = [".".join(each.bindings[column] or ["nothing"]) for each in (old, new)]
            found.append(f"the column {column} has set {sets[0]} and sets {sets[1]}")
    found += _changed(old.formats, new.formats, "{}")
    return found + _changed(old.columns, new.columns, "column of {}")


def _without(of_rows: Collection[tuple[str, str]], id: str, inputs: Mapping[str, object]) -> dict[str, object]:
    """The inputs of a node that no row sets."""
    return {name: value for name, value in inputs.items() if (id, name) not in of_rows}


def _changed(old: Mapping[str, object], new: Mapping[str, object], named: str) -> list[str]:
    def in_words(values: Mapping[str, object], name: str) -> str:
        return shown(values[name]) if name in values else "not set"

    def same(name: str) -> bool:
        return name in old and name in new and _canonical(old[name]) == _canonical(new[name])

    return [
        f"{named.format(name)} was {in_words(old, name)} and is {in_words(new, name)}"
        for name in dict.fromkeys([*old, *new])
        if not same(name)
    ]

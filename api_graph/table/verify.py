"""Whether what a run has left is whole: each row of its table has one line, and each line's files are as they were."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from api_graph.errors import ApiGraphError, BadInput
from api_graph.files import real_path
from api_graph.table import journal, listing, manifest
from api_graph.table.journal import JournalLine, journal_lines, packed_key
from api_graph.table.line_check import Depth, LineChecker, check_lines
from api_graph.table.manifest import MERGED, Manifest, read_manifest
from api_graph.table.remote import is_remote
from api_graph.table.shards import NAME as SHARDS
from api_graph.table.shards import parse_shard

if TYPE_CHECKING:
    from api_graph.table.rows import Table

KINDS: Mapping[str, tuple[str, str]] = {
    "manifest": ("fault of the manifest", "faults of the manifests"),
    "graph": ("change of the graph", "changes of the graph"),
    "table": ("fault of the table", "faults of the table"),
    "shard": ("missing shard", "missing shards"),
    "line": ("damaged line", "damaged lines"),
    "twice": ("line too many", "lines too many"),
    "lost": ("row without a line", "rows without a line"),
    "missing": ("written file missing", "written files missing"),
    "damaged": ("written file damaged", "written files damaged"),
    "gone": ("input file missing", "input files missing"),
    "changed": ("input file changed", "input files changed"),
    "unreached": ("remote input file not reached", "remote input files not reached"),
}
"""What may be wrong, in words: of one, of several. Files count once for each row."""

REPAIRED = ("line", "twice", "lost", "missing", "damaged", "changed")
"""What the same `map` repairs."""

MOST_SHOWN = 10

_SHARD = re.compile(r"[0-9]+-of-([0-9]+)", re.ASCII)


@dataclass
class Verification:
    """What is wrong with a folder: by kind, how often, and the first of each.

    `rows` is how many rows the table should have lines for, None where nobody knows; `failed` counts the lines of rows
    that failed, which is no fault of the folder. `notes` are what is no fault either, and should be known.
    """

    folder: Path
    rows: int | None = None
    lines: int = 0
    failed: int = 0
    finished: bool = True
    untold: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    first: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.counts.values())

    def add(self, kind: str, said: str) -> None:
        """Count one fault more."""
        self.counts[kind] += 1
        if len(self.first[kind]) < MOST_SHOWN:
            self.first[kind].append(said)

    def sentence(self) -> str:
        """All of it in one line."""
        unfinished = "" if self.finished else "the run has not finished; "
        found = [f"{count:,} {KINDS[kind][count > 1]}" for kind, count in self.counts.items() if count]
        if self.untold:
            found.append(f"{self.untold:,} files with another time than their lines say")
        if found:
            return f"{unfinished}{', '.join(found)}: `api-graph verify` lists them"
        return f"{unfinished}every row has its line, and every file is there with its size"


def verify(
    folder: Path,
    *,
    depth: Depth = "usual",
    rows: str | Path | None = None,
    graph: bool = False,
    allow_private: bool = False,
) -> Verification:
    """Check the results in `folder`: those of one run, of a merge, of one shard, or of all shards together.

    `rows` is the table where it has moved; with `graph` the graph's file is compared too, for which all nodes are
    imported. Servers of remote files are asked, private ones with `allow_private` alone. Raises BadInput if there are
    no results.
    """
    found = Verification(folder)
    parts = _parts(folder, found)
    known = [part.manifest for part in parts if part.manifest is not None]
    output, own = parts[0].output, known[0] if known else None
    found.finished = all(each.finished is not None for each in known)
    table = _table(own, output, rows, found, depth, allow_private) if own is not None else None
    numbers = _numbers(own, parts, table, found) if own is not None else None
    wanted = _wanted(table, numbers) if table is not None and numbers is not None else None
    if graph and own is not None:
        _check_graph(own, found)
    base = str(real_path(table.base)) if rows is not None and table is not None else ""
    seen, seen_numbers, others = set[bytes](), set[int](), 0
    for part in parts:
        inputs = part.manifest.inputs if part.manifest is not None else []
        checker = LineChecker(output, base or next(iter(inputs), ""), depth, allow_private)
        for line, faults in check_lines(_lines(part.folder, found), checker):
            record, key = line.record, packed_key(line.record["key"])
            name = f"row {record['row']}"
            found.lines += 1
            found.failed += not record["ok"]
            if key in seen:
                found.add("twice", f"{name}: line {line.number} is another one")
            elif wanted is not None and wanted.pop(key, None) is None:
                others += 1  # not of this table: what happens to its files is no fault of the run
                faults = []
            seen.add(key)
            seen_numbers.add(record["row"])
            for fault in faults:
                found.add(fault.kind, f"{name}: {fault.file}")
        found.untold += checker.untold
    if wanted is None and numbers is not None:
        wanted = _lost_by_number(numbers, len(seen), seen_numbers)
    for number in (wanted or {}).values():
        found.add("lost", f"row {number}")
    if others:
        are = "1 line is of a row" if others == 1 else f"{others:,} lines are of rows"
        found.notes.append(f"{are} that the table no longer has, or beyond the run's --limit")
    return found


def _lines(folder: Path, found: Verification) -> Iterator[JournalLine]:
    path = folder / journal.NAME
    if not path.exists():
        return iter(())
    return journal_lines(path, lambda number: found.add("line", f"line {number} of {path}"))


class _Part(NamedTuple):
    """One journal: its folder, and that of the whole run."""

    folder: Path
    output: Path
    manifest: Manifest | None


def _parts(folder: Path, found: Verification) -> list[_Part]:
    """The journal of a folder, or those of its shards. Raises BadInput where there is none."""
    shards = sorted(path for path in (folder / SHARDS).glob("*-of-*") if _SHARD.fullmatch(path.name))
    if (folder / journal.NAME).exists() or ((folder / manifest.NAME).exists()) or not shards:
        if not (folder / journal.NAME).exists() and not (folder / manifest.NAME).exists():
            problem = "there are no results in it" if folder.is_dir() else "there is no such folder"
            raise BadInput(problem, input="DIR", value=str(folder), hint="Name the --out folder of an `api-graph map`.")
        own = _manifest(folder, found)
        is_shard = folder.absolute().parent.name == SHARDS and own is not None and own.shard is not None
        return [_Part(folder, folder.absolute().parent.parent if is_shard else folder, own)]
    of = max(int(path.name.rpartition("-")[2]) for path in shards)
    parts = [_Part(path, folder, _manifest(path, found)) for path in shards]
    names = {path.name for path in shards}
    for index in range(1, of + 1):
        if f"{index}-of-{of}" not in names:
            found.add("shard", f"{index}/{of} was not started")
    for part in parts:
        if part.manifest is not None and part.manifest.finished is None:
            found.add("shard", f"{part.manifest.shard} has not finished")
    return parts


def _manifest(folder: Path, found: Verification) -> Manifest | None:
    path = folder / manifest.NAME
    try:
        own = read_manifest(folder, names=False)  # a report takes a moment, and importing the nodes seconds
        if own is None:
            found.add("manifest", f"{path} is missing: nobody knows which table and graph these results are of")
            return None
        document = json.loads(path.read_bytes())
        # An older format may have had another fingerprint.
        if document["format"] == manifest.FORMAT and document.get("fingerprint") != own.fingerprint:
            found.add("manifest", f"{path} was edited: it has another graph than it was written with")
    except (OSError, ValueError, ApiGraphError) as error:
        found.add("manifest", str(error))
        return None
    return own


def _check_graph(own: Manifest, found: Verification) -> None:
    """Whether the graph's file still is the graph that was run, wherever its models ran."""
    from api_graph.graph import set_inputs
    from api_graph.registry import all_nodes
    from api_graph.runs import open_graph
    from api_graph.settings import is_shipped

    file = own.arguments.get("graph") or (own.graph_name if is_shipped(own.graph_name) else None)
    if not isinstance(file, str):
        return
    texts = {name: value for name, value in own.set.items() if isinstance(value, str)}
    values = {name: value for name, value in own.set.items() if name not in texts}
    try:
        now = own.as_run(set_inputs(open_graph(file), all_nodes(), values, texts)).to_api()
    except ApiGraphError as error:
        found.notes.append(f"the graph cannot be compared: {error}")
        return
    for id, node in now.items():
        before = own.graph.get(id, node)["inputs"]
        if "device" in before:
            now[id] = {**node, "inputs": {**node["inputs"], "device": before["device"]}}
    for difference in manifest.differences(own, replace(own, graph=now)):
        found.add("graph", f"{file}: {difference}")


def _table(
    own: Manifest, output: Path, moved: str | Path | None, found: Verification, depth: Depth, allow_private: bool
) -> Table | None:
    """The table that the results are of, as far as it can be read; pictures as they were listed."""
    from api_graph.table.rows import open_table

    kind, source = str(own.rows.get("kind")), moved or own.rows.get("path") or own.rows.get("source")
    if kind == "python" and moved is None:
        found.notes.append("the rows came from Python: they are checked by their numbers")
        return None
    if depth == "stat" and is_remote(str(source)):
        found.notes.append("the table is remote: it is checked by its rows' numbers")
        return None
    try:
        table = open_table(str(source), kind=kind if moved is None else None, allow_private=allow_private)
        if kind not in ("folder", "glob"):
            return own.over(table)
        if (listed := listing.read_listing(output)) is None:
            if "path" in own.rows:
                found.add("table", f"{output / listing.NAME} is missing or damaged: it has the pictures that are rows")
            return own.over(listing.list_pictures(table, output)[0])
        if depth != "stat" and (now := listing.list_pictures(table, output)[1]) is not None:
            found.notes += now.in_words()
        return own.over(replace(table, reader=listed))
    except BadInput as error:
        found.add("table", f"{error} It is checked by numbers; --rows names one that has moved.")
        return None


def _numbers(own: Manifest, parts: Sequence[_Part], table: Table | None, found: Verification) -> range | None:
    """The numbers of the rows that must have a line. A run's `--limit` counts; shards and merges must be whole."""
    told = own.rows.get("count")
    count = told if table is None else table.count()
    if not isinstance(count, int):
        return None
    if count != told:
        found.notes.append(f"the table had {told} rows, and has {count} now")
    for part in parts:
        if part.manifest is not None and part.manifest.shard is not None and part.manifest.arguments.get("limit"):
            cut = part.manifest.arguments["limit"]
            found.notes.append(f"shard {part.manifest.shard} was cut by --limit {cut}")
    numbers, limit = range(count), own.limit
    if own.shard is not None:
        numbers = parse_shard(own.shard).range(count) if parts[0].folder == found.folder else numbers
    elif limit is not None and MERGED not in own.arguments:
        numbers = range(min(limit, count))
    found.rows = len(numbers)
    return numbers


def _wanted(table: Table, numbers: range) -> dict[bytes, int]:
    return {packed_key(row.key): row.number for row in islice(iter(table), numbers.start, numbers.stop)}


def _lost_by_number(numbers: range, lines: int, seen: set[int]) -> dict[bytes, int]:
    """The rows without a line, where only numbers are known. A number that stands twice is of a table sorted anew."""
    if lines == len(seen) or lines < len(numbers):
        lost = [number for number in numbers if number not in seen]
        return {str(number).encode(): number for number in lost or numbers[lines:]}
    return {}


def verified_at_a_glance(folder: Path) -> str:
    """In one line, what `verify` finds without reading any file that the lines tell of. Raises nothing."""
    try:
        return verify(folder, depth="stat").sentence()
    except (ApiGraphError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"it cannot be verified ({error})"

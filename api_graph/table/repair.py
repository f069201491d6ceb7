"""What a run repairs before its first row: rows whose line or files are lost or have changed are done again.

It finds what `verify` finds in lines, by the same check.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from api_graph.table import journal
from api_graph.table.journal import journal_lines, packed_key
from api_graph.table.line_check import LineChecker, LineFault, check_lines
from api_graph.table.manifest import Manifest
from api_graph.table.output import whole_file
from api_graph.table.plan import TablePlan

_WHY = {
    "changed": "pictures or other files that they read have changed",
    "missing": "files that they wrote are missing",
    "damaged": "files that they wrote are damaged",
    "line": "their lines say too little",
}
"""Why rows are done again; of several reasons the first is said."""
_KEPT = {"gone": "is missing", "unreached": "was not reached"}
"""What nobody could do again, and why."""
_MOST_NAMED = 3


def repair(plan: TablePlan, before: Manifest | None) -> list[str]:
    """Take out of the journal what must be done again, of the rows that this run has. Returns what is to be said.

    The lines of rows whose input files are gone stay: nobody could do them again. `before` is the folder's manifest;
    without it nothing says that the file is a journal at all, and a damaged line raises BadInput.
    """
    path = plan.folder / journal.NAME
    if not path.exists():
        return _lost(before, 0)
    damaged: list[int] = []
    twice: list[int] = []
    wrong: dict[bytes, tuple[int, list[LineFault]]] = {}
    seen = set[bytes]()
    lines = journal_lines(path, None if before is None else damaged.append)
    checker = LineChecker(Path(plan.job.output), plan.job.inputs[0], allow_private=plan.job.allow_private)
    for line, faults in check_lines(lines, checker):
        key = packed_key(line.record["key"])
        if key in seen:
            twice.append(line.number)
        elif faults:
            wrong[key] = line.number, faults
        seen.add(key)
    drop, said = {*damaged, *twice}, []
    kinds: dict[str, list[str]] = defaultdict(list)  # a file of each row
    for number, faults in _of_this_run(plan, wrong):
        by_kind = {fault.kind: fault.file for fault in reversed(faults)}
        kind = next(kind for kind in (*_KEPT, *_WHY) if kind in by_kind)
        kinds[kind].append(by_kind[kind])
        if kind not in _KEPT:
            drop.add(number)
    if drop:
        with whole_file(path) as kept:
            for line in journal_lines(path, drop.add):
                if line.number not in drop:
                    kept.write(line.raw)
    for kind, why in _WHY.items():
        if kinds[kind]:
            said.append(f"{_rows_are(len(kinds[kind]))} done again: {why} ({_some(kinds[kind])})")
    if damaged:
        one = "1 damaged line is", "its row"
        are, theirs = one if len(damaged) == 1 else (f"{len(damaged):,} damaged lines are", "their rows")
        said.append(f"{are} taken out of {journal.NAME}, and {theirs} done again")
    if twice:
        are = "1 line is" if len(twice) == 1 else f"{len(twice):,} lines are"
        said.append(f"{are} taken out of {journal.NAME}: an earlier one is of the same row")
    for kind, how in _KEPT.items():
        if count := len(kinds[kind]):
            keep = "1 row keeps its result" if count == 1 else f"{count:,} rows keep their results"
            said.append(f"{keep}, though what was read for it {how} ({_some(kinds[kind])})")
    return said + _lost(before, len(seen) + len(damaged))


def _of_this_run(
    plan: TablePlan, wrong: dict[bytes, tuple[int, list[LineFault]]]
) -> Iterator[tuple[int, list[LineFault]]]:
    """Of the rows in which something is wrong, those that this run would do again. The others keep their lines."""
    if wrong:
        for row in plan.rows():
            found = wrong.get(packed_key(row.key))
            if found is not None:
                yield found


def _lost(before: Manifest | None, lines: int) -> list[str]:
    """What is said of lines that were there at the end of the last run, and are not now."""
    lost = 0 if before is None or before.totals is None else before.totals["rows"] - lines
    return [f"{_rows_are(lost)} done again: their lines are gone from {journal.NAME}"] if lost > 0 else []


def _rows_are(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"


def _some(names: Sequence[str]) -> str:
    first = list(dict.fromkeys(names))
    return ", ".join(first[:_MOST_NAMED]) + (", ..." if len(first) > _MOST_NAMED else "")

"""`api-graph verify`: whether the results of a table are whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.cli.console import one_line, print_json, say
from api_graph.cli.exits import FAILED, OK
from api_graph.cli.options import AllowPrivate, Debug, Json, existing_folders

if TYPE_CHECKING:
    from api_graph.table.verify import Verification


def verify(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The --out folder of an `api-graph map`.", show_default=False)
    ],
    content: Annotated[
        bool, typer.Option("--content", help="Read every file, not only those whose size or time differs.")
    ] = False,
    rows: Annotated[
        str | None, typer.Option("--rows", metavar="ROWS", help="The table, where it has moved.", show_default=False)
    ] = None,
    allow_private: AllowPrivate = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Check the results of a table: each row has exactly one line, and the files of each line are whole.

    Files that a row read or wrote are compared with what its line says of them. Nothing is changed: the same `map` does
    again what is missing or damaged. The exit code is 1 if anything is wrong.
    """
    from api_graph.table.verify import verify as verified

    (existing,) = existing_folders([folder], "DIR")
    found = verified(
        existing, depth="content" if content else "usual", rows=rows, graph=True, allow_private=allow_private
    )
    code = OK if found.ok else FAILED
    if as_json:
        print_json(_document(found, code))
    else:
        for line in _lines(found):
            say(one_line(line))
    return code


def _lines(found: Verification) -> list[str]:
    from api_graph.table.verify import KINDS, REPAIRED

    rows = "" if found.rows is None else f"{found.rows:,} rows, "
    lines = [f"{rows}{found.lines:,} lines, {found.failed:,} of rows that failed"]
    for kind, count in found.counts.items():
        if count:
            more = count - len(found.first[kind])
            lines.append(f"{count:,} {KINDS[kind][count > 1]}:")
            lines += [f"- {said}" for said in found.first[kind]] + ([f"- and {more:,} more"] if more else [])
    lines += [f"note: {note}" for note in found.notes]
    if not found.finished:
        lines.append("note: the run has not finished; the same `map` goes on")
    if found.ok:
        return [*lines, "all is whole"]
    repaired = any(found.counts[kind] for kind in REPAIRED)
    return [*lines, *(["the same `map` does these rows again; it cannot bring back input files"] if repaired else [])]


def _document(found: Verification, code: int) -> dict[str, object]:
    return {
        "ok": found.ok,
        "exit_code": code,
        "rows": found.rows,
        "lines": found.lines,
        "failed": found.failed,
        "finished": found.finished,
        "faults": {kind: {"count": count, "first": found.first[kind]} for kind, count in found.counts.items() if count},
        "notes": found.notes,
    }

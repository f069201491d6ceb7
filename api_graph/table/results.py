"""What the Python API gives for a row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from api_graph.table.records import Record


@dataclass(frozen=True)
class RowResult:
    """What one row gave, by node id: `outputs` (values that JSON can hold), `texts` shown, `names` of files written.

    `number` is the row's place in the table, from 0; `values` are its own; `error` says why it failed, else None.
    `seconds` is its share of the time that its nodes took, `cached` how many of them were there already. The files lie
    in `folder`, or below it.
    """

    number: int
    key: str
    values: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    texts: dict[str, list[str]]
    names: dict[str, list[str]]
    folder: Path
    seconds: float
    cached: int
    error: str | None

    @property
    def ok(self) -> bool:
        """Whether every node of the graph did its work."""
        return self.error is None

    @cached_property  # not everybody asks for it, and pathlib takes its time
    def files(self) -> dict[str, list[Path]]:
        """The files written, by node id."""
        return {node: [self.folder / name for name in names] for node, names in self.names.items()}


def result_of(record: Record, output: Path) -> RowResult:
    """The result that a line of results.jsonl says."""
    return RowResult(
        number=record["row"],
        key=record["key"],
        values=record["values"],
        outputs=record["outputs"],
        texts=record["texts"],
        names=record["files"],
        folder=output,
        seconds=record["seconds"],
        cached=record["cached"],
        error=record["error"]["message"] if record["error"] else None,
    )

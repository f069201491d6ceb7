"""The same rows as a table of every kind, for the tests of what readers make of them."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from api_graph.table.rows import Rows

KINDS = ("csv", "csv.gz", "tsv", "jsonl", "jsonl.gz", "parquet", "python")


def table_of(folder: Path, kind: str, rows: Sequence[Mapping[str, Any]]) -> Rows:
    """The rows as a table of a kind. Where a table must have a cell, a key that a row leaves out is empty or null."""
    if kind == "python":
        return [dict(row) for row in rows]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rows.{kind}"
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if kind == "parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table({c: [row.get(c) for row in rows] for c in columns}), path)
        return path
    if kind.startswith("jsonl"):
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    else:
        lines = _delimited([columns, *([_cell(row.get(c)) for c in columns] for row in rows)], kind)
    data = lines.encode()
    path.write_bytes(gzip.compress(data) if kind.endswith(".gz") else data)
    return path


def _cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _delimited(records: list[list[str]], kind: str) -> str:
    file = StringIO(newline="")
    csv.writer(file, delimiter="\t" if kind.startswith("tsv") else ",").writerows(records)
    return file.getvalue()

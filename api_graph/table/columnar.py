"""DIR/results.parquet, made from the journal: one row per record, in the same order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from api_graph.table.formats.parquet import BATCH, import_pyarrow
from api_graph.table.journal import read_records
from api_graph.table.writing import whole_file

NAME = "results.parquet"

_PLAIN = {"row": "int64", "key": "string", "ok": "bool_", "seconds": "float64", "ran": "int64", "cached": "int64"}
_AS_JSON = ("values", "outputs", "texts", "files", "steps", "error")


def write_parquet(folder: Path) -> Path:
    """Write DIR/results.parquet from DIR/results.jsonl, whole or not at all; what is nested becomes JSON texts.

    Raises BadInput where pyarrow is missing or the journal damaged, WriteFailed.
    """
    arrow = import_pyarrow()
    columns = {name: getattr(arrow, kind)() for name, kind in _PLAIN.items()}
    schema = arrow.schema({**columns, **dict.fromkeys(_AS_JSON, arrow.string())})
    rows = map(_row, read_records(folder))
    with whole_file(folder / NAME) as file, arrow.parquet.ParquetWriter(file, schema) as writer:
        for batch in _batches(rows):
            writer.write_batch(arrow.RecordBatch.from_pylist(batch, schema=schema))
    return folder / NAME


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: record.get(name) for name in _PLAIN}
    for name in _AS_JSON:
        value = record.get(name)
        row[name] = None if value is None else json.dumps(value)
    return row


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch

"""`api-graph results`: the results of a table as a table again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.cli.console import print_json, say
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json
from api_graph.errors import BadInput

if TYPE_CHECKING:
    from api_graph.table.export import FileKind


def results(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The --out folder of an `api-graph map`.", show_default=False)
    ],
    parquet: Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="Write a Parquet file.")] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a CSV file; one called .tsv has tabs.")
    ] = None,
    jsonl: Annotated[Path | None, typer.Option("--jsonl", metavar="FILE", help="Write an object a line.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Give the results of a table as one flat table, in its order: an object a line, or in a file.

    The table's own columns keep their names. What the graph's nodes gave is called TITLE.OUTPUT, as in Answer.text, and
    numbers are numbers. The run may still be going, and shards need not be merged.
    """
    from api_graph.table.export import flat_columns, flat_rows, write_results
    from api_graph.table.results import read_results

    wanted: dict[FileKind, Path] = {}
    if parquet is not None:
        wanted["parquet"] = parquet
    if csv is not None:
        wanted["csv"] = csv
    if jsonl is not None:
        wanted["jsonl"] = jsonl
    for path in wanted.values():
        if path.is_dir():
            raise BadInput("this is a folder", input="FILE", value=str(path), hint="Name a file in it.")
    written = [(path, write_results(folder, path, kind)) for kind, path in wanted.items()]
    if not written and not as_json:
        rows = read_results(folder)
        for row in flat_rows(flat_columns(rows), rows):
            print(json.dumps(row))
    elif as_json:
        count = written[0][1] if written else len(read_results(folder))
        print_json({"ok": True, "exit_code": OK, "rows": count, "files": [path for path, _ in written]})
    else:
        for path, count in written:
            say(f"{count:,} rows: {path}")
    return OK

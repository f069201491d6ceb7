"""`api-graph bench paper`: the main tables of both papers, on what data there is, the paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.cli.bench import JudgeName, OnFailure, data_of, run_benchmark
from api_graph.cli.console import complain, print_json, print_table, say, tell
from api_graph.cli.exits import FAILED, OK
from api_graph.cli.map import BatchSize, Threads
from api_graph.cli.options import (
    CacheFolder,
    Debug,
    Device,
    Json,
    Models,
    NoCache,
    existing_folders,
    kept_results,
    parse_settings,
    writable_folder,
)

if TYPE_CHECKING:
    from api_graph.bench.papers import PaperTable
    from api_graph.benching.paper import PaperCell
    from api_graph.benching.plan import Asked, GraphChoice

Root = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="It holds a folder for each benchmark, of its name.", show_default=False
    ),
]


TableName = Annotated[str, typer.Argument(metavar="[NAME]", help="A table, such as api-1; without it they are listed.")]
PaperOut = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results.", show_default="bench/NAME")
]
RoleModels = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="ROLE=MODEL",
        help="Another model than the paper's: answerer, clip or lvlm. Repeatable.",
        show_default=False,
    ),
]
RowGraphs = Annotated[
    list[str] | None,
    typer.Option("--graph", metavar="ROW=GRAPH", help="Another graph for a row. Repeatable.", show_default=False),
]
RowSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="[ROW:]NAME=VALUE", help="As `bench` has it. Repeatable.", show_default=False),
]
ItemsOfEach = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Only the first N items of each benchmark, or of each part.")
]


def paper(
    name: TableName = "",
    data: Root = None,
    out: PaperOut = None,
    model: RoleModels = None,
    graph: RowGraphs = None,
    set_: RowSettings = None,
    limit: ItemsOfEach = None,
    on_failure: OnFailure = None,
    judge: JudgeName = "",
    models: Models = None,
    device: Device = "",
    batch_size: BatchSize = None,
    threads: Threads = None,
    no_cache: NoCache = False,
    cache: CacheFolder = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
    debug: Debug = False,
) -> int:
    """Run a table of a paper on what data there is, with the paper's figures beside ours.

    Each benchmark has a folder of its name below --data, and its results one below --out, as `api-graph bench` makes
    it. What is not there is left out, and said.
    """
    if not name:
        return _list(as_json=as_json)
    from api_graph.bench.papers import paper_table
    from api_graph.benching.paper import graphs_of, settings_of
    from api_graph.benching.plan import Asked, chosen_graphs
    from api_graph.table.options import RunOptions
    from api_graph.table.output import output_lock

    table = paper_table(name)
    root = _root(table, data)
    graphs = graphs_of(table, parse_settings(graph or (), "--graph"))
    settings = settings_of(table, graphs, parse_settings(model or (), "--model"), parse_settings(set_ or ()))
    options = RunOptions(
        models=existing_folders(models, "--models"),
        cache=kept_results(cache, no_cache),
        batch_size=batch_size,
        threads=threads,
    )
    folder = writable_folder(out or Path("bench") / name, "--out")
    asked = Asked(
        root,
        folder,
        options,
        limit=limit,
        of_each_part=True,
        answer=table.answer,
        on_failure=on_failure or "empty",
        judge=judge,
    )
    with output_lock(folder):
        named = [f"{row}={source}" for row, source in graphs.items()]
        failed = _run_all(table, asked, chosen_graphs(named, settings), device, quiet=quiet)
        return _told(table, folder, failed=failed, as_json=as_json, quiet=quiet)


def _root(table: PaperTable, data: Path | None) -> Path:
    from api_graph.errors import BadInput

    if data is None:
        hint = f"It has folders of the names {', '.join(table.benchmarks())}."
        raise BadInput("the folder of the data is not named", input="--data", hint=hint)
    return existing_folders([data], "--data")[0]


def _list(*, as_json: bool) -> int:
    from api_graph.bench.papers import PAPERS

    if as_json:
        tables = PAPERS.values()
        print_json([{"name": t.name, "title": t.title, "benchmarks": list(t.benchmarks())} for t in tables])
        return OK
    rows = [(table.name, table.title, ", ".join(table.benchmarks())) for table in PAPERS.values()]
    print_table(("name", "table", "benchmarks"), rows)
    return OK


def _run_all(
    table: PaperTable, asked: Asked, graphs: Mapping[GraphChoice, dict[str, str]], device: str, *, quiet: bool
) -> bool:
    """Run the benchmarks whose data are there. Gives whether an item failed that counts for none."""
    from api_graph.benching.registry import benchmark

    failed = False
    for name, parts in table.benchmarks().items():
        spec = benchmark(name)
        if not (asked.data / name).is_dir():
            needs = ", ".join(needed.path for needed in spec.needs)
            complain(
                f"{spec.title} is left out: {asked.data / name} is not there, which would hold {needs}", kind="note"
            )
            continue
        if spec.judging is not None and not asked.judge:
            complain(f"{spec.title} is left out: it is judged; say --judge PROFILE", kind="note")
            continue
        if not quiet:
            tell(f"{spec.title}:")
        own = replace(
            asked,
            data=data_of(spec, asked.data),
            out=asked.out / name,
            parts=parts,
            judge=asked.judge if spec.judging is not None else "",
        )
        bench, scored = run_benchmark(spec, own, graphs, device, None, quiet=quiet)
        lost = any(each.score.status == "failed" for graph in scored for each in graph.scored)
        failed = failed or (lost and bench.on_failure == "error")
    return failed


def _told(table: PaperTable, out: Path, *, failed: bool, as_json: bool, quiet: bool) -> int:
    from api_graph.benching.paper import cells_of, laid_out, write_paper

    cells = cells_of(table, out)
    files = write_paper(table, cells, out)
    code = FAILED if failed else OK
    if as_json:
        document = {"ok": not failed, "exit_code": code, "paper": table.name, "files": files}
        print_json({**document, "cells": [_document(cell) for cell in cells]})
    elif not quiet:
        print_table(*laid_out(table, cells))
        if table.notes:
            say(table.notes)
        say(str(files[0]))
    return code


def _document(cell: PaperCell) -> dict[str, object]:
    n = cell.figure.n if cell.figure is not None else None
    return {"row": cell.row, "column": cell.column, "paper": cell.reported, "value": cell.value(), "n": n}

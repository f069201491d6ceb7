"""`api-graph map`: run a saved graph over the rows of a table."""

from __future__ import annotations

import time
import warnings
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.cli.console import clean_stdout, complain, one_line, parse_size, print_json, say, tell
from api_graph.cli.exits import FAILED, OK
from api_graph.cli.map_options import (
    BatchSize,
    ChunkSize,
    Columns,
    Concurrency,
    Controls,
    Engine,
    FastResize,
    FileNames,
    GpusPerActor,
    Grid,
    HeatmapFormat,
    ImageFormat,
    Keep,
    KeepGoing,
    KeepNull,
    Limit,
    Log,
    LogEvery,
    MapPrecision,
    Maps,
    MaxFailures,
    Memory,
    Quality,
    RayAddress,
    ResultFormat,
    RetryFailed,
    RowInputs,
    Rows,
    Shard,
    SharedSetting,
    Tar,
    Threads,
)
from api_graph.cli.options import (
    AllowPrivate,
    CacheFolder,
    Debug,
    Device,
    GraphName,
    Json,
    KeepAnswers,
    Models,
    NoCache,
    NoMetadata,
    Out,
    demo_warning,
    existing_folders,
    kept_results,
    parse_settings,
    prepared_graph,
    writable_folder,
)
from api_graph.cli.ran_table import RanTable, document_of, notes_of, summary_of
from api_graph.errors import ApiGraphWarning
from api_graph.notebook import counted

if TYPE_CHECKING:
    from api_graph.executor import Executor
    from api_graph.graph import Graph
    from api_graph.table.journal import Record
    from api_graph.table.map import RayOptions
    from api_graph.table.options import RunOptions
    from api_graph.table.plan import TablePlan
    from api_graph.table.run import TableRun

_FAILURES_SHOWN = 5
_LOOKED_AT = 100  # rows whose pictures are looked at for the demo model's sake


def map_(
    graph: GraphName,
    rows: Rows,
    out: Out = Path("output"),
    set_: SharedSetting = None,
    grid: Grid = None,
    controls: Controls = False,
    column: Columns = None,
    keep: Keep = None,
    keep_null: KeepNull = False,
    input_: RowInputs = None,
    models: Models = None,
    device: Device = "",
    limit: Limit = None,
    keep_going: KeepGoing = True,
    max_failures: MaxFailures = None,
    retry_failed: RetryFailed = False,
    format_: ResultFormat = "jsonl",
    batch_size: BatchSize = None,
    chunk_size: ChunkSize = None,
    threads: Threads = None,
    memory: Memory = "2G",
    shard: Shard = "",
    engine: Engine = "local",
    concurrency: Concurrency = None,
    gpus_per_actor: GpusPerActor = None,
    ray_address: RayAddress = "",
    as_json: Json = False,
    no_cache: NoCache = False,
    cache: CacheFolder = None,
    keep_answers: KeepAnswers = False,
    no_metadata: NoMetadata = False,
    names: FileNames = None,
    log: Log = None,
    log_every: LogEvery = 10.0,
    image_format: ImageFormat = None,
    heatmap_format: HeatmapFormat = None,
    quality: Quality = None,
    maps: Maps = None,
    map_precision: MapPrecision = None,
    tar: Tar = "",
    fast_resize: FastResize = False,
    allow_private: AllowPrivate = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take over results whose manifest is gone.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
    debug: Debug = False,
) -> int:
    """Run a saved graph over the rows of a table: each row sets the inputs that its columns are named after.

    Results go to --out, a line per row in results.jsonl. Stopped at any time, by whatever, the same command goes on
    where it was. A row that fails is noted there and in the exit code.
    """
    from api_graph.table.options import RunOptions
    from api_graph.table.shards import parse_shard

    options = RunOptions(
        columns=parse_settings(column or (), "--column"),
        keep=tuple(keep or ()),
        inputs=existing_folders(input_, "--input"),
        models=existing_folders(models, "--models"),
        cache=kept_results(cache, no_cache),
        metadata=not no_metadata,
        names=names,
        batch_size=batch_size,
        chunk_size=chunk_size,
        threads=threads,
        memory=parse_size(memory, "--memory"),
        shard=parse_shard(shard) if shard else None,
        limit=limit,
        retry_failed=retry_failed,
        max_failures=max_failures if keep_going else 0,
        keep_answers=keep_answers,
        keep_null=keep_null,
        adopt=adopt,
        image_format=image_format,
        heatmap_format=heatmap_format,
        quality=quality,
        grid=parse_settings(grid or (), "--grid"),
        controls=controls,
        allow_private=allow_private,
        maps=maps,
        map_precision=map_precision,
        tar=parse_size(tar, "--tar") if tar else None,
    )
    ready, plan = _planned(graph, rows, out, parse_settings(set_ or ()), device, options, fast=fast_resize)
    ray = ray_options(concurrency, gpus_per_actor, ray_address) if engine == "ray" else None
    parquet = format_ == "parquet"
    ran = run_plan(ready, plan, ray, quiet=quiet, parquet=parquet, log=log, log_every=log_every)
    return _told(ran, plan, as_json=as_json, quiet=quiet)


def _planned(
    name: str, rows: str, out: Path, constants: dict[str, str], device: str, options: RunOptions, *, fast: bool
) -> tuple[Graph, TablePlan]:
    """The graph with its constants, and what is to be run. Raises GraphError or BadInput."""
    from api_graph.graph import set_inputs
    from api_graph.registry import all_nodes
    from api_graph.runs import fast_resize as fast_resize_of
    from api_graph.table.plan import plan_of

    registry = all_nodes()
    graph = prepared_graph(name, registry, constants, device)
    if fast:
        more = fast_resize_of(graph, registry)
        graph, constants = set_inputs(graph, registry, {}, more), {**constants, **more}
    return graph, plan_of(graph, name, rows, writable_folder(out, "--out"), registry, constants, options)


def ray_options(concurrency: int | None, gpus_per_actor: float | None, address: str) -> RayOptions:
    """The options of the engine ray."""
    from api_graph.table.map import RayOptions

    return RayOptions(concurrency, gpus_per_actor, address or None)


def _told(ran: RanTable, plan: TablePlan, *, as_json: bool, quiet: bool) -> int:
    """Say what has been done. The exit code."""
    from api_graph.executor.results import NO_REQUEST

    code = FAILED if ran.run.failed else OK
    if as_json:
        print_json(
            {
                **document_of(ran.run, ran.seconds),
                "columns": asdict(plan.columns),
                "files": ran.files,
                "warnings": ran.warned,
                "notes": notes_of(ran.run),
                "exit_code": code,
            }
        )
    elif not quiet:
        say(summary_of(ran))
        if ran.kept:
            say(f"{ran.kept:,} answers shared or {NO_REQUEST}")
        for file in ran.files:
            say(str(file))
    return code


def run_plan(
    graph: Graph,
    plan: TablePlan,
    ray: RayOptions | None,
    *,
    quiet: bool,
    parquet: bool = False,
    executor: Executor | None = None,
    log: Path | None = None,
    log_every: float = 10.0,
) -> RanTable:
    """Run a plan's rows, with what is to be said before the first, and progress, on stderr; and in the file `log`.

    Runs in this process may share an `executor`, one after the other.
    """
    from api_graph.cli.progress import endpoints_asked, say_where_images_go, shown_rows
    from api_graph.cli.run_log import logged
    from api_graph.registry import all_nodes
    from api_graph.settings import headless_folders
    from api_graph.table.formats.parquet import write_parquet
    from api_graph.table.map import engine_of
    from api_graph.table.run import TableRun

    asked, kept = endpoints_asked(graph), 0
    if not quiet:
        if asked:
            say_where_images_go(asked.values())
        for line in plan.columns.lines():
            tell(one_line(line))
        for said in plan.listing.in_words() if plan.listing is not None else ():
            complain(said, kind="note")
        for said in plan.notes:
            complain(said, kind="note")
    run, started = TableRun(plan), time.monotonic()
    with clean_stdout() as warned:
        folders = headless_folders(plan.job.output, plan.job.inputs, frozenset(plan.job.trusted))
        first = list(islice(plan.rows(), _LOOKED_AT))
        values = {name: [row.values.get(column) for row in first] for column, name in plan.columns.sets.items()}
        if about_demo := demo_warning(graph, all_nodes(), folders, values):
            warnings.warn(about_demo, ApiGraphWarning, stacklevel=2)
        with (
            logged(run, log, log_every),
            shown_rows(run, quiet=quiet) as shown,
            closing(run.records(engine_of(plan, ray, executor=executor))) as batches,
        ):
            for records in batches:
                if failed := [record for record in records if not record["ok"]]:
                    _complain(run, failed)
                kept += sum(record["ok"] and node not in record["steps"] for record in records for node in asked)
                if shown is not None:
                    shown.update()
        files = [plan.folder / "results.jsonl"]
        if parquet:
            files.append(write_parquet(plan.folder))
    for said in notes_of(run) if run.failed_before and not quiet else ():
        complain(said, kind="note")
    return RanTable(run, time.monotonic() - started, kept, warned, files)


def _complain(run: TableRun, failed: list[Record]) -> None:
    """A line on stderr for each of the first failed rows; all of them are in results.jsonl."""
    said_before = run.totals.failed - len(failed)
    for number, record in enumerate(failed, start=said_before):
        if number < _FAILURES_SHOWN and record["error"] is not None:
            complain(f"row {record['row']}: {record['error']['message']}")
        elif number == _FAILURES_SHOWN:
            complain("more rows have failed: results.jsonl has them all", kind="note")


def merge(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The --out of the shards.", show_default=False)],
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Merge what is there.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Make one results.jsonl of what the parts of a table (`map --shard`) gave."""
    from api_graph.table.merge import merge_shards
    from api_graph.table.verify import verified_at_a_glance

    (existing,) = existing_folders([folder], "DIR")
    report = merge_shards(existing, allow_missing=allow_missing)
    missing = [f"{shard} is missing or not finished" for shard in report.missing]
    verified = verified_at_a_glance(existing)
    for said in (*missing, *report.short):
        complain(f"shard {said}", "warning")
    if as_json:
        facts = {"rows": report.rows, "failed": report.failed, "missing": report.missing, "short": report.short}
        print_json({"ok": True, "exit_code": OK, **facts, "verified": verified})
    else:
        say(f"{counted(report.rows, 'row')}, {report.failed:,} failed: {folder / 'results.jsonl'}")
        say(f"verify: {verified}")
    return OK

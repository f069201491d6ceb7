"""`api-graph bench`: run benchmarks over graphs, score what they gave, and put the figures side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api_graph.cli.console import complain, parse_size, print_json, print_table, say, tell
from api_graph.cli.exits import FAILED, OK
from api_graph.cli.map import (
    BatchSize,
    ChunkSize,
    Columns,
    Concurrency,
    GpusPerActor,
    Grid,
    Keep,
    Memory,
    RayAddress,
    RowInputs,
    SharedSetting,
    Threads,
    ray_options,
    run_plan,
)
from api_graph.cli.options import (
    CacheFolder,
    Debug,
    Device,
    Json,
    KeepAnswers,
    Models,
    NoCache,
    NoMetadata,
    benchmark_names,
    existing_folders,
    kept_results,
    parse_settings,
    prepared_graph,
    shipped_names,
    writable_folder,
)
from api_graph.cli.ran_table import summary_of
from api_graph.files import expanded

if TYPE_CHECKING:
    from api_graph.bench.declare import BenchmarkSpec
    from api_graph.benching.folder import Bench
    from api_graph.benching.plan import Asked, GraphChoice, GraphPlan
    from api_graph.benching.scoring import ScoredGraph
    from api_graph.executor import Executor
    from api_graph.table.map import RayOptions


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A benchmark; `api-graph bench list` lists them.",
        show_default=False,
        autocompletion=benchmark_names,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The folder with the benchmark's files.", show_default=False),
]
Graphs = Annotated[
    list[str] | None,
    typer.Option(
        "--graph",
        metavar="GRAPH",
        help="A graph's file, or the name of a shipped one; NAME=GRAPH gives its results another name. Repeatable.",
        show_default=False,
        autocompletion=shipped_names,
    ),
]
BenchOut = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder for the results; default: bench/NAME.", show_default=False),
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The --out folder of a benchmark.", show_default=False)]
AnswerTitle = Annotated[
    str | None,
    typer.Option("--answer", metavar="TITLE", help="The node that answers, where several could.", show_default=False),
]
OnFailure = Annotated[
    Literal["error", "empty"] | None,
    typer.Option(
        "--on-failure",
        help="error leaves items that failed or were refused out of the figures. empty is the API paper's policy: "
        "failed ones are tried once more, and what is left counts as an empty answer.",
        show_default="error",
    ),
]
JudgeName = Annotated[
    str,
    typer.Option(
        "--judge",
        metavar="PROFILE",
        help="For judged benchmarks: the endpoint that judges. Questions and answers are sent there.",
    ),
]
Parts = Annotated[
    list[str] | None,
    typer.Option("--part", metavar="PART", help="Only this part of the benchmark. Repeatable.", show_default=False),
]
Items = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N items.")]


def run(
    name: Name,
    data: Data = None,
    graph: Graphs = None,
    out: BenchOut = None,
    set_: SharedSetting = None,
    column: Columns = None,
    keep: Keep = None,
    input_: RowInputs = None,
    grid: Grid = None,
    limit: Items = None,
    part: Parts = None,
    answer: AnswerTitle = None,
    on_failure: OnFailure = None,
    judge: JudgeName = "",
    models: Models = None,
    device: Device = "",
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do failed items once more.")] = False,
    batch_size: BatchSize = None,
    chunk_size: ChunkSize = None,
    threads: Threads = None,
    memory: Memory = "2G",
    engine: Annotated[Literal["local", "ray"], typer.Option(help="This process, or Ray's actors.")] = "local",
    concurrency: Concurrency = None,
    gpus_per_actor: GpusPerActor = None,
    ray_address: RayAddress = "",
    no_cache: NoCache = False,
    cache: CacheFolder = None,
    keep_answers: KeepAnswers = False,
    no_metadata: NoMetadata = False,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
    debug: Debug = False,
) -> int:
    """Run a benchmark over one graph or several, and score them: `api-graph bench NAME` for short.

    The same command goes on where it was stopped. --set NAME=VALUE is for all graphs, --set GRAPH:NAME=VALUE for one.
    """
    spec = _wanted(name, data, graph)
    from api_graph.benching.plan import Asked, chosen_graphs
    from api_graph.table.options import RunOptions
    from api_graph.table.output import output_lock

    options = RunOptions(
        columns=parse_settings(column or (), "--column"),
        keep=tuple(keep or ()),
        inputs=existing_folders(input_, "--input"),
        models=existing_folders(models, "--models"),
        cache=kept_results(cache, no_cache),
        metadata=not no_metadata,
        batch_size=batch_size,
        chunk_size=chunk_size,
        threads=threads,
        memory=parse_size(memory, "--memory"),
        retry_failed=retry_failed,
        keep_answers=keep_answers,
    )
    folder = writable_folder(out or Path("bench") / spec.name, "--out")
    asked = Asked(
        expanded(data or Path()),
        folder,
        options,
        parts=tuple(part or ()),
        limit=limit,
        answer=answer,
        on_failure=on_failure or "error",
        judge=judge,
    )
    ray = ray_options(concurrency, gpus_per_actor, ray_address) if engine == "ray" else None
    with output_lock(folder):
        graphs = chosen_graphs(graph or [], parse_settings(set_ or ()), parse_settings(grid or (), "--grid"))
        ran = run_benchmark(spec, asked, graphs, device, ray, quiet=quiet)
        return _tell(spec, *ran, folder, as_json=as_json, quiet=quiet)


def _wanted(name: str, data: Path | None, graphs: list[str] | None) -> BenchmarkSpec:
    """The benchmark of that name. Raises BadInput where no graph is named, or no data that it needs."""
    from api_graph.benching.registry import benchmark
    from api_graph.errors import BadInput

    spec = benchmark(name)
    if not graphs:
        raise BadInput("no graph is named", input="--graph", hint="Say --graph lvlm_ask, for example.")
    if data is None and spec.needs:
        hint = f"It holds {_where_data_go(spec)}."
        raise BadInput("the folder of the data is not named", input="--data", hint=hint)
    return spec


def run_benchmark(
    spec: BenchmarkSpec,
    asked: Asked,
    graphs: Mapping[GraphChoice, dict[str, str]],
    device: str,
    ray: RayOptions | None,
    *,
    quiet: bool,
) -> tuple[Bench, list[ScoredGraph]]:
    """Run a benchmark over graphs, and score all that its folder has. Raises GraphError or BadInput."""
    from api_graph.benching.judge import Judge
    from api_graph.benching.plan import begun, plan_graph, questions_of, write_items
    from api_graph.benching.scoring import score_all
    from api_graph.registry import all_nodes
    from api_graph.table.worker import Worker

    registry = all_nodes()
    judge = Judge(asked.judge) if asked.judge else None
    bench = begun(spec, replace(asked, judge=judge.name if judge is not None else ""))
    prepared = [prepared_graph(choice.source, registry, given, device) for choice, given in graphs.items()]
    questions = questions_of(spec, asked)
    write_items(spec, asked, questions)
    plans = [
        plan_graph(spec, asked, questions, choice, graph, given, registry)
        for (choice, given), graph in zip(graphs.items(), prepared, strict=True)
    ]
    for planned in plans:
        bench = bench.with_graph(planned.run)
    bench.write(asked.out)
    executor = Worker(plans[0].plan.job).executor  # one for all graphs: models are loaded once
    for planned in plans:
        bench = _run_graph(bench, asked, planned, ray, executor, quiet=quiet)
    return bench, score_all(spec, bench, asked.out, judge)


def _run_graph(
    bench: Bench, asked: Asked, planned: GraphPlan, ray: RayOptions | None, executor: Executor, *, quiet: bool
) -> Bench:
    """Run one graph's rows; where failures count as empty answers, the failed ones are tried once more."""
    from api_graph.benching.plan import own_columns_unsaid

    if not quiet:
        tell(f"{planned.run.name}:")
    with own_columns_unsaid():
        ran = run_plan(planned.graph, planned.plan, ray, quiet=quiet, executor=executor)
    before = bench.graphs[planned.run.name].retried
    if ran.run.failed and asked.on_failure == "empty" and not before:
        if not quiet:
            tell(f"{ran.run.failed:,} failed items are tried once more")
        with own_columns_unsaid():
            again = replace(planned.plan, retry_failed=True)
            ran = run_plan(planned.graph, again, ray, quiet=quiet, executor=executor)
        bench = bench.with_graph(replace(bench.graphs[planned.run.name], retried=True))
        bench.write(asked.out)
    if not quiet:
        tell(summary_of(ran))
    return bench


def _tell(
    spec: BenchmarkSpec, bench: Bench, scored: list[ScoredGraph], out: Path, *, as_json: bool, quiet: bool
) -> int:
    """The table, and what is missing from it. The exit code says whether an item failed that counts for none."""
    from api_graph.benching.scoring import figure_table

    failed = sum(each.score.status == "failed" for graph in scored for each in graph.scored)
    code = FAILED if failed and bench.on_failure == "error" else OK
    for graph in scored:
        if graph.unfinished:
            complain(f"{graph.run.name}: {graph.unfinished:,} items are not finished", kind="note")
    if as_json:
        graphs = {graph.run.name: [vars(figure) for figure in graph.figures] for graph in scored}
        print_json({"ok": code == OK, "exit_code": code, "benchmark": spec.name, "out": out, "graphs": graphs})
    elif not quiet:
        table = figure_table(spec, scored)
        print_table(table.headings(), table.rows())
        say(str(out / "scores.md"))
    return code


def score(
    folder: Folder, judge: JudgeName = "", on_failure: OnFailure = None, as_json: Json = False, debug: Debug = False
) -> int:
    """Score the results of a benchmark again, without a model: from the answers in its folder."""
    from api_graph.benching.folder import existing_bench
    from api_graph.benching.judge import Judge
    from api_graph.benching.registry import benchmark
    from api_graph.benching.scoring import score_all

    out = expanded(folder)
    bench = existing_bench(out)
    spec = benchmark(bench.benchmark)
    judging = Judge(judge) if judge else Judge(bench.judge, kept=True) if bench.judge else None
    bench = replace(bench, judge=judging.name if judging is not None else "")
    if on_failure is not None:
        bench = replace(bench, on_failure=on_failure)
    bench.write(out)
    return _tell(spec, bench, score_all(spec, bench, out, judging), out, as_json=as_json, quiet=False)


def export(
    folder: Folder,
    graph: Annotated[
        list[str] | None,
        typer.Option("--graph", metavar="NAME", help="Only this graph of the folder. Repeatable.", show_default="all"),
    ] = None,
    format_: Annotated[
        Literal["official", "vlmevalkit", "all"],
        typer.Option("--format", help="The official tool's, VLMEvalKit's, or all that the benchmark has."),
    ] = "all",
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Write the answers in DIR as the official tool of the benchmark reads them, and as VLMEvalKit does.

    The files go to DIR/export/GRAPH/official and DIR/export/GRAPH/vlmevalkit, so that anyone can score them again.
    """
    from api_graph.benching.export import export_graphs
    from api_graph.benching.folder import existing_bench
    from api_graph.benching.registry import benchmark

    out = expanded(folder)
    bench = existing_bench(out)
    spec = benchmark(bench.benchmark)
    files = export_graphs(spec, bench, out, graph or (), None if format_ == "all" else format_)
    if as_json:
        print_json({"benchmark": spec.name, "files": files})
        return OK
    for file in files:
        say(str(file))
    return OK


def list_(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Look there for the files, in a folder for each benchmark."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """List the benchmarks: what each measures, the paper that shows it, and the files that it needs."""
    from api_graph.benching.registry import benchmarks

    specs = list(benchmarks().values())
    root = None if data is None else existing_folders([data], "--data")[0]
    if as_json:
        print_json([_facts(spec, root) for spec in specs])
        return OK
    rows = [(spec.name, spec.title, spec.paper, spec.metric, _files(spec, root)) for spec in specs]
    print_table(("name", "benchmark", "paper", "metric", "files"), rows)
    complain("`api-graph bench scenes` measures on rendered scenes, which need no files", kind="note")
    return OK


def _facts(spec: BenchmarkSpec, root: Path | None) -> dict[str, object]:
    facts = {name: getattr(spec, name) for name in ("name", "title", "about", "paper", "metric", "parts")}
    facts |= {"needs": [vars(needed) for needed in spec.needs], "judged": spec.judging is not None}
    if root is not None:
        facts["missing"] = [needed.path for needed in spec.missing(data_of(spec, root))]
    return facts


def _files(spec: BenchmarkSpec, root: Path | None) -> str:
    """What it needs, or what of it is not there."""
    if not spec.needs:
        return "none needed"
    if root is None:
        return _where_data_go(spec)
    missing = spec.missing(data_of(spec, root))
    if not missing:
        return "all there"
    return f"missing: {', '.join(needed.path for needed in missing)}"


def data_of(spec: BenchmarkSpec, root: Path) -> Path:
    """The folder of one benchmark's files: of its name below `root`, or else `root` itself."""
    own = root / spec.name
    return own if own.is_dir() else root


def _where_data_go(spec: BenchmarkSpec) -> str:
    return ", ".join(needed.path for needed in spec.needs)

"""`map_graph`: a saved graph over the rows of a table, as a function."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import torch

from api_graph.arguments import typed
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.executor import Executor, Listener
from api_graph.files import PictureKind
from api_graph.graph import Graph, on_device, set_inputs
from api_graph.json_values import Json
from api_graph.notebook import one_line
from api_graph.progress import progress_bar
from api_graph.registry import all_nodes
from api_graph.runs import GraphSource, open_graph
from api_graph.runs import fast_resize as fast_resize_of
from api_graph.settings import cache_folder
from api_graph.table.chunks import ReferenceCounts
from api_graph.table.columns import ColumnReport
from api_graph.table.grid import GridValues
from api_graph.table.maps import MapKind, Precision
from api_graph.table.options import GIB, RunOptions
from api_graph.table.plan import TablePlan, plan_of
from api_graph.table.ray_cluster import RayOptions
from api_graph.table.ray_engine import run_on_ray
from api_graph.table.records import RowResult, result_of
from api_graph.table.rows import Row, Rows
from api_graph.table.run import Engine, TableRun
from api_graph.table.shards import parse_shard
from api_graph.table.worker import FinishedChunk, Worker, run_local


class MapResults(Iterator[RowResult]):
    """The results of a table's rows, as they are done. `columns` is known before the first; `close` stops the run."""

    def __init__(self, results: Generator[RowResult, None, None], columns: ColumnReport) -> None:
        self._results, self.columns = results, columns

    def __repr__(self) -> str:
        return one_line(self, *(f"{column} sets {name}" for column, name in self.columns.sets.items()))

    def __next__(self) -> RowResult:
        return next(self._results)

    def close(self) -> None:
        """Stop the run. What is finished is kept."""
        self._results.close()


@typed()
def map_graph(
    graph: GraphSource,
    rows: Rows,
    inputs: Mapping[str, Json] | None = None,
    *,
    device: str | torch.device | None = None,
    output: str | Path = "output",
    columns: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    keep_null: bool = False,
    input_folders: Sequence[str | Path] = (),
    cache: str | Path | bool = True,
    retry_failed: bool = False,
    fail_fast: bool = False,
    limit: int | None = None,
    shard: str | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    memory: int = 2 * GIB,
    metadata: bool = True,
    names: str | None = None,
    adopt: bool = False,
    ray: RayOptions | None = None,
    keep_answers: bool = False,
    image_format: PictureKind | None = None,
    heatmap_format: PictureKind | None = None,
    quality: int | None = None,
    grid: GridValues | None = None,
    controls: bool = False,
    allow_private: bool = False,
    maps: MapKind | None = None,
    map_precision: Precision | None = None,
    tar: int | None = None,
    fast_resize: bool = False,
    progress: bool | None = None,
) -> MapResults:
    """Run a saved graph over the rows of a table; yields each row's result when it is done.

    `rows` is a .jsonl, .csv, .tsv, .parquet or .tar file, a folder of images, a glob, a data frame (pandas, polars,
    pyarrow), or an iterable of mappings, which may hold PIL images. A column sets the graph's input of the same name
    (`image`, `query`, `NODE.input`); `columns` maps input names to columns that have other names, and `inputs` sets
    what is the same for all rows. `columns` of the result say what sets what, and what stays as the graph has it;
    `keep` names inputs that are to stay so, where that is likely a mistake. A row without a value in a column that sets
    an input is faulty; with `keep_null` it has the graph's own there. Files that rows name are looked for beside the
    table, and in `input_folders`, or in the current folder if none are given.

    `device` is where all models of the graph are loaded. Results go to `output`: results.jsonl, manifest.json, and the
    files of each row. Calling it again continues where it stopped, and yields only the rows that it runs itself. Rows
    whose line or files are lost or damaged, or whose input files have changed, are done again, and an ApiGraphWarning
    says so; one at the end tells of rows that failed before. `retry_failed` runs these once more. A failed row has a
    result with an `error`; `fail_fast` stops after the first. `cache` is a folder, True for the usual one, False for
    none. `shard` "2/8" runs the second of eight parts. `batch_size` is the largest batch that a model gets, `threads`
    the number of threads that read and write, and `memory` the bytes that results may take. `metadata` embeds the graph
    in saved images. `names` is the template of file names (see docs/tables.md), `adopt` takes over the results of a
    folder that has lost its manifest. `ray` runs on Ray instead of in this process. With `keep_answers`, cached answers
    of endpoints serve any `output`. `image_format` is png, webp or jpeg, which embeds no graph, and `heatmap_format`
    that of heatmaps; `quality` is 1 to 100. With `grid` (by name of an input a list of values) every row is run with
    all combinations, and with `controls` with each control. Remote files may lie in private networks with
    `allow_private`. `maps`, npz or parquet, keeps the rows' maps as numbers of `map_precision`, float16 or float32.
    With `tar` the rows' files go into tars of at most so many bytes, and with `fast_resize` torch brings pictures to a
    CLIP's size. `progress` shows a bar; None: in notebooks alone. Raises GraphError or BadInput before any.
    """
    options = RunOptions(
        columns=dict(columns or {}),
        keep=tuple(keep),
        inputs=tuple(map(Path, input_folders)),
        cache=None if cache is False else cache_folder() if cache is True else Path(cache),
        metadata=metadata,
        names=names,
        batch_size=batch_size,
        threads=threads,
        memory=memory,
        shard=None if shard is None else parse_shard(shard),
        limit=limit,
        retry_failed=retry_failed,
        max_failures=0 if fail_fast else None,
        keep_answers=keep_answers,
        keep_null=keep_null,
        adopt=adopt,
        image_format=image_format,
        heatmap_format=heatmap_format,
        quality=quality,
        grid=dict(grid or {}),
        controls=controls,
        allow_private=allow_private,
        maps=maps,
        map_precision=map_precision,
        tar=tar,
    )
    source = open_graph(graph)
    if device is not None:
        source = on_device(source, all_nodes(), str(device))
    name = os.fspath(graph) if isinstance(graph, str | os.PathLike) else "graph"
    more = fast_resize_of(source, all_nodes()) if fast_resize else {}
    plan = _planned(source, name, rows, {**(inputs or {}), **more}, Path(output), options)
    return MapResults(_results(TableRun(plan), engine_of(plan, ray), progress), plan.columns)


_OPTIONS = {"set": "inputs", "column": "columns", "keep": "keep", "input": "input_folders", "out": "output"}
"""Options of `api-graph map` whose arguments of `map_graph` have other names, or take a list."""
_GIVEN = re.compile(r"--(set|column) (?:'([^'=]+)=([^']*)'|([^\s'=]+)=([^\s',;]*[^\s',;.]))")
_NAMED = re.compile(
    r"--(set|keep) (?!out\b)(?:'([^']+)'|([^\s',;.]+(?:\.[^\s',;.]+)*))(?= too| for| out| sets| or|[,;.]|$)"
)


def in_python(text: str) -> str:
    """What an error says of options, as it is written in a call of `map_graph`: --keep query is keep=["query"]."""
    text = text.replace("--keep-null (keep_null=True)", "keep_null=True")
    text = re.sub(r"--set '([^'=]+)'=(\w+)", r"--set '\1=\2'", text)
    text = _GIVEN.sub(
        lambda m: f'{_OPTIONS[m[1]]}={{"{m[2] or m[4]}": {m[3] or m[5] if m[1] == "set" else _quoted(m[3] or m[5])}}}',
        text,
    )
    text = _NAMED.sub(lambda m: f'keep=["{m[2] or m[3]}"]' if m[1] == "keep" else f'inputs["{m[2] or m[3]}"]', text)
    text = re.sub(r"--(maps|image-format|grid) (?=[a-z])", lambda m: f"{_argument('--' + m[1])}=", text)
    return re.sub(r"--([a-z][a-z-]*)", lambda m: f"{_argument(m[0])}=", text)


def _quoted(text: str) -> str:
    return text if text == "COLUMN" else f'"{text}"'


def _argument(option: str | None) -> str | None:
    """The argument of `map_graph` for an option; what is no option stays."""
    if option is None or not option.startswith("--"):
        return option
    name = option.removeprefix("--")
    return _OPTIONS.get(name, name.replace("-", "_"))


def _planned(
    source: Graph, name: str, rows: Rows, constants: Mapping[str, Json], output: Path, options: RunOptions
) -> TablePlan:
    registry = all_nodes()
    graph = set_inputs(source, registry, constants)
    try:
        return plan_of(graph, name, rows, output, registry, constants, options)
    except BadInput as error:
        said = in_python(error.problem), in_python(error.hint)
        raise BadInput(said[0], input=_argument(error.input), value=error.value, hint=said[1]) from error


def __getattr__(name: str) -> type[RayOptions]:
    if name != "RayWishes":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("RayWishes is called RayOptions now", DeprecationWarning, stacklevel=2)
    return RayOptions


def engine_of(
    plan: TablePlan,
    ray: RayOptions | None = None,
    *,
    listener: Listener | None = None,
    executor: Executor | None = None,
) -> Engine:
    """What runs the plan's rows: this process, or Ray. Models are loaded with the first row.

    In this process runs may share an `executor`, one after the other: models are loaded once, and results stay.
    """
    if ray is not None:
        return partial(run_on_ray, plan.job, ray, chunk_size=plan.chunk_size)

    most = plan.max_failures

    def local(rows: Iterator[Row]) -> Generator[FinishedChunk, None, None]:
        worker = Worker(plan.job, listener, executor)
        worker.references = ReferenceCounts(worker.binding.nodes_by_columns(plan.table.columns), plan.rows())
        yield from run_local(worker, rows, plan.chunk_size, None if most is None else most + 1)

    return local


def _results(run: TableRun, engine: Engine, progress: bool | None) -> Generator[RowResult, None, None]:
    output = Path(run.plan.job.output)
    with closing(run.records(engine)) as batches, progress_bar("map_graph", None, progress) as moved_on:
        for records in batches:
            for record in records:
                yield result_of(record, output, run.plan.manifest.results)
                moved_on(1, run.total - run.finished_before)
    if run.failed_before:
        warnings.warn(run.said_of_failed_before("retry_failed=True"), ApiGraphWarning, stacklevel=2)

"""`map_graph`: a saved graph over the rows of a table, as a function."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from api_graph.executor import Listener
from api_graph.graph import set_inputs
from api_graph.registry import all_nodes
from api_graph.runs import GraphSource, open_graph
from api_graph.settings import cache_folder
from api_graph.table.job import GIB
from api_graph.table.local import run_local
from api_graph.table.processes import Processes
from api_graph.table.processors import processors
from api_graph.table.ray_engine import RayOptions, run_on_ray
from api_graph.table.results import RowResult, result_of
from api_graph.table.row import Row
from api_graph.table.run import Engine, Plan, TableRun
from api_graph.table.shard import parse_shard
from api_graph.table.source import Rows
from api_graph.table.start import RunOptions, plan_of
from api_graph.table.uses import ReferenceCounts
from api_graph.table.worker import Done, Worker

_WORTH_PROCESSES = 64
"""Rows: for fewer, they would take as long to begin."""


def map_graph(
    graph: GraphSource,
    rows: Rows,
    inputs: Mapping[str, Any] | None = None,
    *,
    output: str | Path = "output",
    columns: Mapping[str, str] | None = None,
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
    ray: RayOptions | None = None,
) -> Iterator[RowResult]:
    """Run a saved graph over the rows of a table; yields each row's result when it is done.

    `rows` is a .jsonl, .csv, .tsv or .parquet file, a folder of images, a glob, or an iterable of mappings. A column
    sets the graph's input of that name (`image`, `query`, `NODE.input`); `columns` maps input names to columns that are
    called otherwise, `inputs` sets what is the same for all rows. Files that rows name lie beside the table, in
    `input_folders`, or where none are given in the current folder.

    Results go to `output`: results.jsonl, manifest.json, and the files of each row. The same call again goes on where
    this one stopped, and yields only what it does itself; `retry_failed` does failed rows once more. A row that fails
    is a result with an `error`; `fail_fast` stops after the first. `shard` "2/8" does the second of eight parts. `ray`
    runs on Ray instead of in this process. Raises GraphError or BadInput before anything runs.
    """
    source = open_graph(graph)
    registry = all_nodes()
    constants = dict(inputs or {})
    options = RunOptions(
        columns=dict(columns or {}),
        inputs=tuple(Path(folder) for folder in input_folders),
        cache=None if cache is False else cache_folder() if cache is True else Path(cache),
        metadata=metadata,
        batch_size=batch_size,
        threads=threads,
        memory=memory,
        shard=None if shard is None else parse_shard(shard),
        limit=limit,
        retry_failed=retry_failed,
        max_failures=0 if fail_fast else None,
    )
    name = graph if isinstance(graph, str) else "graph"
    plan = plan_of(set_inputs(source, registry, constants), name, rows, Path(output), registry, constants, options)
    return _results(TableRun(plan), engine_of(plan, ray))


def engine_of(plan: Plan, ray: RayOptions | None = None, *, listener: Listener | None = None) -> Engine:
    """What the plan runs on: this process, or Ray. The model is loaded when the first row comes."""
    if ray is not None:
        return partial(run_on_ray, plan.job, ray, chunk_size=plan.chunk_size)

    def local(rows: Iterator[Row]) -> Generator[Done, None, None]:
        worker = Worker(plan.job, listener)
        worker.uses = ReferenceCounts(worker.binding.nodes_by_columns(plan.table.columns()), plan.rows())
        with Processes(min(plan.job.threads, processors() - 1), plan.job.threads) as processes:
            worker.parallel_map = processes.parallel_map
            ahead = list(islice(rows, _WORTH_PROCESSES))
            if len(ahead) == _WORTH_PROCESSES:
                processes.begin()
            yield from run_local(worker, chain(ahead, rows), plan.chunk_size)

    return local


def _results(run: TableRun, engine: Engine) -> Iterator[RowResult]:
    output = Path(run.plan.job.output)
    with closing(run.records(engine)) as batches:
        for records in batches:
            for record in records:
                yield result_of(record, output)

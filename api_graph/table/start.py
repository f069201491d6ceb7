"""From what a user asks for to the plan of a run over a table; everything that can be checked beforehand is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from api_graph.errors import BadInput
from api_graph.files import real_path
from api_graph.graph import Graph, validate
from api_graph.registry import Registry
from api_graph.settings import cache_folder, headless_folders
from api_graph.table.binding import Binding
from api_graph.table.job import GIB, Job
from api_graph.table.manifest import Manifest
from api_graph.table.processors import device_name, processors
from api_graph.table.run import Plan
from api_graph.table.shard import Shard
from api_graph.table.source import Rows, Table, open_table

_TEXTS = ("csv", "tsv")


@dataclass(frozen=True)
class RunOptions:
    """How a graph is to go over a table.

    `columns` maps names of the graph's inputs to columns that are called otherwise. `inputs` are folders in which rows
    may name files, besides the table's own; `models` folders of checkpoints. `cache` is the folder of the disk cache,
    None for none. `batch_size` is the most calls that a model gets at once, `chunk_size` how many rows go together;
    None leaves both to `memory`, the bytes of results that may be held at one time. `threads` read files, and so
    many processes at most make PNG files; None is one for each processor.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    inputs: Sequence[Path] = ()
    models: Sequence[Path] = ()
    cache: Path | None = field(default_factory=cache_folder)
    metadata: bool = True
    batch_size: int | None = None
    chunk_size: int | None = None
    threads: int | None = None
    memory: int = 2 * GIB
    shard: Shard | None = None
    limit: int | None = None
    retry_failed: bool = False
    max_failures: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "chunk_size", "threads", "limit"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise BadInput("must be at least 1", input=name, value=number)


def plan_of(
    graph: Graph,
    name: str,
    rows: Rows,
    output: Path,
    registry: Registry,
    constants: Mapping[str, Any],
    options: RunOptions,
) -> Plan:
    """The plan of a run. `graph` has the `constants` in it already: they are noted in the manifest.

    Raises GraphError for a graph that cannot run, BadInput for a table that cannot be read, for columns that set
    nothing, and for a graph that would leave nothing.
    """
    validate(graph, registry)
    if not any(_keeps(graph, id, registry) for id in graph.nodes):
        raise BadInput(
            "none of its nodes saves a file or gives a text",
            input="graph",
            value=name,
            hint="End it in a Save image node; a preview is not kept.",
        )
    table = open_table(rows)
    texts = table.kind in _TEXTS
    Binding(graph, registry, options.columns, texts=texts).check(table.columns())
    output = real_path(output)
    folders = headless_folders(output, _input_folders(table, options.inputs))
    job = Job(
        graph=graph.to_api(),
        output=str(output),
        inputs=tuple(dict.fromkeys(str(real_path(path)) for path in folders.inputs)),
        models=tuple(str(real_path(path)) for path in options.models or folders.models),
        temp=str(real_path(folders.temp)),
        columns=dict(options.columns),
        texts=texts,
        cache=None if options.cache is None else str(real_path(options.cache)),
        run_id=uuid4().hex,
        trusted=tuple(value for value in constants.values() if isinstance(value, str)),
        metadata=options.metadata,
        batch_size=options.batch_size,
        threads=options.threads or processors(),
        memory=options.memory,
    )
    return Plan(
        job,
        table,
        Manifest(
            graph=job.graph,
            graph_name=name,
            rows={"source": table.source, "kind": table.kind, "count": table.count()},
            columns=job.columns,
            set=dict(constants),
            inputs=list(job.inputs),
            shard=None if options.shard is None else str(options.shard),
            device=device_name(graph, registry),
            arguments=_arguments(options),
        ),
        shard=options.shard,
        retry_failed=options.retry_failed,
        max_failures=options.max_failures,
        limit=options.limit,
        chunk_size=options.chunk_size,
    )


def _input_folders(table: Table, given: Sequence[Path]) -> tuple[Path, ...]:
    """Where rows' files are looked for: beside the table first, so that no file of the same name is taken for one."""
    others = tuple(given) or (Path.cwd(),)
    return others if table.kind == "python" else (table.base, *others)


def _keeps(graph: Graph, id: str, registry: Registry) -> bool:
    spec = registry[graph.nodes[id].class_type]
    return spec.output and not spec.preview


def _arguments(options: RunOptions) -> dict[str, Any]:
    """For the manifest, so that somebody can see how it was made."""
    return {
        "batch_size": options.batch_size,
        "chunk_size": options.chunk_size,
        "threads": options.threads,
        "memory": options.memory,
        "limit": options.limit,
        "metadata": options.metadata,
    }

"""From what the user asked for to the plan of a table run. What can be checked before the first row is checked here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import torch

from api_graph.errors import BadInput
from api_graph.files import QUALITY, expanded, real_path
from api_graph.graph import Graph, GraphNode, check_values, validate
from api_graph.graph.inputs import InputNames
from api_graph.json_values import Json
from api_graph.registry import Registry
from api_graph.settings import headless_folders, is_shipped, processors
from api_graph.sockets import Attribution
from api_graph.table.binding import Binding
from api_graph.table.columns import ColumnReport
from api_graph.table.grid import Grid, grid_of
from api_graph.table.journal import is_journal, read_records
from api_graph.table.listing import Listing, list_pictures
from api_graph.table.manifest import FORMATS, MAPS, Manifest, read_manifest, result_names
from api_graph.table.maps import FOLDER as MAPS_FOLDER
from api_graph.table.names import names_of_files
from api_graph.table.options import Job, RunOptions
from api_graph.table.remote import folder_of, is_remote
from api_graph.table.rows import Row, Rows, Table, open_table

_TEXT_KINDS = ("csv", "tsv")
_ARGUMENTS = ("batch_size", "chunk_size", "threads", "memory", "limit", "metadata", "keep_null", *FORMATS, *MAPS, "tar")
"""Options that the manifest notes, besides those that it has fields for."""


@dataclass(frozen=True)
class TablePlan:
    """What is to be run over which rows, and when to stop.

    `folder` is where the journal lies; `numbers` are those of the rows to run, which are all but in a shard or with a
    limit. `max_failures`, `chunk_size` and `adopt` are as in RunOptions. `columns` is what is to be said before the
    first row, `listing` has the pictures of a folder or a glob. With `tar` the rows' files go into tars of so many
    bytes.
    """

    job: Job
    table: Table
    manifest: Manifest
    folder: Path
    numbers: range
    retry_failed: bool = False
    max_failures: int | None = None
    chunk_size: int | None = None
    columns: ColumnReport = field(default_factory=lambda: ColumnReport({}))
    listing: Listing | None = None
    adopt: bool = False
    tar: int | None = None

    @property
    def notes(self) -> list[str]:
        """What is to be said once, before the first row."""
        if self.job.metadata and "jpeg" in (self.job.image_format, self.job.heatmap_format):
            return ["JPEG files carry no graph: manifest.json has it"]
        return []

    def rows(self) -> Iterator[Row]:
        """The rows to run, read from the table anew."""
        return islice(iter(self.table), self.numbers.start, self.numbers.stop)


def plan_of(
    graph: Graph,
    name: str,
    rows: Rows,
    output: Path,
    registry: Registry,
    constants: Mapping[str, Json],
    options: RunOptions,
) -> TablePlan:
    """The plan of a run. `graph` already has the `constants` in it; they are given again for the manifest.

    Raises GraphError for a graph that cannot run. Raises BadInput for a graph whose results nobody would see, a table
    that cannot be read, and columns that set nothing.
    """
    validate(graph, registry)
    _check_saves(graph, registry, name)
    if options.maps is not None:
        _check_maps(graph, registry, name)
    table = open_table(rows, allow_private=options.allow_private)
    graph, binding, report, grid, options = _bound(graph, registry, table, constants, options, shipped=is_shipped(name))
    check_values(graph, registry, {*binding.inputs.values()})
    table = table if options.keep_null else replace(table, sets=report.sets)
    typed = chain(constants.values(), *grid.values.values())
    trusted = tuple(value for value in typed if isinstance(value, str))
    begun, old_names = _begun(real_path(output), options)
    names = names_of_files(options.names, old_names, binding, (*table.columns, *grid.values), tuple(grid.values))
    options = _with_formats(options, begun)
    job = replace(_job(graph, table, real_path(output), trusted, names, options), unused=binding.unused)
    listing = None
    if table.kind in ("folder", "glob"):
        table, listing = list_pictures(table, Path(job.output), shards=options.shard is not None)
        report = replace(report, passed_over={} if listing is None else listing.passed_over)
    count = table.reader.count()
    limited = min(options.limit or count, count)
    if grid.values:
        table, report = grid.over(table), replace(report, grid=grid.in_words(limited))
        job = replace(job, grid=grid.inputs, settings=grid.size)
    folder, numbers = Path(job.output), range(limited * job.settings)
    if options.shard is not None:
        folder, numbers = options.shard.folder(folder), options.shard.range(len(numbers))
    manifest = _manifest(graph, name, table, job, registry, constants, options)
    manifest.rows = {**manifest.rows, "count": count * job.settings}
    manifest.results = result_names(job.graph, begun.results if begun else {}, maps=job.maps is not None)
    manifest.bindings = {c: [*binding.inputs[c]] if c in binding.inputs else None for c in table.columns}
    manifest.grid = {name: list(values) for name, values in grid.values.items()}
    manifest.controls = {} if grid.controls is None else grid.controls.to_json()
    return TablePlan(
        job,
        table,
        manifest,
        folder,
        numbers,
        retry_failed=options.retry_failed,
        max_failures=options.max_failures,
        chunk_size=options.chunk_size,
        columns=report,
        listing=listing,
        adopt=options.adopt,
        tar=options.tar,
    )


def _check_saves(graph: Graph, registry: Registry, name: str) -> None:
    """Raise BadInput for a graph whose results nobody would see."""
    specs = [registry[node.class_type] for node in graph.nodes.values()]
    if not any(spec.output and not spec.preview for spec in specs):
        raise BadInput(
            "none of its nodes saves a file or gives a text",
            input="graph",
            value=name,
            hint="End it in a Save images as PNG node; a preview is not kept.",
        )


def _check_maps(graph: Graph, registry: Registry, name: str) -> None:
    """Raise BadInput for a graph that gives no maps."""
    specs = [registry[node.class_type] for node in graph.nodes.values()]
    if not any(output.socket == Attribution.socket for spec in specs for output in spec.outputs):
        hint = "Leave --maps out, or name a graph with a Ψ in it."
        raise BadInput("none of its nodes gives a map", input="graph", value=name, hint=hint)


class _Bound(NamedTuple):
    """A graph as it is run, which columns set what in it, and the settings that each row has."""

    graph: Graph
    binding: Binding
    report: ColumnReport
    grid: Grid
    options: RunOptions


def _bound(
    graph: Graph,
    registry: Registry,
    table: Table,
    constants: Mapping[str, Json],
    options: RunOptions,
    *,
    shipped: bool,
) -> _Bound:
    """The graph with what the table's columns, a grid and controls set in it. Raises GraphError or BadInput."""
    texts = table.kind in _TEXT_KINDS
    grid = grid_of(graph, registry, options.grid) if options.grid else Grid()
    binding = Binding(graph, registry, options.columns, texts=texts, grid=grid.values)
    report = binding.check(table.columns, constants, options.keep, shipped=shipped, keep_null=options.keep_null)
    report = replace(report, partial=table.partial)
    if options.controls:
        from api_graph.table.control_rows import COLUMN
        from api_graph.table.controls import with_controls

        sets = {column: binding.inputs[column] for column in table.columns if column in binding.inputs}
        taken = [binding.inputs[name] for name in grid.values]
        graph, controls, notes = with_controls(graph, registry, table.columns, sets, taken)
        names = InputNames(graph, registry)
        options = replace(options, columns={names.full_name(*address): column for column, address in sets.items()})
        grid, report = grid.with_controls(controls), replace(report, left_out=notes)
        unused = (COLUMN, *(column for column in table.columns if column not in sets))
        binding = Binding(graph, registry, options.columns, texts=texts, grid=grid.inputs, unused=unused)
        binding.inputs |= sets
    return _Bound(graph, binding, report, grid, options)


def _manifest(
    graph: Graph,
    name: str,
    table: Table,
    job: Job,
    registry: Registry,
    constants: Mapping[str, Json],
    options: RunOptions,
) -> Manifest:
    """The manifest of a run, as far as the table's columns are no matter."""
    path = None if table.kind == "python" else os.path.abspath(expanded(table.source))
    path = table.source if is_remote(table.source) else path
    return Manifest(
        graph=job.graph,
        graph_name=name,
        rows={"source": table.source, "kind": table.kind, "count": None, "path": path},
        columns=job.columns,
        set=dict(constants),
        inputs=list(job.inputs),
        shard=None if options.shard is None else str(options.shard),
        device=_device_name(graph, registry),
        arguments={argument: getattr(options, argument) for argument in _ARGUMENTS}
        | {"graph": os.path.abspath(expanded(name)) if os.path.isfile(expanded(name)) else None},
        names=job.names,
        defaults={id: _left_out(node, registry) for id, node in graph.nodes.items()},
    )


def _left_out(node: GraphNode, registry: Registry) -> dict[str, Json]:
    """What the inputs of a node have that the graph leaves out."""
    inputs = registry[node.class_type].inputs
    return {i.name: i.default for i in inputs if i.is_widget and not i.required and i.name not in node.inputs}


def _begun(output: Path, options: RunOptions) -> tuple[Manifest | None, str | None]:
    """The manifest of a folder that was begun earlier, its own or that of another shard, and the template of its files.

    Lines of version 0.1 that are to be adopted have files with numbers alone. Raises BadInput.
    """
    folder = output if options.shard is None else options.shard.folder(output)
    shards = [] if options.shard is None else sorted(output.glob("shards/*-of-*"))
    begun = next((found for found in map(read_manifest, (folder, *shards)) if found is not None), None)
    if begun is not None:
        return begun, begun.names
    old = options.adopt and options.names is None and is_journal(folder) and "results" not in next(read_records(folder))
    return None, "" if old else None


def _with_formats(options: RunOptions, begun: Manifest | None) -> RunOptions:
    """The options with the formats of the folder's files where none are asked for, and png in a new folder.

    Raises BadInput for a quality where nothing has one, and for a shard whose others have another format.
    """
    old = begun.arguments if begun is not None else {}
    if begun is not None and options.shard is not None:
        for name, has in begun.formats.items():
            if (asked := getattr(options, name)) not in (None, has):
                hint = "Leave it out, or name another folder."
                raise BadInput(f"other shards in this folder have {has}", input=name, value=asked, hint=hint)
    options = replace(options, maps=options.maps or old.get("maps"), tar=options.tar or old.get("tar"))
    if options.maps is None and options.map_precision is not None:
        hint = "Say --maps npz or --maps parquet too, or leave it out."
        raise BadInput("no maps are kept as numbers", input="map_precision", hint=hint)
    if options.maps is not None:
        precision = options.map_precision or old.get("map_precision") or "float32"
        options = replace(options, map_precision=precision)
    image, heatmap = (
        getattr(options, name) or old.get(name) or FORMATS[name] for name in ("image_format", "heatmap_format")
    )
    if image == heatmap == "png":
        if options.quality is not None:
            hint = "Say --image-format jpeg or webp too, or leave it out."
            raise BadInput("PNG files lose nothing: they have no quality", input="quality", hint=hint)
        return replace(options, image_format=image, heatmap_format=heatmap)
    quality = options.quality or old.get("quality") or QUALITY
    return replace(options, image_format=image, heatmap_format=heatmap, quality=quality)


def _job(
    graph: Graph,
    table: Table,
    output: Path,
    trusted: tuple[str, ...],
    names: str,
    options: RunOptions,
) -> Job:
    inputs = tuple(options.inputs) or (Path.cwd(),)
    remote = is_remote(table.source)
    if table.kind != "python" and not remote:
        inputs = (table.base, *inputs)  # first, so that no file of the same name elsewhere is taken
    folders = headless_folders(output, inputs)
    return Job(
        graph=graph.to_api(),
        output=str(output),
        inputs=tuple(dict.fromkeys(str(real_path(path)) for path in folders.inputs)),
        models=tuple(str(real_path(path)) for path in options.models or folders.models),
        temp=str(real_path(folders.temp)),
        columns=dict(options.columns),
        texts=table.kind in _TEXT_KINDS,
        cache=None if options.cache is None else str(real_path(options.cache)),
        run_id=uuid4().hex,
        trusted=trusted,
        names=names,
        metadata=options.metadata,
        batch_size=options.batch_size,
        threads=options.threads or processors(),
        memory=options.memory,
        keep_answers=options.keep_answers,
        image_format=options.image_format or "png",
        heatmap_format=options.heatmap_format or "png",
        quality=options.quality or QUALITY,
        maps=options.maps,
        map_precision=options.map_precision or "float32",
        maps_folder=str((output if options.shard is None else options.shard.folder(output)) / MAPS_FOLDER),
        base=folder_of(table.source) if remote and not options.inputs else "",
        allow_private=options.allow_private,
    )


def _device_name(graph: Graph, registry: Registry) -> str:
    """What the models run on, in words: the accelerator, unless there is none or the graph says "cpu"."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    loaders = [node for node in graph.nodes.values() if registry[node.class_type].model]
    if not (cuda or mps) or all(node.inputs.get("device") == "cpu" for node in loaders):
        return f"cpu ({torch.get_num_threads()} threads)"
    return torch.cuda.get_device_name() if cuda else "mps"

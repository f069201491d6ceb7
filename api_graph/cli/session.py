"""One run from the command line: find the graph, set its inputs, check all of it, run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from api_graph import settings
from api_graph.cli.console import complain
from api_graph.cli.folders import existing_folders, writable_folder
from api_graph.cli.interrupts import cancelled, writing
from api_graph.cli.progress import shown_progress
from api_graph.cli.quiet import clean_stdout, collected_warnings
from api_graph.errors import BadInput, Cancelled
from api_graph.executor import DiskCache, Event, Executor, Listener, RunResult
from api_graph.folders import Folders
from api_graph.graph import Graph, read_graph, set_inputs, validate
from api_graph.registry import Registry, all_nodes
from api_graph.runs import on_device
from api_graph.settings import find_graph


@dataclass(frozen=True)
class Request:
    """What to run, and how. `values` are texts by name, as typed; `cache` is None where none is wanted."""

    graph: str
    values: Mapping[str, str] = field(default_factory=dict)
    output: Path = Path("output")
    inputs: Sequence[Path] = ()
    models: Sequence[Path] = ()
    device: str = ""
    cache: Path | None = None
    metadata: bool = True
    quiet: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of it. `warnings` are the texts of our warnings, each once."""

    graph: Graph
    result: RunResult
    warnings: Sequence[str]


def perform(request: Request) -> Outcome:
    """Run the graph. Raises GraphError or BadInput for what cannot run; a node that fails is in the result."""
    with clean_stdout(), collected_warnings() as warned:
        registry = all_nodes()
        graph = _prepared(request, registry)
        folders = _folders(request)
        if not request.quiet:
            say_where_images_go(graph)
        disk = DiskCache(request.cache, settings.cache_limit()) if request.cache is not None else None
        # One run reads no result twice from memory: equal steps are one step to begin with.
        executor = Executor(memory=None, disk=disk, registry=registry)
        with shown_progress(quiet=request.quiet) as shown:
            listener = _while_writing(graph, registry, shown)
            result = executor.run(
                graph, folders, listener=listener, cancelled=cancelled, metadata=request.metadata, save_again=False
            )
    if cancelled.is_set():  # while the last file was being written
        raise Cancelled
    return Outcome(graph, result, warned)


def parse_settings(settings: Sequence[str], option: str = "--set") -> dict[str, str]:
    """`NAME=VALUE` texts by name. Raises BadInput for a text without `=`, and for a name that comes twice."""
    values: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise BadInput(
                "is not NAME=VALUE", input=option, value=setting, hint=f'Write for example {option} query="..."'
            )
        if name in values:
            raise BadInput("is set twice", input=option, value=name, hint="Set it once.")
        values[name] = value
    return values


def say_where_images_go(graph: Graph) -> None:
    """A note for each endpoint that the graph names; what is wrong with one is said when its node runs."""
    from api_graph.lvlm.remote import Endpoint, endpoint_in

    answerers = [node.inputs.get("answerer") for node in graph.nodes.values()]
    names = [name for answerer in answerers if isinstance(answerer, str) and (name := endpoint_in(answerer))]
    for name in dict.fromkeys(names):
        with suppress(BadInput):
            complain(f"images and questions go to {Endpoint.open(name).host} (endpoint {name})", kind="note")


def _while_writing(graph: Graph, registry: Registry, shown: Listener | None) -> Listener:
    """A listener that says when output nodes, which write files, are at work; `shown` hears all as well."""
    outputs = {id for id, node in graph.nodes.items() if registry[node.class_type].output}

    def listen(event: Event) -> None:
        if event.node in outputs and event.kind == "started":
            writing.set()
        elif event.kind in ("done", "failed"):
            writing.clear()
        if shown is not None:
            shown(event)

    return listen


def _prepared(request: Request, registry: Registry) -> Graph:
    graph = read_graph(find_graph(request.graph), registry)
    graph = set_inputs(graph, registry, {}, request.values)
    if request.device:
        graph = on_device(graph, registry, request.device, input="--device")
    validate(graph, registry)
    return graph


def _folders(request: Request) -> Folders:
    inputs = existing_folders(request.inputs, "--input")
    models = existing_folders(request.models, "--models")
    output = writable_folder(request.output, "--out")
    folders = settings.headless_folders(output, inputs, frozenset(request.values.values()))
    if request.cache is not None:
        folders = replace(folders, temp=request.cache / "temp")
    return replace(folders, models=models) if models else folders

"""One run from the command line: find the graph, set its inputs, check all of it, run it, and say what it gave."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from api_graph import settings
from api_graph.cli.console import clean_stdout, complain, human_size, one_line, print_table, say
from api_graph.cli.exits import cancelled, writing
from api_graph.cli.options import demo_warning, existing_folders, prepared_graph, writable_folder
from api_graph.cli.progress import endpoints_asked, say_where_images_go, shown_progress
from api_graph.errors import ApiGraphError, ApiGraphWarning, Cancelled
from api_graph.executor import DiskCache, Event, Executor, Listener, NodeError, RunResult, Step
from api_graph.executor.results import NO_REQUEST
from api_graph.graph import Graph, check_values, validate
from api_graph.registry import Registry

_IN_WORDS = {
    "ran": "ran",
    "cached": "from the cache",
    "unneeded": "not needed",
    "failed": "failed",
    "blocked": "blocked",
}


@dataclass(frozen=True)
class Request:
    """What to run, and how. `values` are texts by name, as typed; `cache` is None where none is wanted. `names` is the
    template of file names, if there is one.
    """

    graph: str
    values: Mapping[str, str] = field(default_factory=dict)
    output: Path = Path("output")
    inputs: Sequence[Path] = ()
    models: Sequence[Path] = ()
    device: str = ""
    cache: Path | None = None
    metadata: bool = True
    quiet: bool = False
    keep_answers: bool = False
    names: str = ""


@dataclass(frozen=True)
class Outcome:
    """The graph as it ran, and what it gave. `warnings` are the texts of our warnings, each once."""

    graph: Graph
    result: RunResult
    warnings: Sequence[str]

    def texts(self) -> list[dict[str, str]]:
        """The texts that nodes have shown, with their nodes' ids and titles."""
        titles = {step.node: step.title for step in self.result.steps}
        shown = [(node, text) for node, output in self.result.outputs.items() for text in output.ui.get("text", ())]
        return [{"node": node, "title": titles[node], "text": str(text)} for node, text in shown]


def perform(request: Request) -> Outcome:
    """Run the graph. Raises GraphError or BadInput for what cannot run; a node that fails is in the result."""
    from api_graph.registry import described_nodes

    with clean_stdout() as warned:
        registry = described_nodes()
        graph = prepared_graph(request.graph, registry, request.values, request.device)
        validate(graph, registry)
        check_values(graph, registry)

        inputs, models = existing_folders(request.inputs, "--input"), existing_folders(request.models, "--models")
        output, disk = writable_folder(request.output, "--out"), None
        trusted = frozenset(request.values.values())
        folders = settings.headless_folders(output, inputs, trusted, keep_answers=request.keep_answers)
        folders = replace(folders, models=models or folders.models)
        if request.names:
            folders = replace(folders, name_of_row=_named(request, graph, registry))
        if request.cache is not None:
            folders = replace(folders, temp=request.cache / "temp")
            disk = DiskCache(request.cache, settings.cache_limit())

        if about_demo := demo_warning(graph, registry, folders):
            warnings.warn(about_demo, ApiGraphWarning, stacklevel=2)
        # One run reads no result twice from memory: equal steps are one step to begin with.
        executor = Executor(memory=None, disk=disk, registry=registry)
        before = len(warned)
        with shown_progress(quiet=request.quiet) as shown:
            result = executor.run(
                graph,
                folders,
                listener=_while_writing(graph, registry, shown, {} if request.quiet else endpoints_asked(graph)),
                cancelled=cancelled,
                metadata=request.metadata,
                save_again=False,
                show_again=False,
            )
        if disk is not None and len(warned) > before:
            # Whoever is shown a text again is warned again: the next run makes it anew.
            for step in result.steps:
                if step.key and registry[step.class_type].output:
                    disk.discard(step.key)
    if cancelled.is_set():  # while the last file was being written
        raise Cancelled
    return Outcome(graph, result, warned)


def _named(request: Request, graph: Graph, registry: Registry) -> Callable[[str], str]:
    """What the template makes of the names that nodes give their files. Raises BadInput for one that cannot be used."""
    from api_graph.table.binding import Binding
    from api_graph.table.names import FileNames
    from api_graph.table.rows import Row

    row = Row(0, "", {"graph": Path(request.graph).stem})
    return FileNames(request.names, Binding(graph, registry), tuple(row.values), alone=True).of(row, graph) or str


def _while_writing(graph: Graph, registry: Registry, shown: Listener | None, asked: dict[str, str]) -> Listener:
    """A listener that says when output nodes, which write files, are at work; `shown` hears all as well.

    When a node of `asked` begins to ask its endpoint, it says where images go: what is cached goes nowhere.
    """
    said: set[str] = set()
    outputs = {id for id, node in graph.nodes.items() if registry[node.class_type].output}

    def listen(event: Event) -> None:
        if event.kind == "started" and (name := asked.get(event.node)) and name not in said:
            said.add(name)
            say_where_images_go([name])
        if event.node in outputs and event.kind == "started":
            writing.set()
        elif event.kind in ("done", "failed"):
            writing.clear()
        if shown is not None:
            shown(event)

    return listen


def print_results(outcome: Outcome) -> None:
    """Files written, a line each, then texts shown: `TITLE: text`."""
    for output in outcome.result.outputs.values():
        for file in output.files:
            say(one_line(str(file)))
    for shown in outcome.texts():
        say(f"{one_line(shown['title'])}: {shown['text']}")


def print_notes(outcome: Outcome) -> None:
    """A line on stderr for each node whose answer an endpoint gave in an earlier run."""
    for step in outcome.result.steps:
        if step.why.startswith(NO_REQUEST):
            complain(f"{one_line(step.title)}: the answer is {NO_REQUEST}", kind="note")


def print_failures(failures: Sequence[NodeError]) -> None:
    """A line on stderr for each node that failed."""
    for failure in failures:
        hint = "" if isinstance(failure.__cause__, ApiGraphError) else " (--debug shows where)"
        complain(f"{failure}{hint}")


def summary(outcome: Outcome) -> str:
    """`12 nodes: 3 ran, 9 from the cache, in 1.2 s`."""
    steps = outcome.result.steps
    counts = Counter("cached" if step.cached else step.action for step in steps)
    parts = [f"{counts[action]} {words}" for action, words in _IN_WORDS.items() if counts[action]]
    nodes = "1 node" if len(steps) == 1 else f"{len(steps)} nodes"
    return f"{nodes}: {', '.join(parts)}; {outcome.result.seconds:.1f} s"


def print_steps(steps: Sequence[Step]) -> None:
    """The story of each node: what was done, and why."""
    rows = [
        (s.node, s.title, s.action, s.why, f"{s.seconds:.3f} s", human_size(s.bytes) if s.bytes else "") for s in steps
    ]
    print_table(("node", "title", "what", "why", "time", "size"), rows)


def document(name: str, outcome: Outcome, exit_code: int) -> dict[str, object]:
    """All of it, for `--json`. Tensors are named by type and shape."""
    result = outcome.result
    titles = {step.node: step.title for step in result.steps}
    return {
        "ok": not result.failures,
        "exit_code": exit_code,
        "graph": name,
        "seconds": result.seconds,
        "files": [file for output in result.outputs.values() for file in output.files],
        "texts": outcome.texts(),
        "outputs": {
            node: {"title": titles[node], "values": output.values, "files": output.files}
            for node, output in result.outputs.items()
        },
        "steps": [asdict(step) for step in result.steps],
        "failures": [failure.to_json() for failure in result.failures],
        "warnings": outcome.warnings,
    }

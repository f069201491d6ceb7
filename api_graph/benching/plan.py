"""From what the user asked for to the runs of a benchmark: its table, and a plan for each graph. Checks come first."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from api_graph.bench.declare import BenchmarkSpec
from api_graph.bench.readers.questions import Question
from api_graph.benching.answers import answering
from api_graph.benching.folder import Bench, GraphRun, OnFailure, read_bench
from api_graph.benching.recorded import identity_of, with_prompts_shown
from api_graph.benching.table import OWN_COLUMNS, more_pictures, picture_folders, write_table
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.json_values import Json

if TYPE_CHECKING:
    from api_graph.graph import Graph
    from api_graph.registry import Registry
    from api_graph.table.options import RunOptions
    from api_graph.table.plan import TablePlan

_PROMPT = "prompt"
_NAME = re.compile(r"\w[\w .=+-]{0,63}")


@dataclass(frozen=True)
class GraphChoice:
    """A graph that the user named: `source` is a file or a shipped name, and `name` that of its subfolder."""

    name: str
    source: str


@dataclass(frozen=True)
class Asked:
    """What is to be run. `options` are those of `map`, with the columns that the user has named.

    `limit` is the number of items, with `of_each_part` that of each part's. `parts` are the parts of the benchmark,
    none for all.
    """

    data: Path
    out: Path
    options: RunOptions
    parts: Sequence[str] = ()
    limit: int | None = None
    answer: str | None = None
    on_failure: OnFailure = "error"
    judge: str = ""
    of_each_part: bool = False


@dataclass(frozen=True)
class GraphPlan:
    """A graph with its values, and the plan of its rows."""

    run: GraphRun
    graph: Graph
    plan: TablePlan


def graph_choices(texts: Sequence[str]) -> list[GraphChoice]:
    """`GRAPH`, or `NAME=GRAPH` where the subfolder is to have another name. Raises BadInput for two of one name."""
    found: list[GraphChoice] = []
    for text in texts:
        name, equals, source = text.partition("=")
        named = bool(equals) and _NAME.fullmatch(name) is not None and not Path(text).exists()
        choice = GraphChoice(name, source) if named else GraphChoice(PurePath(text).stem, text)
        if choice.name in [other.name for other in found]:
            hint = "Give one another name: --graph NAME=GRAPH."
            raise BadInput("two graphs have one name", input="--graph", value=choice.name, hint=hint)
        if not _NAME.fullmatch(choice.name) or choice.name in ("pictures", "export"):
            hint = "Give it a name: --graph NAME=GRAPH."
            raise BadInput("this can be no subfolder", input="--graph", value=choice.name, hint=hint)
        found.append(choice)
    return found


def chosen_graphs(
    graphs: Sequence[str], settings: Mapping[str, str], grid: Mapping[str, str] | None = None
) -> dict[GraphChoice, dict[str, str]]:
    """The graphs that the user named with their settings; with a `grid`, a graph for each combination of its values.

    Those are called after their settings, as in "api_clip_ask kernel_size=7". Raises BadInput.
    """
    choices = graph_choices(graphs)
    given = settings_by_graph(settings, [choice.name for choice in choices])
    values = {name: _values(name, text) for name, text in (grid or {}).items()}
    found: dict[GraphChoice, dict[str, str]] = {}
    for choice in choices:
        for combination in product(*values.values()):
            setting = dict(zip(values, combination, strict=True))
            if twice := sorted(setting.keys() & given[choice.name].keys()):
                hint = "Leave one of the two out."
                raise BadInput("--set gives this input a value, too", input="--grid", value=twice[0], hint=hint)
            name = " ".join([choice.name, *(f"{input}={value}" for input, value in setting.items())])
            if not _NAME.fullmatch(name):
                hint = "Use --set, and --graph NAME=GRAPH for a name of its own."
                raise BadInput("this can be no subfolder", input="--grid", value=name, hint=hint)
            found[GraphChoice(name, choice.source)] = {**given[choice.name], **setting}
    return found


def _values(name: str, text: str) -> list[str]:
    try:
        listed = json.loads(text) if text.lstrip().startswith("[") else text.split(",")
    except ValueError:
        listed = []
    values = [value.strip() if isinstance(value, str) else json.dumps(value) for value in listed]
    if not values or not all(values) or len(set(values)) < len(values):
        hint = f"Write for example --grid {name}=1,7,15."
        raise BadInput("different values are needed, parted by commas", input="--grid", value=text, hint=hint)
    return values


def settings_by_graph(settings: Mapping[str, str], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """By graph the settings of all graphs, and those of its own, which begin with its name and a colon."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for key, value in settings.items():
        scope, colon, rest = key.partition(":")
        if colon and scope in found:
            found[scope][rest] = value
        else:
            for own in found.values():
                own.setdefault(key, value)
    return found


def questions_of(spec: BenchmarkSpec, asked: Asked) -> list[Question]:
    """The items to run. Raises BadInput for data that are not there, or are damaged."""
    if spec.needs and not asked.data.exists():
        hint = "Name the folder of the benchmark's files; `api-graph bench list` says what goes there."
        raise BadInput("there is no such folder", input="--data", value=str(asked.data), hint=hint)
    parts = spec.chosen_parts(asked.parts)
    if asked.of_each_part and parts:
        return [question for part in parts for question in spec.read(asked.data, (part,))[: asked.limit]]
    return list(spec.read(asked.data, parts)[: asked.limit])


def begun(spec: BenchmarkSpec, asked: Asked) -> Bench:
    """What OUT holds already, with what is asked for now. Raises BadInput where it holds another benchmark."""
    before = read_bench(asked.out)
    if before is not None and before.benchmark != spec.name:
        problem = f"this folder has results of the benchmark {before.benchmark}"
        raise BadInput(problem, input="--out", value=str(asked.out), hint="Name another folder.")
    bench = before or Bench(spec.name)
    return replace(
        bench,
        parts=spec.chosen_parts(asked.parts),
        limit=asked.limit,
        data=str(asked.data.absolute()),
        on_failure=asked.on_failure,
        judge=asked.judge or bench.judge,
        versions=Bench(spec.name).versions,
    )


def plan_graph(
    spec: BenchmarkSpec,
    asked: Asked,
    questions: Sequence[Question],
    choice: GraphChoice,
    graph: Graph,
    given: Mapping[str, Json],
    registry: Registry,
) -> GraphPlan:
    """The plan of one graph over the benchmark's table, which is written. `graph` has the `given` values in it.

    Raises GraphError or BadInput.
    """
    from api_graph.graph import set_inputs
    from api_graph.table.manifest import result_names
    from api_graph.table.plan import plan_of

    constants = dict(spec.constants(asked.data, spec.chosen_parts(asked.parts)))
    for name in constants:
        if name in given:
            hint = f"Leave it out: it is {spec.title}'s own."
            raise BadInput("this input is set by the benchmark", input="--set", value=name, hint=hint)
    try:
        graph = with_prompts_shown(set_inputs(graph, registry, {}, constants))
    except BadInput as error:
        raise BadInput(f"{choice.name}: {error.problem}", input="--graph", hint=error.hint) from error
    answering(graph.to_api(), result_names(graph.to_api()), spec.answer, asked.answer)
    columns = {**prompt_columns(graph, registry, questions, asked.options.columns), **asked.options.columns}
    if spec.answer != "text":
        columns = dict(asked.options.columns)
    options = replace(asked.options, columns=columns, inputs=picture_folders(asked.data, asked.options.inputs))
    table = str(asked.out / "table.jsonl")
    all_given = {**given, **constants}
    with own_columns_unsaid():
        plan = plan_of(graph, choice.source, table, asked.out / choice.name, registry, all_given, options)
    answer = answering(plan.manifest.graph, plan.manifest.results, spec.answer, asked.answer)
    _say_what_is_not_shown(questions, plan)
    run = GraphRun(
        name=choice.name,
        graph=choice.source,
        set=dict(all_given),
        columns=columns,
        answer=answer.title,
        models=identity_of(plan, registry),
        batch_size=options.batch_size,
    )
    return GraphPlan(run, graph, plan)


@contextmanager
def own_columns_unsaid() -> Iterator[None]:
    """Inside, nobody is warned that a column of every benchmark sets nothing, though an input has nearly its name."""
    with warnings.catch_warnings():
        said = rf"the column ({'|'.join(OWN_COLUMNS)}) sets nothing"
        warnings.filterwarnings("ignore", said, ApiGraphWarning)
        yield


def prompt_columns(
    graph: Graph, registry: Registry, questions: Sequence[Question], columns: Mapping[str, str]
) -> dict[str, str]:
    """The input that gets the benchmark's prompt, by its name, where a column of that name does not set it anyway.

    That is the one input called "prompt", such as that of a Format question node. Raises BadInput where there is none
    and a prompt is more than its question: the model would be asked without the options and what else it needs.
    """
    from api_graph.graph.inputs import InputNames

    names = InputNames(graph, registry)
    if _PROMPT in columns.values() or any(address in names.free for address in names.matching(_PROMPT)):
        return {}
    free = [address for address in names.free if address[1] == _PROMPT]
    if len(free) == 1:
        return {names.full_name(*free[0]): _PROMPT}
    if all(question.prompt.strip() == question.text.strip() for question in questions):
        return {}
    if free:
        offers = " or ".join(f"--column '{names.full_name(*address)}=prompt'" for address in free)
        hint = f"Say which: {offers}."
        raise BadInput("several inputs of the graph could take the benchmark's prompt", input="--column", hint=hint)
    hint = "Say --column query=prompt where the graph makes no map, or let a Format question node feed what asks."
    problem = "no input of the graph takes the benchmark's prompt: the model would be asked without its suffix"
    raise BadInput(problem, input="--column", hint=hint)


def _say_what_is_not_shown(questions: Sequence[Question], plan: TablePlan) -> None:
    several = more_pictures(questions)
    shown = [column for column in plan.columns.sets if column.startswith("image_")]
    if several and not shown:
        what = "1 question has" if several == 1 else f"{several:,} questions have"
        text = f"{what} more than one picture, and the graph is shown the first alone, as in the API paper's code"
        warnings.warn(text, ApiGraphWarning, stacklevel=3)


def write_items(spec: BenchmarkSpec, asked: Asked, questions: Sequence[Question]) -> None:
    """Write OUT/table.jsonl. Raises WriteFailed."""
    asked.out.mkdir(parents=True, exist_ok=True)
    write_table(spec, questions, asked.data, asked.out)

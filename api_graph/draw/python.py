"""The graph as a Python script: one call of a node's function per node."""

from __future__ import annotations

import builtins
import json
import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module

from api_graph.context import SaveContext
from api_graph.errors import BadInput
from api_graph.graph.model import Graph, GraphNode, Link, label, title_of
from api_graph.graph.order import execution_order
from api_graph.graph.validate import validate
from api_graph.graph.words import one_line
from api_graph.registry import Registry
from api_graph.spec import NodeSpec

_SOURCES = {
    "APText": "text",
    "PrimitiveString": "value",
    "PrimitiveStringMultiline": "value",
    "PrimitiveInt": "value",
    "PrimitiveFloat": "value",
    "PrimitiveBoolean": "value",
}
"""Nodes that give what is typed into them: in a script that is a plain assignment."""

_OWN_NAMES = ("torch", "folders", "context", "headless_folders", "together", SaveContext.__name__)
_WIDEST = 100
_LONGEST_NAME = 40

_HEAD = """\
# {name} as a script, one call per node. Written by `api-graph export`; change what you like.
import torch

from api_graph.context import SaveContext
{imports}
from api_graph.settings import headless_folders

torch.set_grad_enabled(False)
folders = headless_folders({folders})  # images are looked for here, and among the shipped ones
context = SaveContext(folders)  # what nodes show is gathered here
"""

_TOGETHER = '''
def together(*lists):
    """Elements that stand side by side; a shorter list repeats its last one."""
    count = max(map(len, lists)) if all(lists) else 0
    return [[values[min(i, len(values) - 1)] for values in lists] for i in range(count)]
'''
"""What a script needs in which a node is fed by several lists."""

_TAIL = """
for text_shown in context.ui.get("text", []):
    print(text_shown)
for file in context.ui.get("images", []):
    if file["type"] == "output":
        print(folders.output / file["subfolder"] / file["filename"])
"""


def to_python(graph: Graph, registry: Registry, name: str = "A graph", trusted: Sequence[str] = ()) -> str:
    """A script that does what the graph does, by calling the nodes' functions: the start of a notebook.

    It has the nodes that outputs need, a variable for each, after its title. `trusted` are texts typed by whoever
    exports, which may name files anywhere (`Folders.trusted`). Raises GraphError for a graph that cannot run, and
    BadInput for a node whose function no script can import.
    """
    validate(graph, registry)
    outputs = [id for id, node in graph.nodes.items() if registry[node.class_type].output]
    order = execution_order(graph, outputs)
    writer = _Writer(graph, registry, order)
    lines = [line for id in order for line in writer.lines(id)]
    folders = f'"output", trusted=frozenset([{", ".join(map(_literal, trusted))}])' if trusted else '"output"'
    head = _HEAD.format(name=one_line(name), imports=writer.imports(), folders=folders)
    helper = f"\n{_TOGETHER}\n" if writer.needs_together else ""
    return "\n".join([head + helper, *lines]) + "\n" + _TAIL


class _Writer:
    """Writes one node at a time, and remembers the expressions for its outputs."""

    def __init__(self, graph: Graph, registry: Registry, order: Sequence[str]) -> None:
        self._graph = graph
        self._specs = {id: registry[graph.nodes[id].class_type] for id in order}
        self._variables = VariableNames(_OWN_NAMES)
        self._modules = self._named_modules()
        self._read = _outputs_read(graph, order)
        self._outputs: dict[Link, Expression] = {}
        self.needs_together = False

    def lines(self, id: str) -> list[str]:
        """The statement for one node."""
        node, spec = self._graph.nodes[id], self._specs[id]
        read = self._read.get(id, [])
        given = node.literals().get(_SOURCES.get(spec.id, ""))
        name = self._variables.new(title_of(node, spec), spec.function.__name__) if read or not spec.output else ""
        if given is not None:
            self._outputs[Link(id, 0)] = Expression(name)
            return [f"{name} = {_literal(given)}"]
        call = Call(spec, f"{self._modules[spec.function.__module__]}.{spec.function.__name__}", self._arguments(node))
        self.needs_together |= len(call.lists) > 1
        return [f"{name} = {self._kept(id, name, call, read)}" if name else call.source()]

    def _kept(self, id: str, name: str, call: Call, read: Sequence[int]) -> str:
        """The call whose result is kept as `name`: the one output that is read, or all of them."""
        outputs = call.spec.outputs
        if len(read) == 1:
            output = outputs[read[0]]
            self._outputs[Link(id, read[0])] = Expression(name, bool(call.lists) or output.is_list)
            attribute = f".{output.name}" if call.spec.named_outputs else ""
            return call.source(attribute, joined=output.is_list)
        self._outputs |= {Link(id, number): call.output(name, number) for number in read}
        return call.source()

    def _arguments(self, node: GraphNode) -> dict[str, Expression]:
        spec = self._specs[node.id]
        arguments = {}
        for declared in spec.inputs:
            if declared.name in node.inputs:
                value = node.inputs[declared.name]
                given = self._outputs[value] if isinstance(value, Link) else Expression(_literal(value))
                arguments[declared.name] = given
        if spec.context is not None:
            arguments[spec.context[0]] = Expression("context")
        return arguments

    def imports(self) -> str:
        """The statements that import the modules of the nodes' functions."""
        by_package: dict[str, list[str]] = {}
        for module, name in self._modules.items():
            package, _, last = module.rpartition(".")
            by_package.setdefault(package, []).append(last if name == last else f"{last} as {name}")
        return "\n".join(
            f"from {package} import {', '.join(sorted(modules))}" if package else f"import {', '.join(sorted(modules))}"
            for package, modules in sorted(by_package.items())
        )

    def _named_modules(self) -> dict[str, str]:
        """The script's name for each module of node functions."""
        names: dict[str, str] = {}
        for id, spec in self._specs.items():
            _check_importable(self._graph.nodes[id], spec)
            module = spec.function.__module__
            if module not in names:
                names[module] = self._variables.new(module.rpartition(".")[2], "nodes")
        return names


def _outputs_read(graph: Graph, order: Sequence[str]) -> dict[str, list[int]]:
    """Of each node, the outputs that others read."""
    links = {link for id in order for link in graph.nodes[id].links().values()}
    read: dict[str, list[int]] = {}
    for link in sorted(links, key=lambda link: link.output):
        read.setdefault(link.node, []).append(link.output)
    return read


def _check_importable(node: GraphNode, spec: NodeSpec) -> None:
    function = spec.function
    if getattr(import_module(function.__module__), function.__name__, None) is not function:
        raise BadInput(
            "a script cannot import its function",
            input=f"node {label(node, spec)}",
            value=f"{function.__module__}.{function.__qualname__}",
            hint="Define it at the top of a module.",
        )


def _literal(value: object) -> str:
    """A typed value; texts in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


# ------------------------------------------------------------------------------------------------------ calls


@dataclass(frozen=True)
class Expression:
    """Python source of a value. If `is_list`, a call that it feeds is made once for each of its elements."""

    source: str
    is_list: bool = False


@dataclass(frozen=True)
class Call:
    """A node function's call, with ComfyUI's rule for lists: once for each element.

    `function` is the function as the script names it, `arguments` are by parameter.
    """

    spec: NodeSpec
    function: str
    arguments: dict[str, Expression]

    @property
    def lists(self) -> dict[str, Expression]:
        """The arguments over whose elements the call is repeated."""
        if self.spec.takes_lists:
            return {}
        return {name: value for name, value in self.arguments.items() if value.is_list}

    def source(self, attribute: str = "", *, joined: bool = False) -> str:
        """The call, or the list of its results. Of several outputs `attribute` is wanted; it is `joined` if a list."""
        lists = self.lists
        if not lists:
            return _fitted(f"{self.function}(", self._arguments({}), f"){attribute}")
        each = {name: f"each_{name}" for name in lists}
        call = f"{self.function}({', '.join(self._arguments(each))}){attribute}"
        sources = ", ".join(value.source for value in lists.values())
        loop = f"for {', '.join(each.values())} in {sources if len(lists) == 1 else f'together({sources})'}"
        clauses = [f"part {loop}", f"for part in {call}"] if joined else [call, loop]
        one_line = f"[{' '.join(clauses)}]"
        return one_line if len(one_line) <= _WIDEST else _indented("[", clauses, "]")

    def output(self, name: str, number: int) -> Expression:
        """What reads output number `number`, if all results are kept under `name`."""
        output = self.spec.outputs[number]
        if not self.lists:
            return Expression(f"{name}.{output.name}", output.is_list)
        if output.is_list:
            return Expression(f"[part for one in {name} for part in one.{output.name}]", True)
        return Expression(f"[one.{output.name} for one in {name}]", True)

    def _arguments(self, each: dict[str, str]) -> list[str]:
        return [f"{name}={each.get(name) or self._whole(name, value)}" for name, value in self.arguments.items()]

    def _whole(self, name: str, value: Expression) -> str:
        """An argument of a node that takes lists, or one that is no list."""
        declared = self.spec.input(name)
        if declared is not None and declared.is_list:
            return value.source if value.is_list else f"[{value.source}]"
        return f"{value.source}[0]" if value.is_list else value.source


def _fitted(before: str, items: Sequence[str], after: str) -> str:
    line = f"{before}{', '.join(items)}{after}"
    return line if len(line) <= _WIDEST else _indented(before, [f"{item}," for item in items], after)


def _indented(before: str, lines: Sequence[str], after: str) -> str:
    return "\n".join([before, *(f"    {line}" for line in lines), after])


# ------------------------------------------------------------------------------------------------------ names


class VariableNames:
    """Hands out names that are not taken. Python's own words and functions are never handed out."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*keyword.kwlist, *dir(builtins), *taken}

    def new(self, title: str, otherwise: str) -> str:
        """A name after `title`, or after `otherwise` if nothing of the title can stand in a name."""
        base = _identifier(title) or otherwise
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name


def _identifier(title: str) -> str:
    """`Ψ cls` -> `psi_cls`."""
    letters = "".join(map(_ascii, unicodedata.normalize("NFKD", title)))
    name = re.sub(r"[^a-z0-9]+", "_", letters.lower()).strip("_")[:_LONGEST_NAME].strip("_")
    return f"n_{name}" if name[:1].isdigit() else name


def _ascii(character: str) -> str:
    """A Greek letter by its name; nothing for an accent; a gap for what ASCII lacks."""
    if character.isascii():
        return character
    if unicodedata.combining(character):
        return ""
    name = unicodedata.name(character, "")
    return name.rpartition(" LETTER ")[2] if name.startswith("GREEK ") else " "

"""The graph as a Python script: one call of a node's function per node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module

from api_graph.context import SaveContext
from api_graph.draw.calls import TOGETHER, Call, Value, output_of
from api_graph.draw.names import Names
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
    helper = f"\n{TOGETHER}\n" if writer.needs_together else ""
    return "\n".join([head + helper, *lines]) + "\n" + _TAIL


class _Writer:
    """Writes one node at a time, and remembers what stands for its outputs."""

    def __init__(self, graph: Graph, registry: Registry, order: Sequence[str]) -> None:
        self._graph = graph
        self._specs = {id: registry[graph.nodes[id].class_type] for id in order}
        self._names = Names(_OWN_NAMES)
        self._modules = self._named_modules()
        self._read = _outputs_read(graph, order)
        self._values: dict[Link, Value] = {}
        self.needs_together = False

    def lines(self, id: str) -> list[str]:
        """The statement for one node."""
        node, spec = self._graph.nodes[id], self._specs[id]
        read = self._read.get(id, [])
        given = node.literals().get(_SOURCES.get(spec.id, ""))
        name = self._names.new(title_of(node, spec), spec.function.__name__) if read or not spec.output else ""
        if given is not None:
            self._values[Link(id, 0)] = Value(name)
            return [f"{name} = {_literal(given)}"]
        call = Call(spec, f"{self._modules[spec.function.__module__]}.{spec.function.__name__}", self._arguments(node))
        self.needs_together |= len(call.lists) > 1
        return [f"{name} = {self._keep(id, name, call, read)}" if name else call.source()]

    def _keep(self, id: str, name: str, call: Call, read: Sequence[int]) -> str:
        """The call whose result `name` holds: the one output that is read, or all of them."""
        outputs = call.spec.outputs
        if len(read) == 1:
            output = outputs[read[0]]
            self._values[Link(id, read[0])] = Value(name, bool(call.lists) or output.is_list)
            attribute = f".{output.name}" if call.spec.named_outputs else ""
            return call.source(attribute, joined=output.is_list)
        self._values |= {Link(id, slot): output_of(name, call, slot) for slot in read}
        return call.source()

    def _arguments(self, node: GraphNode) -> dict[str, Value]:
        spec = self._specs[node.id]
        arguments = {}
        for declared in spec.inputs:
            if declared.name in node.inputs:
                value = node.inputs[declared.name]
                arguments[declared.name] = self._values[value] if isinstance(value, Link) else Value(_literal(value))
        if spec.context is not None:
            arguments[spec.context[0]] = Value("context")
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
        """What the script calls each module of node functions."""
        names: dict[str, str] = {}
        for id, spec in self._specs.items():
            _check_importable(self._graph.nodes[id], spec)
            module = spec.function.__module__
            if module not in names:
                names[module] = self._names.new(module.rpartition(".")[2], "nodes")
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

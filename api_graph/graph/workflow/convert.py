"""From a workflow to the API format, as the editor itself does when a graph is queued."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from api_graph.graph.faults import NO_VALUE, Fault, GraphError, fault_at, file_error
from api_graph.graph.model import WRAPPER, GraphNode, Link, value_to_api
from api_graph.graph.validate import LISTS_NODES, unknown_class
from api_graph.graph.words import quoted
from api_graph.graph.workflow.links import (
    PASSING_ON,
    PRESET_TEXT,
    PRIMITIVE,
    SEED_EVERYWHERE,
    BrokenLink,
    LinkFollower,
    TypedValue,
)
from api_graph.graph.workflow.model import API_VALUES, BROADCASTERS, GETTERS, SETTERS, InputSlot, Node
from api_graph.graph.workflow.parse import parse
from api_graph.graph.workflow.scopes import Scope, ScopedNode, expand
from api_graph.graph.workflow.widgets import HINT, Misfit, slots, widget_values
from api_graph.registry import Registry

_NOTES = ("Note", "MarkdownNote", "Label (rgthree)", "Bookmark (rgthree)", "Note Plus (mtb)")
_SWITCHBOARDS = (
    "Fast Muter (rgthree)",
    "Fast Bypasser (rgthree)",
    "Fast Groups Muter (rgthree)",
    "Fast Groups Bypasser (rgthree)",
    "Fast Actions Button (rgthree)",
    "Mute / Bypass Repeater (rgthree)",
    "Mute / Bypass Relay (rgthree)",
    "Node Collector (rgthree)",
    "Node Combiner (rgthree)",
    "Power Conductor (rgthree)",
    "Random Unmuter (rgthree)",
)
_SHOW_ONLY = ("Image Comparer (rgthree)",)  # it runs in ComfyUI, but gives nothing and is seen in the browser alone
_VALUES = (PRIMITIVE, SEED_EVERYWHERE, PRESET_TEXT)
_EDITORS_OWN = {*_NOTES, *_SWITCHBOARDS, *_SHOW_ONLY, *PASSING_ON, *SETTERS, *GETTERS, *BROADCASTERS, *_VALUES}
_OF_A_SERVER = ("Node name for S&R", "cnr_id", "aux_id")
"""Properties that the editor gives to a node which the server declares; the second and third name its pack."""
_OUR_PACK = "api-graph"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GROUP_NODE = re.compile(r"workflow[>/].")


def workflow_to_api(document: Mapping[str, object], registry: Registry) -> dict[str, object]:
    """The graph that the editor sends for a workflow, in API format: `{"1": {"class_type": ..., "inputs": ...}}`.

    Subgraphs are laid open (`outer:inner`), reroutes, primitives, bypassed and muted nodes resolved. Raises GraphError
    with all that is wrong with the file, and with every node that would run but whose class is not in `registry`.
    """
    return _Converter(expand(parse(document)), registry).api()


class _Converter:
    def __init__(self, nodes: Sequence[ScopedNode], registry: Registry) -> None:
        self._nodes, self._registry = nodes, registry
        self._links = LinkFollower(lambda node: slots(node, registry.get(node.type)), self._promoted)
        self._marked = any(node.type in registry and _OF_A_SERVER[0] in node.properties for _, node in nodes)
        self._values: dict[tuple[Scope, str], dict[str, object]] = {}

    def api(self) -> dict[str, object]:
        api: dict[str, object] = {}
        faults: list[Fault] = []
        for scope, node in self._nodes:
            if not node.runs or node.id in scope.children or self._is_editors_own(scope, node):
                continue
            id = scope.api_id(node.id)
            try:
                if id in api:
                    problem = f"another node of the graph has the id {quoted(id)}, as subgraphs are laid open"
                    raise GraphError([self._fault(scope, node, problem, "Renumber one of them.")])
                api[id] = self._node(scope, node)
            except GraphError as error:
                faults += error.faults
        if faults:
            raise GraphError(faults)
        if not api:
            problem = "the graph, in the editor's own save format, has nothing that runs"
            raise file_error(problem, "Add nodes; notes do not count, nor do muted and bypassed ones.")
        return api

    def _is_editors_own(self, scope: Scope, node: Node) -> bool:
        """Whether a node never runs: it is known as such, or only a browser knows it and it feeds nothing.

        The editor marks the nodes that the server declares; a file without these marks tells nothing.
        """
        if node.type in _EDITORS_OWN:
            return True
        declared = node.type in self._registry or any(key in node.properties for key in _OF_A_SERVER)
        alone = not declared and node.id not in scope.level.feeding
        return self._marked and alone and not _UUID.fullmatch(node.type)

    def _node(self, scope: Scope, node: Node) -> dict[str, object]:
        """One node in the API format. Raises GraphError."""
        spec = self._registry.get(node.type)
        if spec is None:
            raise GraphError([self._unknown(scope, node)])
        faults: list[Fault] = []
        inputs: dict[str, object] = {}
        try:
            inputs = {name: _literal(value) for name, value in self._widgets(scope, node).items()}
        except Misfit as misfit:
            faults.append(self._fault(scope, node, str(misfit), HINT))
        kept = node.properties.get(API_VALUES)
        for name, value in kept.items() if isinstance(kept, Mapping) else ():
            if (declared := spec.input(name)) and declared.takes_json:
                inputs[name] = _literal(value)
        for slot in self._linked_slots(scope, node):
            source = self._links.source_of(scope, slot)
            if isinstance(source, Link):
                inputs[slot.name] = [source.node, source.output]
            elif isinstance(source, TypedValue):
                inputs[slot.name] = _literal(source.value)
            elif isinstance(source, BrokenLink):
                faults.append(self._fault(scope, node, source.problem, source.hint, slot.name))
        if faults:
            raise GraphError(faults)
        return {"class_type": node.type, "inputs": inputs, "_meta": {"title": node.title or spec.title}}

    def _linked_slots(self, scope: Scope, node: Node) -> list[InputSlot]:
        """The slots that are linked. One that the file does not list is the editor's slot of that number."""
        linked = [slot for slot in node.inputs if slot.link is not None]
        links = scope.level.links_into_node.get(node.id, ())
        unlisted = [link for link in links if link.target_slot >= len(node.inputs)]
        if not unlisted:
            return linked
        drawn = slots(node, self._registry.get(node.type))
        listed = {slot.link for slot in linked} | {slot.name for slot in linked}
        guessed = [(drawn[link.target_slot], link.id) for link in unlisted if link.target_slot < len(drawn)]
        return linked + [
            InputSlot(slot.name, slot.type, link)
            for slot, link in guessed
            if link not in listed and slot.name not in listed
        ]

    def _widgets(self, scope: Scope, node: Node) -> dict[str, object]:
        """What the node's widgets hold, with what the subgraph's host puts into them. Raises Misfit."""
        key = scope, node.id
        if key not in self._values:
            spec = self._registry[node.type]
            given = {name: v for name, v in scope.overrides.get(node.id, {}).items() if spec.input(name)}
            self._values[key] = widget_values(node, spec) | given
        return self._values[key]

    def _promoted(self, scope: Scope, number: int) -> object:
        """What a subgraph's input holds: the host's value, else that of the first widget inside that it feeds."""
        if number in scope.promoted:
            return scope.promoted[number]
        for node, slot in scope.level.slots_fed_by(number):
            if slot.widget is None:
                continue
            if node.id in scope.children:
                inside = scope.children[node.id]
                return next((self._promoted(inside, n) for n, fed in inside.fed.items() if fed is slot), None)
            try:
                return self._widgets(scope, node).get(slot.widget) if node.type in self._registry else None
            except Misfit:  # reported where that node is read
                return None
        return None

    def _unknown(self, scope: Scope, node: Node) -> Fault:
        if _UUID.fullmatch(node.type):
            return self._fault(scope, node, "it stands for a subgraph that the file does not define", "Save it again.")
        if _GROUP_NODE.match(node.type):
            hint = "Turn it into a subgraph in the editor (Convert group node to subgraph), and save the file again."
            return self._fault(scope, node, "it is a group node, which is no longer supported", hint)
        pack = node.properties.get("cnr_id") or node.properties.get("aux_id")
        if isinstance(pack, str) and pack != _OUR_PACK:
            of = "ComfyUI itself" if pack == "comfy-core" else f"the pack {quoted(pack)}"
            problem = f"there is no node class {quoted(node.type)}: it is a node of {of}"
            return self._fault(scope, node, problem, f"Bypass it, or run the graph in ComfyUI. {LISTS_NODES}")
        return unknown_class(self._graph_node(scope, node), self._registry)

    def _fault(self, scope: Scope, node: Node, problem: str, hint: str, input: str | None = None) -> Fault:
        spec = self._registry.get(node.type)
        return fault_at(self._graph_node(scope, node), spec, input, NO_VALUE, problem, hint)

    def _graph_node(self, scope: Scope, node: Node) -> GraphNode:
        return GraphNode(scope.api_id(node.id), node.type, {}, node.title)


def _literal(value: object) -> object:
    """A value as the API format writes it: a list would be read as a link."""
    return value if isinstance(value, Mapping) and WRAPPER in value else value_to_api(value)

"""From parsed JSON to a Workflow. Positions, sizes, colours, groups and native reroutes mean nothing for a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api_graph.graph.faults import NO_VALUE, Fault, GraphError, file_fault
from api_graph.graph.words import as_json, one_line, quoted
from api_graph.graph.workflow.model import Level, Node, Slot, Wire, Workflow

_SAVE_AGAIN = "Open the file in the editor, and save it again."
_RIM_IN, _RIM_OUT = "-10", "-20"
_ANY = "*"


def parse(document: Mapping[str, Any]) -> Workflow:
    """The workflow in a saved file, of schema 0.4 or 1. Raises GraphError with all that is malformed."""
    reader = _Reader()
    root = reader.level(document, "the graph")
    subgraphs: dict[str, Level] = {}
    for raw in _definitions(document):
        id = id_of(raw.get("id"))
        if id is None:
            reader.complain(f"a subgraph has the id {as_json(raw.get('id'))}, which is no text")
        else:
            subgraphs[id] = reader.subgraph(raw, id)
    if reader.faults:
        raise GraphError(reader.faults)
    return Workflow(root, subgraphs)


def id_of(raw: Any) -> str | None:
    """An id of a node or a link as a text: the editor writes numbers, and takes texts too."""
    if isinstance(raw, str):
        return raw or None
    number = _whole(raw)
    return None if number is None else str(number)


def _whole(raw: Any) -> int | None:
    """A whole number, as JavaScript would have it: 3.0 is one."""
    if isinstance(raw, float) and raw.is_integer():
        return int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 2**63 else None


def _slot_number(raw: Any) -> int | None:
    number = int(raw) if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) < 10 else _whole(raw)
    return number if number is not None and number >= 0 else None


def _definitions(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All subgraphs that a file defines, also inside of others."""
    waiting: list[Any] = [document]
    while waiting:
        definitions = waiting.pop().get("definitions")
        subgraphs = definitions.get("subgraphs") if isinstance(definitions, Mapping) else None
        found = [one for one in subgraphs if isinstance(one, Mapping)] if isinstance(subgraphs, list) else []
        yield from found
        waiting += found


def _text(raw: Any) -> str:
    return raw if isinstance(raw, str) else ""


def _type(raw: Any) -> str:
    """A socket's name; old files have numbers for "anything", and the entries themselves for a combo."""
    if isinstance(raw, str):
        return raw or _ANY
    return "COMBO" if isinstance(raw, list) else _ANY


class _Reader:
    """Reads levels, and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def complain(self, problem: str, hint: str = _SAVE_AGAIN) -> None:
        self.faults.append(file_fault(problem, hint))

    def level(self, raw: Mapping[str, Any], name: str) -> Level:
        return Level(name, self._nodes(raw, name), self._wires(raw, name))

    def subgraph(self, raw: Mapping[str, Any], id: str) -> Level:
        label = _text(raw.get("name")) or id
        inside = f"the subgraph {quoted(label)}"
        outputs = raw.get("outputs")
        return Level(
            label,
            self._nodes(raw, inside),
            self._wires(raw, inside),
            inputs=tuple(self._slots(raw.get("inputs"), inside)),
            outputs=len(outputs) if isinstance(outputs, list) else 0,
            input_id=_rim_id(raw.get("inputNode"), _RIM_IN),
            output_id=_rim_id(raw.get("outputNode"), _RIM_OUT),
        )

    def _list(self, raw: Any, key: str, where: str) -> list[Any]:
        if raw is None:
            return []
        if not isinstance(raw, list):
            self.complain(f"{key} of {where} is {as_json(raw)}, not a list")
            return []
        return raw

    def _nodes(self, raw: Mapping[str, Any], where: str) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        for number, one in enumerate(self._list(raw.get("nodes"), "nodes", where), start=1):
            node = self._node(one, f"entry {number} of the nodes of {where}")
            if node and node.id in nodes:
                self.complain(f"two nodes of {where} have the id {quoted(node.id)}", "Renumber one of them.")
            elif node:
                nodes[node.id] = node
        return nodes

    def _node(self, raw: Any, where: str) -> Node | None:
        id = id_of(raw.get("id")) if isinstance(raw, Mapping) else None
        if id is None:
            self.complain(f"{where} is {as_json(raw)}, not a node with an id")
            return None
        type = raw.get("type")
        if not isinstance(type, str) or not type:
            self.complain(f"node {one_line(id)} has no type, or one that is no text")
            return None
        values, named = raw.get("widgets_values"), raw.get("widgets_values_named")
        title, properties = _text(raw.get("title")), raw.get("properties")
        if values is not None and not isinstance(values, list | Mapping):
            problem = f"its widgets_values are {as_json(values)}, neither a list nor an object"
            self.faults.append(Fault(id, title or type, type, None, NO_VALUE, problem, _SAVE_AGAIN))
        return Node(
            id=id,
            type=type,
            title=title,
            mode=_whole(raw.get("mode")) or 0,
            inputs=tuple(self._slots(raw.get("inputs"), f"node {one_line(id)}")),
            outputs=tuple(_output_types(raw.get("outputs"))),
            values=values if isinstance(values, list | Mapping) else [],
            named=named if isinstance(named, Mapping) else None,
            properties=properties if isinstance(properties, Mapping) else {},
        )

    def _slots(self, raw: Any, where: str) -> Iterator[Slot]:
        for one in self._list(raw, "inputs", where):
            if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
                self.complain(f"an input of {where} is {as_json(one)}, not an input with a name")
                continue
            link, widget = one.get("link"), one.get("widget")
            if link is not None and id_of(link) is None:
                self.complain(f"input {one_line(one['name'])} of {where} has the link {as_json(link)}")
            widget_name = widget.get("name", one["name"]) if isinstance(widget, Mapping) else None
            yield Slot(one["name"], _type(one.get("type")), id_of(link), _text(widget_name) or None)

    def _wires(self, raw: Mapping[str, Any], where: str) -> dict[str, Wire]:
        wires: dict[str, Wire] = {}
        for one in self._list(raw.get("links"), "links", where):
            if one is None:  # what old editors left of a link that was cut
                continue
            wire = _wire(*_link_fields(one))
            if wire is None:
                self.complain(f"a link of {where} is {as_json(one)}, which names no two ends")
            else:
                wires[wire.id] = wire
        return wires


def _link_fields(raw: Any) -> tuple[Any, ...]:
    """Id, origin, its slot, target, its slot: a list in schema 0.4, an object in schema 1 and in subgraphs."""
    if isinstance(raw, Mapping):
        return tuple(raw.get(key) for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot"))
    return tuple(raw[:5]) if isinstance(raw, list) and len(raw) >= 5 else (None,) * 5


def _wire(raw_id: Any, raw_origin: Any, raw_slot: Any, raw_target: Any, raw_target_slot: Any) -> Wire | None:
    id, origin, target = id_of(raw_id), id_of(raw_origin), id_of(raw_target)
    slot, target_slot = _slot_number(raw_slot), _slot_number(raw_target_slot)
    if id is None or origin is None or target is None or slot is None or target_slot is None:
        return None
    return Wire(id, origin, slot, target, target_slot)


def _output_types(raw: Any) -> Iterator[str]:
    for one in raw if isinstance(raw, list) else ():
        yield _type(one.get("type")) if isinstance(one, Mapping) else _ANY


def _rim_id(raw: Any, usual: str) -> str:
    return (id_of(raw.get("id")) if isinstance(raw, Mapping) else None) or usual

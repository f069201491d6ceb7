"""From parsed JSON to a Workflow. Positions, sizes, colours, groups and native reroutes mean nothing for a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from api_graph.graph.faults import NO_VALUE, Fault, GraphError, file_fault
from api_graph.graph.words import as_json, one_line, quoted
from api_graph.graph.workflow.broadcasts import follow_broadcasts
from api_graph.graph.workflow.model import ANY_TYPE, InputSlot, Level, Node, SavedLink, Workflow

_SAVE_AGAIN = "Open the file in the editor, and save it again."
_INPUT_ID, _OUTPUT_ID = "-10", "-20"


def parse(document: Mapping[str, object]) -> Workflow:
    """The workflow in a saved file, of schema 0.4 or 1. Raises GraphError with all that is malformed."""
    reader = _Reader()
    root = reader.level(document, "the graph")
    subgraphs: dict[str, Level] = {}
    for raw in _definitions(document):
        id = _id(raw.get("id"))
        if id is None:
            reader.complain(f"a subgraph has the id {as_json(raw.get('id'))}, which is no text")
        else:
            subgraphs[id] = reader.subgraph(raw, id)
    if reader.faults:
        raise GraphError(reader.faults)
    return Workflow(root, subgraphs)


def _definitions(document: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """All subgraphs that a file defines, also inside of others."""
    waiting = [document]
    while waiting:
        definitions = waiting.pop().get("definitions")
        subgraphs = definitions.get("subgraphs") if isinstance(definitions, Mapping) else None
        found = [one for one in subgraphs if isinstance(one, Mapping)] if isinstance(subgraphs, list) else []
        yield from found
        waiting += found


class _Reader:
    """Reads levels, and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def complain(self, problem: str, hint: str = _SAVE_AGAIN) -> None:
        self.faults.append(file_fault(problem, hint))

    def level(self, raw: Mapping[str, object], name: str) -> Level:
        return Level(name, *self._nodes_and_links(raw, name))

    def subgraph(self, raw: Mapping[str, object], id: str) -> Level:
        label = _text(raw.get("name")) or id
        inside = f"the subgraph {quoted(label)}"
        outputs = raw.get("outputs")
        return Level(
            label,
            *self._nodes_and_links(raw, inside),
            inputs=tuple(self._slots(raw.get("inputs"), inside)),
            outputs=len(outputs) if isinstance(outputs, list) else 0,
            input_id=_own_id(raw.get("inputNode")) or _INPUT_ID,
            output_id=_own_id(raw.get("outputNode")) or _OUTPUT_ID,
        )

    def _list(self, raw: object, key: str, where: str) -> list[object]:
        if raw is None:
            return []
        if not isinstance(raw, list):
            self.complain(f"{key} of {where} is {as_json(raw)}, not a list")
            return []
        return raw

    def _nodes_and_links(self, raw: Mapping[str, object], where: str) -> tuple[dict[str, Node], dict[str, SavedLink]]:
        nodes, links = self._nodes(raw, where), self._links(raw, where)
        self.faults += follow_broadcasts(raw.get("extra"), nodes, links, self._sent(raw.get("extra"), nodes))
        return nodes, links

    def _sent(self, extra: object, nodes: Mapping[str, Node]) -> Iterator[SavedLink | None]:
        """What nodes that run send without a drawn link (broadcasts.py)."""
        sent = extra.get("ue_links") if isinstance(extra, Mapping) else None
        for number, raw in enumerate(sent if isinstance(sent, list) else []):
            controller = nodes.get(_id(raw.get("controller")) or "") if isinstance(raw, Mapping) else None
            if controller is not None and controller.runs:
                ends = (raw.get(key) for key in ("upstream", "upstream_slot", "downstream", "downstream_slot"))
                yield _link([f"ue:{number}", *ends])

    def _nodes(self, raw: Mapping[str, object], where: str) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        for number, one in enumerate(self._list(raw.get("nodes"), "nodes", where), start=1):
            node = self._node(one, f"entry {number} of the nodes of {where}")
            if node and node.id in nodes:
                self.complain(f"two nodes of {where} have the id {quoted(node.id)}", "Renumber one of them.")
            elif node:
                nodes[node.id] = node
        return nodes

    def _node(self, raw: object, where: str) -> Node | None:
        if not isinstance(raw, Mapping) or (id := _own_id(raw)) is None:
            self.complain(f"{where} is {as_json(raw)}, not a node with an id")
            return None
        type = raw.get("type")
        if not isinstance(type, str) or not type:
            self.complain(f"node {one_line(id)} has no type, or one that is no text")
            return None
        values, named = raw.get("widgets_values"), raw.get("widgets_values_named")
        title, properties, outputs = _text(raw.get("title")), raw.get("properties"), raw.get("outputs")
        if values is not None and not isinstance(values, list | Mapping):
            problem = f"its widgets_values are {as_json(values)}, neither a list nor an object"
            self.faults.append(Fault(id, title or type, type, None, NO_VALUE, problem, _SAVE_AGAIN))
        return Node(
            id=id,
            type=type,
            title=title,
            mode=_whole(raw.get("mode")) or 0,
            inputs=tuple(self._slots(raw.get("inputs"), f"node {one_line(id)}")),
            outputs=tuple(map(_type_of, outputs)) if isinstance(outputs, list) else (),
            values=values if isinstance(values, list | Mapping) else [],
            named=named if isinstance(named, Mapping) else None,
            properties=properties if isinstance(properties, Mapping) else {},
        )

    def _slots(self, raw: object, where: str) -> Iterator[InputSlot]:
        for one in self._list(raw, "inputs", where):
            if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
                self.complain(f"an input of {where} is {as_json(one)}, not an input with a name")
                continue
            link, widget = one.get("link"), one.get("widget")
            if link is not None and _id(link) is None:
                self.complain(f"input {one_line(one['name'])} of {where} has the link {as_json(link)}")
            widget_name = widget.get("name", one["name"]) if isinstance(widget, Mapping) else None
            yield InputSlot(one["name"], _type_of(one), _id(link), _text(widget_name) or None)

    def _links(self, raw: Mapping[str, object], where: str) -> dict[str, SavedLink]:
        links: dict[str, SavedLink] = {}
        for one in self._list(raw.get("links"), "links", where):
            if one is None:  # what old editors left of a link that was cut
                continue
            link = _link(one)
            if link is None:
                self.complain(f"a link of {where} is {as_json(one)}, which names no two ends")
            else:
                links[link.id] = link
        return links


def _link(raw: object) -> SavedLink | None:
    """A link: a list in schema 0.4, an object in schema 1 and in subgraphs. None if it has no two ends."""
    if isinstance(raw, Mapping):
        fields = [raw.get(key) for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    else:
        fields = raw[:5] if isinstance(raw, list) and len(raw) >= 5 else [None] * 5
    id, origin, target = _id(fields[0]), _id(fields[1]), _id(fields[3])
    origin_slot, target_slot = _slot_number(fields[2]), _slot_number(fields[4])
    if id is None or origin is None or target is None or origin_slot is None or target_slot is None:
        return None
    return SavedLink(id, origin, origin_slot, target, target_slot)


# ------------------------------------------------------------------------------------------------------ fields


def _id(raw: object) -> str | None:
    """An id of a node or a link as a text: the editor writes numbers, and takes texts too."""
    if isinstance(raw, str):
        return raw or None
    number = _whole(raw)
    return None if number is None else str(number)


def _own_id(raw: object) -> str | None:
    return _id(raw.get("id")) if isinstance(raw, Mapping) else None


def _whole(raw: object) -> int | None:
    """A whole number, as JavaScript would have it: 3.0 is one."""
    if isinstance(raw, float) and raw.is_integer():
        return int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 2**63 else None


def _slot_number(raw: object) -> int | None:
    number = int(raw) if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) < 10 else _whole(raw)
    return number if number is not None and number >= 0 else None


def _text(raw: object) -> str:
    return raw if isinstance(raw, str) else ""


def _type_of(raw: object) -> str:
    """A slot's type; old files have numbers for "anything", and the entries themselves for a combo."""
    type = raw.get("type") if isinstance(raw, Mapping) else None
    if isinstance(type, str):
        return type or ANY_TYPE
    return "COMBO" if isinstance(type, list) else ANY_TYPE

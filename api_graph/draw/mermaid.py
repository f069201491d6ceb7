"""The graph as a Mermaid flowchart, which Markdown viewers draw."""

from __future__ import annotations

from api_graph.draw.colours import category_colour
from api_graph.graph.model import Graph, GraphNode, Link, title_of, value_to_api
from api_graph.graph.words import as_json
from api_graph.registry import Registry

_ESCAPES = {ord(sign): f"#{ord(sign)};" for sign in '"#&<>`[]{}|\\'}
_OTHERS = "other"


def to_mermaid(graph: Graph, registry: Registry) -> str:
    """`flowchart LR`: a box per node with its title and what is typed into it, an arrow per link with its input.

    Nodes of unknown classes, and links to nodes that are not there, are drawn as well.
    """
    names = {id: f"n{number}" for number, id in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for id, node in graph.nodes.items():
        lines.append(f'    {names[id]}["{_label(node, registry)}"]')
    for id, node in graph.nodes.items():
        for input, link in node.links().items():
            if link.node not in names:
                names[link.node] = f"n{len(names)}"
                lines.append(f'    {names[link.node]}["{_escaped(link.node)}"]')
            lines.append(f'    {names[link.node]} -->|"{_arrow(graph, registry, link, input)}"| {names[id]}')
    return "\n".join([*lines, *_classes(graph, registry, names)]) + "\n"


def _label(node: GraphNode, registry: Registry) -> str:
    spec = registry.get(node.class_type)
    lines = [f"<b>{_escaped(title_of(node, spec))}</b>"]
    for name, value in node.inputs.items():
        if not isinstance(value, Link):
            lines.append(f"{_escaped(name)}: {_escaped(as_json(value_to_api(value)))}")
    return "<br/>".join(lines)


def _arrow(graph: Graph, registry: Registry, link: Link, input: str) -> str:
    """The input's name; before it the output's name, if the node has several."""
    source = graph.nodes.get(link.node)
    spec = registry.get(source.class_type) if source else None
    if spec is None or not 0 <= link.output < len(spec.outputs):
        return _escaped(f"{link.output} → {input}" if link.output else input)
    output = spec.outputs[link.output].name
    return _escaped(input if len(spec.outputs) == 1 or output == input else f"{output} → {input}")


def _classes(graph: Graph, registry: Registry, names: dict[str, str]) -> list[str]:
    """A colour per category."""
    members: dict[str, list[str]] = {}
    for id, node in graph.nodes.items():
        spec = registry.get(node.class_type)
        members.setdefault(spec.category if spec else _OTHERS, []).append(names[id])
    lines = []
    for number, (category, nodes) in enumerate(members.items()):
        colour = category_colour(category)
        lines.append(f"    classDef c{number} fill:{colour},stroke:#888,color:#fff")
        lines.append(f"    class {','.join(nodes)} c{number}")
    return lines


def _escaped(text: str) -> str:
    """`text` on one line, with Mermaid's own entities for all that means something to it or to HTML."""
    return " ".join(text.split()).translate(_ESCAPES)

"""A part of a graph as one node of ComfyUI's library: a workflow that holds one subgraph (a blueprint)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from api_graph.draw.workflow import Workflow, to_workflow
from api_graph.graph import Graph
from api_graph.registry import Registry

Drawn = Any
"""A part of a drawn workflow, as JSON."""

_INPUTS, _OUTPUTS = -10, -20
"""Ids of the nodes that stand for a subgraph's own inputs and outputs."""
_MARGIN, _SLOT = 220, 20


@dataclass(frozen=True)
class Blueprint:
    """What of a graph becomes one node.

    `inputs` names the nodes that the new node's inputs replace, `outputs` the outputs (node and slot) that it has, and
    `widgets` the values (node and input) that it shows beside its inputs. All that feeds the outputs is inside.
    """

    graph: str
    description: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, tuple[str, int]]
    widgets: Sequence[tuple[str, str]]


def to_blueprint(name: str, blueprint: Blueprint, graph: Graph, registry: Registry) -> Workflow:
    """The file of a blueprint, whose name the node bears. Equal names give equal ids.

    A text that an input replaces is the value that the node begins with. Raises GraphError for a graph that cannot run.
    """
    nodes, links = _inside(blueprint, graph, registry)
    subgraph = _subgraph(name, blueprint, nodes, links)
    host = {
        "id": 1,
        "type": subgraph["id"],
        "pos": [0, 0],
        "size": [320, 200],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [_shown(one, nodes) for one in subgraph["inputs"]],
        "outputs": [{"name": one["name"], "type": one["type"], "links": None} for one in subgraph["outputs"]],
        "properties": {"proxyWidgets": [list(widget) for widget in blueprint.widgets]},
        "widgets_values": [],
    }
    return {
        "revision": 0,
        "last_node_id": 1,
        "last_link_id": 0,
        "nodes": [host],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [subgraph]},
    }


def _inside(blueprint: Blueprint, graph: Graph, registry: Registry) -> tuple[list[Drawn], list[Drawn]]:
    """The nodes inside, drawn where the graph has them, and the links between them and the subgraph's own slots."""
    inside = _feeding(graph, [node for node, _ in blueprint.outputs.values()], {*blueprint.inputs.values()})
    drawn = cast("Drawn", to_workflow(graph, registry))
    typed = cast("Drawn", to_workflow(_with_texts(graph, blueprint, registry), registry))
    values = {node["id"]: node["widgets_values"] for node in typed["nodes"]}
    sources = {int(node): slot for slot, node in enumerate(blueprint.inputs.values())}
    links = [_link(link, sources) for link in drawn["links"] if str(link[3]) in inside]
    for slot, (node, output) in enumerate(blueprint.outputs.values()):
        socket = registry[graph.nodes[node].class_type].outputs[output].socket
        links.append(_link((len(drawn["links"]) + 1 + slot, int(node), output, _OUTPUTS, slot, socket), {}))
    nodes = [node for node in drawn["nodes"] if str(node["id"]) in inside]
    for order, node in enumerate(sorted(nodes, key=lambda one: one["order"])):
        node["order"], node["widgets_values"] = order, values[node["id"]]
        for slot, output in enumerate(node["outputs"]):
            begin = node["id"], slot
            output["links"] = [one["id"] for one in links if (one["origin_id"], one["origin_slot"]) == begin]
    return nodes, links


def _subgraph(name: str, blueprint: Blueprint, nodes: list[Drawn], links: list[Drawn]) -> Drawn:
    left, right = min(node["pos"][0] for node in nodes), max(node["pos"][0] + node["size"][0] for node in nodes)
    top = min(node["pos"][1] for node in nodes)
    inputs = _ends(name, blueprint.inputs, "origin", [left - _MARGIN, top], links)
    outputs = _ends(name, blueprint.outputs, "target", [right + _MARGIN / 2, top], links)
    state = {"lastGroupId": 0, "lastNodeId": max(node["id"] for node in nodes), "lastRerouteId": 0}
    return {
        "id": _uuid(name),
        "version": 1,
        "state": {**state, "lastLinkId": max(link["id"] for link in links)},
        "revision": 0,
        "config": {},
        "name": name,
        "inputNode": {"id": _INPUTS, "bounding": [left - _MARGIN, top, 120, len(inputs) * _SLOT + 40]},
        "outputNode": {"id": _OUTPUTS, "bounding": [right + _MARGIN / 2, top, 120, len(outputs) * _SLOT + 40]},
        "inputs": inputs,
        "outputs": outputs,
        "widgets": [],
        "nodes": nodes,
        "groups": [],
        "links": links,
        "extra": {"BlueprintDescription": blueprint.description},
        "category": "Attention prompting",
        "description": blueprint.description,
    }


def _feeding(graph: Graph, targets: Sequence[str], without: set[str]) -> set[str]:
    """The nodes that feed the targets, with these, but for those `without` which they get on."""
    inside: set[str] = set()
    waiting = list(targets)
    while waiting:
        node = waiting.pop()
        if node not in inside and node not in without:
            inside.add(node)
            waiting += [link.node for link in graph.nodes[node].links().values()]
    return inside


def _with_texts(graph: Graph, blueprint: Blueprint, registry: Registry) -> Graph:
    """The graph with texts of the nodes that inputs replace typed into the nodes that they feed."""
    texts = {
        id: text for id in blueprint.inputs.values() if isinstance(text := graph.nodes[id].inputs.get("text"), str)
    }
    nodes = {}
    for id, node in graph.nodes.items():
        spec, given = registry[node.class_type], dict(node.inputs)
        for name, link in node.links().items():
            declared = spec.input(name)
            if link.node in texts and declared is not None and declared.is_widget:
                given[name] = texts[link.node]
        nodes[id] = replace(node, inputs=given)
    return replace(graph, nodes=nodes)


def _link(saved: Sequence[Any], sources: Mapping[int, int]) -> Drawn:
    """A link as subgraphs write it; from a node among the `sources`, it comes from that slot of the subgraph."""
    id, source, output, target, slot, socket = saved
    inner = (_INPUTS, sources[source]) if source in sources else (source, output)
    return {
        "id": id,
        "origin_id": inner[0],
        "origin_slot": inner[1],
        "target_id": target,
        "target_slot": slot,
        "type": socket,
    }


def _ends(
    name: str, named: Mapping[str, object], end: str, corner: Sequence[float], links: Sequence[Drawn]
) -> list[Drawn]:
    """The subgraph's own slots of one side, with the links that meet them."""
    found = []
    for slot, own in enumerate(named):
        side = _INPUTS if end == "origin" else _OUTPUTS
        met = [link for link in links if (link[f"{end}_id"], link[f"{end}_slot"]) == (side, slot)]
        found.append(
            {
                "id": _uuid(f"{name}/{end}/{own}"),
                "name": own,
                "type": met[0]["type"],
                "linkIds": [link["id"] for link in met],
                "pos": [corner[0] + 100, corner[1] + 20 + slot * _SLOT],
            }
        )
    return found


def _shown(own: Drawn, nodes: Sequence[Drawn]) -> Drawn:
    """The new node's slot: a widget too, where it feeds widgets inside. It takes whatever they all take."""
    fed = [slot for node in nodes for slot in node["inputs"] if slot["link"] in own["linkIds"]]
    own["type"] = fed[0]["type"]
    widget = {"widget": {"name": own["name"]}} if "widget" in fed[0] else {}
    return {"name": own["name"], "type": own["type"], **widget, "link": None}


def _uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"api-graph/blueprints/{name}"))

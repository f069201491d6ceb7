"""In which order a graph's nodes can run, and where they run in circles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from api_graph.errors import BadInput
from api_graph.graph.faults import NO_VALUE, Fault, GraphError, fault_at
from api_graph.graph.model import Graph, label
from api_graph.graph.words import listed
from api_graph.registry import Registry

if TYPE_CHECKING:
    import networkx as nx

_MOST_NAMED = 10


def execution_order(graph: Graph, targets: Iterable[str] | None = None) -> list[str]:
    """Ids of the nodes that `targets` need, themselves included, each after all that feed it.

    Among the nodes that are ready, the one that stands first in the file runs first. Without targets: every node. Links
    to nodes that do not exist are left to `validate`. Raises GraphError when nodes feed each other in a circle.
    """
    import networkx as nx

    wiring = _wiring(graph, _ancestors(graph, targets) if targets is not None else graph.nodes)
    rank = {id: position for position, id in enumerate(graph.nodes)}
    try:
        return list(nx.lexicographical_topological_sort(wiring, key=rank.__getitem__))
    except nx.NetworkXUnfeasible:
        raise GraphError(cycle_faults(graph)) from None


def cycle_faults(graph: Graph, registry: Registry | None = None) -> list[Fault]:
    """One fault for every set of nodes that feed each other in a circle, at its first node in file order."""
    import networkx as nx

    wiring = _wiring(graph, graph.nodes)
    rank = {id: position for position, id in enumerate(graph.nodes)}
    faults = []
    for members in nx.strongly_connected_components(wiring):
        first = min(members, key=rank.__getitem__)
        if len(members) > 1 or wiring.has_edge(first, first):
            component = _wiring(graph, sorted(members, key=rank.__getitem__))
            faults.append(_cycle_fault(graph, _cycle_from(component, first), registry or {}))
    return sorted(faults, key=lambda fault: rank[fault.node])


def _wiring(graph: Graph, ids: Iterable[str]) -> nx.DiGraph[Any]:
    """The nodes `ids`, with an edge from each node to those it feeds."""
    import networkx as nx

    wiring: nx.DiGraph[Any] = nx.DiGraph()
    wiring.add_nodes_from(ids)
    wiring.add_edges_from(
        (link.node, id) for id in wiring for link in graph.nodes[id].links().values() if link.node in wiring
    )
    return wiring


def _ancestors(graph: Graph, targets: Iterable[str]) -> set[str]:
    needed: set[str] = set()
    waiting = list(targets)
    for target in waiting:
        if target not in graph.nodes:
            cure = f"Name one of {listed(list(graph.nodes))}."
            raise BadInput("there is no such node in the graph", input="targets", value=target, cure=cure)
    while waiting:
        id = waiting.pop()
        if id not in needed and id in graph.nodes:
            needed.add(id)
            waiting.extend(link.node for link in graph.nodes[id].links().values())
    return needed


def _cycle_from(component: nx.DiGraph[Any], first: str) -> list[str]:
    """The shortest way from `first` back to itself, in the direction in which data would flow."""
    import networkx as nx

    steps = nx.single_source_shortest_path_length(component, first)
    last = min(component.predecessors(first), key=steps.__getitem__)
    return nx.shortest_path(component, first, last)


def _cycle_fault(graph: Graph, cycle: list[str], registry: Registry) -> Fault:
    nodes = [graph.nodes[id] for id in cycle[:_MOST_NAMED]]
    named = [label(node, registry.get(node.class_type)) for node in nodes]
    way = [*named, f"… ({len(cycle)} nodes)"] if len(cycle) > _MOST_NAMED else named
    problem = f"nodes feed each other in a circle: {' → '.join([*way, named[0]])}"
    return fault_at(nodes[0], registry.get(nodes[0].class_type), None, NO_VALUE, problem, "Cut one of these links.")

"""In which order a graph's nodes can run, and where nodes feed each other in a cycle."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

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
    to nodes that do not exist are left to `validate`. Raises GraphError when nodes feed each other in a cycle, and
    BadInput for a target that is not in the graph.
    """
    waiting = list(graph.nodes if targets is None else targets)
    for target in waiting:
        if target not in graph.nodes:
            hint = f"Name one of {listed(list(graph.nodes))}."
            raise BadInput("there is no such node in the graph", input="targets", value=target, hint=hint)
    ids: set[str] = set()  # the targets and all that feeds them
    while waiting:
        id = waiting.pop()
        if id not in ids and id in graph.nodes:
            ids.add(id)
            waiting.extend(link.node for link in graph.nodes[id].links().values())
    order = _topological(graph, ids)
    if len(order) < len(ids):
        raise GraphError(cycle_faults(graph))
    return order


def cycle_faults(graph: Graph, registry: Registry | None = None) -> list[Fault]:
    """One fault for every set of nodes that feed each other in a cycle, at its first node in file order."""
    order = set(_topological(graph, graph.nodes))
    left = [id for id in graph.nodes if id not in order]  # on a cycle, or fed by one
    if not left:
        return []
    import networkx as nx  # a good graph never pays for the import

    rank = {id: position for position, id in enumerate(left)}
    faults = []
    for members in nx.strongly_connected_components(_digraph(graph, left)):
        component = _digraph(graph, sorted(members, key=rank.__getitem__))
        if component.size():
            faults.append(_cycle_fault(graph, _cycle(component), registry or {}))
    return sorted(faults, key=lambda fault: rank[fault.node])


def _topological(graph: Graph, ids: Collection[str]) -> list[str]:
    """Kahn's algorithm: `ids` in order of execution, without those that a cycle keeps from ever being ready.

    networkx has this too (`lexicographical_topological_sort`), but takes three times as long, and 0.2 s to import.
    """
    feeds: dict[str, list[str]] = {id: [] for id in ids}
    waits_for: dict[str, int] = {}
    for id in ids:
        sources = {link.node for link in graph.nodes[id].links().values() if link.node in feeds}
        waits_for[id] = len(sources)
        for source in sources:
            feeds[source].append(id)
    in_file = list(graph.nodes)
    rank = {id: position for position, id in enumerate(in_file)}
    ready = [rank[id] for id, count in waits_for.items() if not count]
    heapify(ready)
    order: list[str] = []
    while ready:
        id = in_file[heappop(ready)]
        order.append(id)
        for fed in feeds[id]:
            waits_for[fed] -= 1
            if not waits_for[fed]:
                heappush(ready, rank[fed])
    return order


# ----------------------------------------------------------------------------------------------------- cycles


def _digraph(graph: Graph, ids: Collection[str]) -> nx.DiGraph:
    """The nodes `ids`, with an edge from each node to those it feeds."""
    import networkx as nx

    digraph = nx.DiGraph()
    digraph.add_nodes_from(ids)
    digraph.add_edges_from(
        (link.node, id) for id in ids for link in graph.nodes[id].links().values() if link.node in digraph
    )
    return digraph


def _cycle(component: nx.DiGraph) -> list[str]:
    """The shortest cycle through a component's first node, from there on, in the direction of the links."""
    import networkx as nx

    first = next(iter(component))
    steps = nx.single_source_shortest_path_length(component, first)
    last = min(component.predecessors(first), key=steps.__getitem__)
    return nx.shortest_path(component, first, last)


def _cycle_fault(graph: Graph, cycle: list[str], registry: Registry) -> Fault:
    nodes = [graph.nodes[id] for id in cycle[:_MOST_NAMED]]
    named = [label(node, registry.get(node.class_type)) for node in nodes]
    path = [*named, f"… ({len(cycle)} nodes)"] if len(cycle) > _MOST_NAMED else named
    problem = f"nodes feed each other in a circle: {' → '.join([*path, named[0]])}"
    return fault_at(nodes[0], registry.get(nodes[0].class_type), None, NO_VALUE, problem, "Cut one of these links.")

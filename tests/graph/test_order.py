"""The order of execution."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.graph import Graph, GraphError, GraphNode, Link, execution_order


def linked(edges: dict[str, list[str]]) -> Graph:
    """A graph in which every node is fed by the nodes listed for it."""
    return Graph(
        {
            id: GraphNode(id, "Any", {f"in{i}": Link(s, 0) for i, s in enumerate(sources)})
            for id, sources in edges.items()
        }
    )


def test_file_order_among_the_ready() -> None:
    graph = linked({"d": ["b", "c"], "c": ["a"], "z": [], "b": ["a"], "a": []})
    assert execution_order(graph) == ["z", "a", "c", "b", "d"]


def test_only_what_the_targets_need() -> None:
    graph = linked({"a": [], "b": ["a"], "c": ["a"], "d": ["c"], "e": []})
    assert execution_order(graph, ["d"]) == ["a", "c", "d"]
    assert execution_order(graph, ["e", "b"]) == ["a", "b", "e"]
    assert execution_order(graph, []) == []


def test_an_input_twice_from_one_node() -> None:
    assert execution_order(linked({"b": ["a", "a"], "a": []})) == ["a", "b"]


def test_links_to_nothing_are_left_to_validation() -> None:
    graph = linked({"b": ["a", "nowhere"], "a": []})
    assert execution_order(graph) == execution_order(graph, ["b"]) == ["a", "b"]


def test_an_unknown_target() -> None:
    with pytest.raises(
        BadInput, match=r"targets: there is no such node in the graph \(got 'x'\)\. Name one of \"a\"\."
    ):
        execution_order(linked({"a": []}), ["x"])


def test_a_cycle() -> None:
    graph = linked({"a": ["b"], "b": ["a"], "c": ["b"], "free": []})
    with pytest.raises(GraphError, match='a "Any" → b "Any" → a "Any"'):
        execution_order(graph)
    with pytest.raises(GraphError, match='a "Any" → b "Any" → a "Any"'):
        execution_order(graph, ["c"])
    assert execution_order(graph, ["free"]) == ["free"]


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, list[str]]:
    """Nodes in random file order, each fed by some that came before it in another order."""
    count = draw(st.integers(1, 12))
    edges = {str(i): draw(st.lists(st.integers(0, i - 1).map(str), max_size=4)) if i else [] for i in range(count)}
    order = draw(st.permutations(list(edges)))
    return {id: edges[id] for id in order}


@given(acyclic())
def test_every_node_comes_once_and_after_all_that_feed_it(edges: dict[str, list[str]]) -> None:
    order = execution_order(linked(edges))
    assert sorted(order) == sorted(edges)
    assert all(order.index(source) < order.index(id) for id, sources in edges.items() for source in sources)


@given(acyclic())
def test_the_earliest_in_the_file_is_never_kept_waiting(edges: dict[str, list[str]]) -> None:
    """At each step, the node taken is the first in the file whose sources are all done (worked out by search)."""
    done: list[str] = []
    while len(done) < len(edges):
        done.append(next(id for id in edges if id not in done and set(edges[id]) <= set(done)))
    assert execution_order(linked(edges)) == done


@given(acyclic(), st.data())
def test_targets_bring_their_ancestors_and_no_others(edges: dict[str, list[str]], data: st.DataObject) -> None:
    targets = data.draw(st.lists(st.sampled_from(list(edges)), max_size=3))
    needed = set(targets)
    while more := {s for id in needed for s in edges[id]} - needed:
        needed |= more
    order = execution_order(linked(edges), targets)
    assert order == [id for id in execution_order(linked({i: edges[i] for i in edges if i in needed}))]


@given(acyclic(), st.data())
def test_one_link_back_makes_a_cycle(edges: dict[str, list[str]], data: st.DataObject) -> None:
    order = execution_order(linked(edges))
    last = data.draw(st.sampled_from(order))
    first = last
    while edges[first]:
        first = edges[first][0]
    with pytest.raises(GraphError) as caught:
        execution_order(linked({**edges, first: [*edges[first], last]}))
    assert len(caught.value.faults) == 1


def test_a_long_chain_in_any_file_order() -> None:
    edges = {str(i): [str(i - 1)] if i else [] for i in range(20_000)}
    ids = list(edges)
    random.Random(0).shuffle(ids)
    assert execution_order(linked({id: edges[id] for id in ids})) == list(map(str, range(20_000)))

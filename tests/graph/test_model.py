"""Graph, GraphNode, Link, and back to API format."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api_graph.graph import Graph, GraphNode, Link, label, read_graph

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
LISTS = st.recursive(st.lists(SCALARS, max_size=3), lambda inner: st.lists(inner | SCALARS, max_size=3), max_leaves=6)
LINKS = st.tuples(TEXTS, st.integers(0, 9)).map(list)
INPUTS = st.one_of(SCALARS, LINKS, LISTS.map(lambda v: {"__value__": v}), st.dictionaries(TEXTS, SCALARS, max_size=2))
NODES = st.builds(
    lambda class_type, inputs, title: {
        "class_type": class_type,
        "inputs": inputs,
        **({"_meta": {"title": title}} if title else {}),
    },
    TEXTS.filter(bool),
    st.dictionaries(TEXTS, INPUTS, max_size=3),
    TEXTS,
)
API_GRAPHS = st.dictionaries(TEXTS.filter(bool), NODES, min_size=1, max_size=4)


def test_literals_and_links_are_told_apart(graph: Graph) -> None:
    blend = graph.nodes["3"]
    assert blend.links() == {"image": Link("1", 0), "heatmap": Link("2", 0)}
    assert blend.literals() == {"strength": 0.5, "recipe": "reference"}


def test_nodes_keep_the_order_of_the_file(api: dict[str, Any]) -> None:
    turned = dict(reversed(api.items()))
    assert list(read_graph(turned).nodes) == ["6", "5", "4", "3", "2", "1"]


def test_to_api_gives_back_what_was_read(api: dict[str, Any]) -> None:
    assert read_graph(api).to_api() == api


@given(API_GRAPHS)
def test_to_api_gives_back_any_api_graph(api: dict[str, Any]) -> None:
    before = copy.deepcopy(api)
    graph = read_graph(api)
    assert graph.to_api() == before == api
    assert read_graph(json.loads(json.dumps(graph.to_api()))) == graph


def test_a_list_that_is_a_value_stays_wrapped() -> None:
    node = GraphNode("1", "TInt", {"a": ["2", 0], "b": Link("2", 0), "c": {"__value__": 1}})
    assert Graph({"1": node}).to_api()["1"]["inputs"] == {
        "a": {"__value__": ["2", 0]},
        "b": ["2", 0],
        "c": {"__value__": {"__value__": 1}},
    }


def test_graphs_travel_between_processes(graph: Graph) -> None:
    assert pickle.loads(pickle.dumps(graph)) == graph  # noqa: S301


def test_label_falls_back_on_the_class_title(registry: Any) -> None:
    node = GraphNode("3", "TBlur", {})
    assert label(GraphNode("3", "TBlur", {}, "Smooth")) == '3 "Smooth"'
    assert label(node, registry["TBlur"]) == '3 "Mean filter"'
    assert label(node) == '3 "TBlur"'


def test_label_stays_on_one_line() -> None:
    assert label(GraphNode("3", "X", {}, "two\nlines\u2028or more")) == '3 "two lines or more"'
    assert len(label(GraphNode("3", "X", {}, "long " * 1000))) < 100

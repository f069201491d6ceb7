"""Files that are damaged or made to hurt: one line per cause, never a traceback, in linear time."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_graph.graph import GraphError, find_faults, read_graph
from api_graph.graph.workflow import workflow_to_api
from api_graph.registry import Registry

SAMPLES = Path(__file__).parents[2] / "golden" / "workflows"
LINK_AGAIN = "Open the file in the editor, link the input again, and save it."


@pytest.fixture
def said(registry: Registry):
    """The lines of the error that a document raises."""

    def said(document: dict[str, Any]) -> list[str]:
        with pytest.raises(GraphError) as caught:
            workflow_to_api(document, registry)
        return str(caught.value).splitlines()

    return said


class TestUnknownNodes:
    def test_all_that_would_run_are_named(self, pen, said) -> None:
        drawn = pen().node(1, "PIn", title="n").node(2, "TSampel").node(3, "Other", mode=2).node(4, "Other", mode=4)
        lists = "`api-graph nodes` lists the nodes that there are."
        assert said(drawn.document()) == [
            f'node 1 "n": there is no node class "PIn". Did you mean PInt ("PInt")? {lists}',
            f'node 2 "TSampel": there is no node class "TSampel". Did you mean TSample ("Sample")? {lists}',
        ]

    def test_group_nodes(self, pen, said) -> None:
        hint = "Turn it into a subgraph in the editor (Convert group node to subgraph), and save the file again."
        expected = [f'node 1 "workflow>mine": it is a group node, which is no longer supported. {hint}']
        assert said(pen().node(1, "workflow>mine").document()) == expected

    def test_notes_and_switchboards_are_none(self, pen, registry: Registry) -> None:
        drawn = pen().node(1, "PInt", [1]).node(2, "Note", ["x"]).node(3, "MarkdownNote", ["# y"])
        drawn.node(4, "Fast Groups Muter (rgthree)").node(5, "Label (rgthree)").node(6, "Reroute").node(7, "SetNode")
        assert list(workflow_to_api(drawn.document(), registry)) == ["1"]

    @pytest.mark.parametrize("mode", [2, 4])
    def test_nothing_runs(self, pen, said, mode: int) -> None:
        hint = "Add nodes; notes do not count, nor do muted and bypassed ones."
        expected = [f"the graph, in the editor's own save format, has nothing that runs. {hint}"]
        assert said(pen().node(1, "PInt", mode=mode).node(2, "Note").document()) == expected


class TestLinks:
    def test_ends_that_are_not_in_the_file(self, pen, said) -> None:
        drawn = pen().node(1, "PInt", [1]).node(2, "PAdd").node(3, "POut").link(1, 2, "a").link(1, 2, "b")
        drawn.link(7, 3, "v").links.pop(1)
        assert said(drawn.document()) == [
            f'node 2 "PAdd", input b: its link, 2, is not in the file. {LINK_AGAIN}',
            f'node 3 "POut", input v: its link comes from node "7", which is not in the file. {LINK_AGAIN}',
        ]

    def test_nodes_that_do_not_run_may_have_them(self, pen, registry: Registry) -> None:
        drawn = pen().node(1, "PInt", [1]).node(2, "PAdd", mode=2).link(7, 2, "a")
        assert list(workflow_to_api(drawn.document(), registry)) == ["1"]

    def test_cycles_of_what_passes_on(self, pen, said) -> None:
        drawn = pen().node(1, "Reroute").node(2, "Reroute").link(1, 2, "").link(2, 1, "")
        drawn.node(3, "PAdd").link(1, 3, "a").link(2, 3, "b")
        circle = "the link runs in a circle, through nodes that only pass on. Cut one of its links."
        assert said(drawn.document()) == [f'node 3 "PAdd", input {name}: {circle}' for name in "ab"]

    def test_a_subgraph_that_feeds_itself(self, pen, said) -> None:
        drawn = pen().node(1, "s").link(1, 1, "x").node(2, "POut").link(1, 2, "v")
        drawn.subgraph("s", pen().link(-10, -20, 0), {"x": "*"}, {"y": "*"})
        assert "runs in a circle" in said(drawn.document())[0]

    def test_links_that_old_editors_cut(self, pen, registry: Registry) -> None:
        document = pen().node(1, "PInt", [1]).document()
        document["links"] = [None]
        assert list(workflow_to_api(document, registry)) == ["1"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"nodes": [3]}, "entry 1 of the nodes of the graph is 3, not a node with an id. "),
        (
            {"nodes": [{"type": "PInt"}]},
            'entry 1 of the nodes of the graph is {"type": "PInt"}, not a node with an id. ',
        ),
        ({"nodes": [{"id": True, "type": "PInt"}]}, "entry 1 of the nodes of the graph is "),
        ({"nodes": [{"id": 1}]}, "node 1 has no type, or one that is no text. "),
        ({"nodes": [{"id": 1, "type": "PInt"}] * 2}, 'two nodes of the graph have the id "1". Renumber one of them.'),
        ({"nodes": [{"id": 1, "type": "PInt", "inputs": {}}]}, "inputs of node 1 is {}, not a list. "),
        ({"nodes": [{"id": 1, "type": "PInt", "inputs": [4]}]}, "an input of node 1 is 4, not an input with a name. "),
        (
            {"nodes": [{"id": 1, "type": "PInt", "inputs": [{"name": "v", "link": []}]}]},
            "input v of node 1 has the link []. ",
        ),
        (
            {"nodes": [{"id": 1, "type": "PInt", "widgets_values": 5}]},
            'node 1 "PInt": its widgets_values are 5, neither a list nor an object. ',
        ),
        ({"links": {}}, "links of the graph is {}, not a list. "),
        ({"links": [[1, 2]]}, "a link of the graph is [1, 2], which names no two ends. "),
        ({"links": [[1, 1, -1, 2, 0, "INT"]]}, "a link of the graph is [1, 1, -1, 2, 0, "),
        ({"links": [{"id": 1}]}, 'a link of the graph is {"id": 1}, which names no two ends. '),
        ({"definitions": {"subgraphs": [{"id": None}]}}, "a subgraph has the id null, which is no text. "),
        (
            {"definitions": {"subgraphs": [{"id": "s", "name": "S", "nodes": 3}]}},
            'nodes of the subgraph "S" is 3, not a list. ',
        ),
    ],
)
def test_malformed_parts(said, change: dict[str, Any], expected: str) -> None:
    document = {"nodes": [{"id": 1, "type": "PInt"}], "links": []} | change
    (line,) = said(document)
    assert line.startswith(expected)


# ------------------------------------------------------------------------------------------------------- large


def fed(id: Any, type: str, name: str, link: int, **fields: Any) -> dict[str, Any]:
    return {"id": id, "type": type, "inputs": [{"name": name, "type": "INT", "link": link}], **fields}


@pytest.mark.parametrize(("passing_on", "mode"), [("Reroute", 0), ("PAdd", 4)])
def test_a_long_chain_is_walked_once(registry: Registry, passing_on: str, mode: int) -> None:
    """A chain of nodes that pass on, each with an output node of its own: once in all, not once for each of those."""
    length = 10_000
    nodes: list[dict[str, Any]] = [{"id": 0, "type": "PInt", "widgets_values": [1]}]
    links: list[list[Any]] = []
    for id in range(1, length + 1):
        links += [[2 * id, id - 1, 0, id, 0, "INT"], [2 * id + 1, id, 0, f"out {id}", 0, "INT"]]
        nodes.append(fed(id, passing_on, "a", 2 * id, mode=mode, outputs=[{"type": "INT"}]))
        nodes.append(fed(f"out {id}", "POut", "v", 2 * id + 1))
    api = workflow_to_api({"nodes": nodes[::-1], "links": links}, registry)
    assert len(api) == length + 1
    assert {node["inputs"]["v"][0] for id, node in api.items() if id != "0"} == {"0"}


def test_a_hundred_thousand_nodes(registry: Registry) -> None:
    nodes: list[dict[str, Any]] = [{"id": id, "type": "PInt", "widgets_values": [id]} for id in range(50_000)]
    nodes += [fed(50_000 + id, "POut", "v", id) for id in range(50_000)]
    document = {"nodes": nodes, "links": [[id, id, 0, 50_000 + id, 0, "INT"] for id in range(50_000)]}
    assert len(workflow_to_api(document, registry)) == 100_000
    nodes.append({"id": "one more", "type": "PInt"})
    with pytest.raises(GraphError, match="the graph has more than 100000 nodes"):
        workflow_to_api(document, registry)


def test_an_instance_with_very_many_inputs_of_one_name(registry: Registry) -> None:
    many = range(10_000)
    inside = {"id": 1, "type": "POut", "inputs": [{"name": f"v{i}", "link": i} for i in many]}
    boundary = [{"id": i, "origin_id": -10, "origin_slot": i, "target_id": 1, "target_slot": i} for i in many]
    subgraph = {"id": "s", "nodes": [inside], "links": boundary, "inputs": [{"name": "x", "type": "INT"} for _ in many]}
    host = {"id": 2, "type": "s", "inputs": [{"name": "x", "type": "INT", "link": i} for i in many]}
    document = {
        "nodes": [{"id": 1, "type": "PInt"}, host],
        "links": [[i, 1, 0, 2, i, "INT"] for i in many],
        "definitions": {"subgraphs": [subgraph]},
    }
    assert len(workflow_to_api(document, registry)["2:1"]["inputs"]) == len(many)


# -------------------------------------------------------------------------------------------------------- fuzz

IDS = st.sampled_from([1, 2, 3, "1", "s", -10, -20, None, 2.0, [1]])
TYPES = st.sampled_from(
    [
        "PInt",
        "PAdd",
        "POut",
        "TSample",
        "TMix",
        "Reroute",
        "PrimitiveNode",
        "SetNode",
        "GetNode",
        "Note",
        "s",
        "t",
        "?",
        4,
    ]
)
SCALARS = st.sampled_from(
    [None, True, 0, 1, 2, 4, -1, 7.5, "fixed", "image", "v", "a", "*", "INT", 10**400, float("nan")]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("vabx"), inner, max_size=3),
    max_leaves=6,
)
SLOTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["v", "a", "b", "image", 3])},
        optional={"type": SCALARS, "link": IDS, "widget": st.just({"name": "v"}) | JSON},
    )
    | JSON,
    max_size=3,
)
NODES = st.lists(
    st.fixed_dictionaries(
        {"id": IDS, "type": TYPES},
        optional={
            "mode": st.sampled_from([0, 0, 2, 4, "4"]),
            "inputs": SLOTS | JSON,
            "outputs": SLOTS | JSON,
            "title": SCALARS,
            "widgets_values": st.lists(JSON, max_size=4) | JSON,
            "widgets_values_named": JSON,
            "properties": st.fixed_dictionaries({}, optional={"proxyWidgets": JSON, "api_id": SCALARS}) | JSON,
        },
    )
    | JSON,
    max_size=5,
)
LINKS = st.lists(st.tuples(IDS, IDS, st.integers(-1, 2), IDS, st.integers(-1, 2), SCALARS).map(list) | JSON, max_size=5)
LEVELS = st.fixed_dictionaries({"nodes": NODES, "links": LINKS}, optional={"inputs": SLOTS, "outputs": SLOTS})
DOCUMENTS = st.builds(
    lambda root, inside: {**root, "definitions": {"subgraphs": [{"id": id, **one} for id, one in inside.items()]}},
    LEVELS,
    st.dictionaries(st.sampled_from("st"), LEVELS, max_size=2),
)


def holds(document: Any, registry: Registry) -> None:
    """A document is a graph that can be held against the nodes' contracts, or a GraphError of one line per fault."""
    before = copy.deepcopy(document)
    try:
        graph = read_graph(document, registry)
    except GraphError as error:
        assert error.faults
        assert len(str(error).splitlines()) == len(error.faults)
    else:
        assert all(len(str(fault).splitlines()) == 1 for fault in find_faults(graph, registry))
    assert json.dumps(document) == json.dumps(before)


@given(DOCUMENTS)
@settings(max_examples=300)
def test_any_document_is_a_graph_or_a_graph_error(registry: Registry, document: Any) -> None:
    holds(document, registry)


@given(st.data())
@settings(max_examples=300)
def test_a_good_document_with_one_thing_wrong(registry: Registry, data: st.DataObject) -> None:
    """A subgraph's sample, in which one value somewhere is another."""
    name = data.draw(st.sampled_from(["subgraph_frontend_1.35.9", "subgraph_frontend_1.58.1"]))
    document = json.loads((SAMPLES / f"{name}.json").read_text())["workflow"]
    found: list[tuple[Any, Any]] = []
    waiting: list[Any] = [document]
    while waiting:
        item = waiting.pop()
        for key in item if isinstance(item, dict) else range(len(item)):
            found.append((item, key))
            if isinstance(item[key], dict | list):
                waiting.append(item[key])
    holder, key = data.draw(st.sampled_from(range(len(found))).map(found.__getitem__))
    holder[key] = data.draw(JSON | st.just(copy.deepcopy(document["nodes"][0])))
    holds(document, registry)

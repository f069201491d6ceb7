"""The editor's save format, read back by a reader of the test's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from api_graph.draw import saved_workflow, to_workflow
from api_graph.graph import Graph, GraphError, read_graph, set_inputs
from api_graph.registry import Registry, all_nodes
from api_graph.settings import shipped
from api_graph.spec import NodeSpec


def api_of(workflow: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """The API format that a workflow stands for, by the rules of spec/comfyui, 3.2, for graphs as we write them."""
    ids = {n["id"]: n["properties"].get("api_id", str(n["id"])) for n in workflow["nodes"]}
    links = {link[0]: link for link in workflow["links"]}
    api = {}
    for saved in workflow["nodes"]:
        inputs = dict(zip(widgets_of(registry[saved["type"]]), saved["widgets_values"], strict=True))
        inputs = {name: value for name, value in inputs.items() if not name.startswith("(")}
        for slot, declared in enumerate(saved["inputs"]):
            if declared["link"] is not None:
                number, source, output, reader, into, socket = links[declared["link"]]
                assert (number, reader, into) == (declared["link"], saved["id"], slot)
                assert socket == next(n for n in workflow["nodes"] if n["id"] == source)["outputs"][output]["type"]
                inputs[declared["name"]] = [ids[source], output]
        api[ids[saved["id"]]] = {"class_type": saved["type"], "inputs": inputs}
        if "title" in saved:
            api[ids[saved["id"]]]["_meta"] = {"title": saved["title"]}
    return api


def widgets_of(spec: NodeSpec) -> list[str]:
    """Names of a node's widgets in order; what the editor adds is in brackets."""
    names = []
    for group in (True, False):
        for one in spec.inputs:
            if one.required is group and one.is_widget and one.name != "upload":
                names += [one.name, "(control)"] if one.name == "seed" else [one.name]
        if group and any(one.widget.upload for one in spec.inputs):
            names.append("(upload)")
    return names


def with_defaults(api: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """The graph with every widget that it leaves out at its default."""
    full = {}
    for id, node in api.items():
        declared = registry[node["class_type"]].inputs
        left = {one.name: one.default for one in declared if one.is_widget and not one.required}
        left.pop("upload", None)
        full[id] = {**node, "inputs": left | node["inputs"]}
    return full


@pytest.mark.parametrize("name", shipped())
def test_no_shipped_graph_loses_anything(name: str) -> None:
    file = shipped()[name]
    document = json.loads(file.read_text("utf-8"))
    workflow = json.loads(json.dumps(to_workflow(read_graph(file), all_nodes())))
    assert api_of(workflow, all_nodes()) == with_defaults(document, all_nodes())


@pytest.mark.parametrize("name", shipped())
def test_the_reader_of_saved_files_reads_the_same_graph(name: str) -> None:
    graph, registry = read_graph(shipped()[name]), all_nodes()
    again = read_graph(to_workflow(graph, registry), registry)
    expected = with_defaults(graph.to_api(), registry)
    assert {id: node["inputs"] for id, node in again.to_api().items()} == {
        id: node["inputs"] for id, node in expected.items()
    }
    titles = {id: node.title or registry[node.class_type].title for id, node in graph.nodes.items()}
    assert {id: node.title for id, node in again.nodes.items()} == titles
    # From here on nothing changes any more.
    assert read_graph(to_workflow(again, registry), registry).nodes == again.nodes


def test_a_small_graph_as_the_editor_saves_it(chain: dict[str, Any], registry: Registry) -> None:
    workflow = to_workflow(read_graph(chain), registry)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    assert list(nodes) == [7, 8, 9, 3, 4]  # numbers stay; others get what is free after them
    assert [node["properties"].get("api_id") for node in nodes.values()] == [None, "5:2", "mix", None, None]
    assert (workflow["version"], workflow["last_node_id"], workflow["last_link_id"]) == (0.4, 9, 5)
    assert nodes[9]["inputs"] == [
        {"name": "image", "type": "IMAGE", "link": 1},
        {"name": "strength", "type": "FLOAT", "widget": {"name": "strength"}, "link": 2},
        {"name": "mask", "type": "MASK", "link": 3},
    ]
    assert workflow["links"] == [
        [1, 7, 0, 9, 0, "IMAGE"],
        [2, 8, 0, 9, 1, "FLOAT"],
        [3, 7, 1, 9, 2, "MASK"],
        [4, 9, 0, 3, 0, "IMAGE"],
        [5, 9, 0, 4, 0, "IMAGE"],
    ]
    assert nodes[9]["outputs"] == [{"name": "image", "type": "IMAGE", "links": [4, 5]}]
    assert nodes[7]["outputs"][1] == {"name": "mask", "type": "MASK", "links": [3]}
    # Under a link: the smallest value allowed. After a seed: what becomes of it.
    assert nodes[9]["widgets_values"] == [0.25, "paper", 3, "fixed", 'two\n"lines"']
    # The upload button follows the required widgets.
    assert nodes[7]["widgets_values"] == ["cat.png", "image", 0]
    assert (nodes[7].get("title"), nodes[3].get("title")) == ("image", None)
    assert [nodes[id]["order"] for id in (7, 8, 9, 3, 4)] == [0, 1, 2, 3, 4]


def test_an_input_that_nothing_feeds_is_listed_without_a_link(registry: Registry) -> None:
    api = {
        "1": {"class_type": "TLoad", "inputs": {"image": "cat.png"}},
        "2": {"class_type": "TBlend", "inputs": {"image": ["1", 0], "strength": 1.0}},
        "3": {"class_type": "TSave", "inputs": {"image": ["2", 0]}},
    }
    workflow = to_workflow(read_graph(api), registry)
    assert [(slot["name"], slot["link"]) for slot in workflow["nodes"][1]["inputs"]] == [("image", 1), ("mask", None)]
    assert workflow["nodes"][0]["outputs"][1]["links"] is None


def test_an_id_that_is_no_plain_number_is_kept_as_a_property(registry: Registry) -> None:
    ids = ["0", "-1", "01", "1e3", "12345678901", "٣", "1"]
    api = {id: {"class_type": "TSave", "inputs": {"image": ["load", 0]}} for id in ids}
    api["load"] = {"class_type": "TLoad", "inputs": {"image": "cat.png"}}
    workflow = to_workflow(read_graph(api), registry)
    numbers = [node["id"] for node in workflow["nodes"]]
    assert sorted(numbers) == list(range(1, 9))
    assert api_of(workflow, registry) == with_defaults(api, registry)


def test_a_graph_that_cannot_run_is_refused(chain: dict[str, Any], registry: Registry) -> None:
    chain["9"] = {"class_type": "TSav", "inputs": {}}
    with pytest.raises(GraphError, match='there is no node class "TSav"'):
        to_workflow(read_graph(chain), registry)


def test_the_authors_own_workflow_is_kept_until_the_graph_changes(chain: dict[str, Any], registry: Registry) -> None:
    drawn = to_workflow(read_graph(chain), registry)
    drawn["groups"] = [{"id": 1, "title": "mine", "bounding": [0, 0, 10, 10]}]
    graph = read_graph(drawn, registry)
    assert saved_workflow(graph, registry) == drawn
    changed = set_inputs(graph, registry, {"note": "new"})
    assert saved_workflow(changed, registry) == to_workflow(changed, registry)
    for other in ({"nodes": []}, {"nodes": 3}, "x"):
        assert saved_workflow(Graph(graph.nodes, {"workflow": other}), registry) == to_workflow(graph, registry)

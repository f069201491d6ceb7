"""Every shipped graph, saved as the editor saves it and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api_graph.graph import Graph, find_faults, read_graph
from api_graph.graph.export import to_workflow
from api_graph.registry import all_nodes

GRAPHS = sorted((Path(__file__).parents[3] / "graphs").glob("*.json"))


def with_defaults(graph: Graph) -> dict[str, Any]:
    """The graph in API format with every widget's value, as the editor has them; upload buttons have none there."""
    api = graph.to_api()
    for node in api.values():
        spec = all_nodes()[node["class_type"]]
        defaults = {one.name: one.default for one in spec.inputs if one.is_widget and not one.required}
        node["inputs"] = {name: v for name, v in {**defaults, **node["inputs"]}.items() if name != "upload"}
        node["_meta"] = {"title": node.get("_meta", {}).get("title", spec.title)}
    return api


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_a_shipped_graph(path: Path) -> None:
    graph = read_graph(path)
    document = json.loads(json.dumps(to_workflow(graph, all_nodes())))
    read = read_graph(document, all_nodes())
    assert read.to_api() == with_defaults(graph)
    assert find_faults(read, all_nodes()) == find_faults(graph, all_nodes())
    assert read.extra == {"workflow": document}

"""Every shipped graph, saved as the editor saves it and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api_graph.draw import to_workflow
from api_graph.graph import Graph, find_faults, read_graph
from api_graph.registry import all_nodes
from api_graph.runs import run_graph
from api_graph.settings import find_graph

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


def test_a_saved_workflow_runs_and_its_pictures_carry_it(tmp_path: Path) -> None:
    name, query = "api_clip_map", {"query": "the blue ring"}
    document = to_workflow(read_graph(find_graph(name)), all_nodes())
    (tmp_path / "saved.json").write_text(json.dumps(document))
    outputs = run_graph(tmp_path / "saved.json", query, False, output=tmp_path / "out")
    shipped = run_graph(name, query, False, output=tmp_path / "shipped")
    plain = run_graph(tmp_path / "saved.json", {}, False, output=tmp_path / "plain")
    carried = [read_graph(Path(file)).extra for out in plain.values() for file in out["files"]]
    assert carried == 2 * [{"workflow": json.loads(json.dumps(document))}]
    assert {id: out.get("text") for id, out in outputs.items()} == {id: out.get("text") for id, out in shipped.items()}
    files = [Path(file) for out in outputs.values() for file in out["files"]]
    assert len(files) == 2
    for file in files:
        assert (tmp_path / "shipped" / file.name).exists()
        read = read_graph(file)
        assert read.extra == {}  # the workflow has another question
        assert {"text": "the blue ring"} in [node.inputs for node in read.nodes.values()]

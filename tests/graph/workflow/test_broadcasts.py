"""Nodes of popular packs that only the editor knows: values sent without links, switches, notes, and foreign nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api_graph.graph import GraphError, read_graph
from api_graph.graph.model import Link
from api_graph.graph.workflow import workflow_to_api
from api_graph.registry import Registry, all_nodes

CASES = Path(__file__).parents[4] / "shared" / "cases" / "graphs"
UE = "Anything Everywhere"


def sent(upstream: Any, downstream: Any, slot: int = 0, controller: Any = 9, output: int = 0) -> dict[str, Any]:
    """One of the links that the pack Use Everywhere keeps."""
    ends = {"upstream": upstream, "upstream_slot": output, "downstream": downstream, "downstream_slot": slot}
    return ends | {"controller": controller, "type": "INT"}


def free(name: str, type: str = "INT", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type, "link": None, **more}


@pytest.fixture
def inputs_of(registry: Registry):
    def inputs_of(pen: Any, *links: dict[str, Any]) -> dict[str, dict[str, Any]]:
        document = pen.document()
        document["extra"]["ue_links"] = list(links)
        api: dict[str, Any] = workflow_to_api(document, registry)
        return {id: node["inputs"] for id, node in api.items()}

    return inputs_of


@pytest.fixture
def said(registry: Registry):
    def said(document: dict[str, Any]) -> str:
        with pytest.raises(GraphError) as caught:
            workflow_to_api(document, registry)
        return str(caught.value)

    return said


class TestSentEverywhere:
    def test_what_is_sent_is_a_link(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [7]).node(2, "PAdd", inputs=[free("a"), free("b")]).node(9, UE)
        drawn.link(1, 9, "anything", "*")
        links = sent("1", 2, 1), sent(1, "2", 0)  # the pack writes ids both ways
        assert inputs_of(drawn, *links) == {"1": {"v": 7}, "2": {"a": ["1", 0], "b": ["1", 0]}}

    def test_into_a_widget(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [7]).node(2, "PInt", [1], inputs=[free("v", widget={"name": "v"})]).node(9, UE)
        assert inputs_of(drawn.link(1, 9, "INT"), sent("1", 2)) == {"1": {"v": 7}, "2": {"v": ["1", 0]}}

    def test_any_node_may_send_its_own_outputs(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [7], properties={"ue_convert": True}).node(2, "POut", inputs=[free("v", "*")])
        assert inputs_of(drawn, sent("1", 2, controller=1))["2"] == {"v": ["1", 0]}

    def test_a_seed_is_a_value(self, pen, inputs_of) -> None:
        widget = [free("v", widget={"name": "v"})]
        drawn = pen().node(9, "Seed Everywhere", [42, "randomize"]).node(2, "PInt", [1], inputs=widget)
        assert inputs_of(drawn, sent("9", 2)) == {"2": {"v": 42}}

    def test_a_drawn_link_counts_more(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [7]).node(3, "PInt", [8]).node(2, "POut").node(9, UE)
        drawn.link(1, 9, "INT").link(3, 2, "v", "*")
        assert inputs_of(drawn, sent("1", 2))["2"] == {"v": ["3", 0]}

    def test_but_not_one_from_a_muted_node(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [7]).node(3, "PInt", [8], mode=2).node(2, "POut").node(9, UE)
        drawn.link(1, 9, "INT").link(3, 2, "v", "*")
        assert inputs_of(drawn, sent("1", 2))["2"] == {"v": ["1", 0]}

    @pytest.mark.parametrize("mode", [2, 4])
    def test_a_sender_that_does_not_run_sends_nothing(self, pen, inputs_of, mode: int) -> None:
        drawn = pen().node(1, "PInt", [7]).node(2, "POut", inputs=[free("v", "*")]).node(9, UE, mode=mode)
        assert inputs_of(drawn.link(1, 9, "INT"), sent("1", 2), sent("1", 2, controller=77))["2"] == {}

    def test_in_a_subgraph(self, pen, registry: Registry) -> None:
        inside = pen().node(1, "PInt", [7]).node(2, "POut", inputs=[free("v", "*")]).node(9, UE).link(1, 9, "INT")
        document = pen().node(5, "s").subgraph("s", inside).document()
        document["definitions"]["subgraphs"][0]["extra"] = {"ue_links": [sent("1", 2)]}
        api: dict[str, Any] = workflow_to_api(document, registry)
        assert api["5:2"]["inputs"] == {"v": ["5:1", 0]}

    def test_from_and_to_the_ends_of_a_subgraph(self, pen, registry: Registry) -> None:
        inside = pen().node(2, "PAdd", inputs=[free("a"), free("b")]).node(9, UE).link(-10, 9, "INT")
        drawn = pen().node(1, "PInt", [7]).node(5, "s").link(1, 5, "x").node(6, "POut").link(5, 6, "v", "*")
        document = drawn.subgraph("s", inside, {"x": "INT"}, {"y": "INT"}).document()
        links = [sent("-10", 2, 0), sent("-10", 2, 1), sent("2", -20)]
        document["definitions"]["subgraphs"][0]["extra"] = {"ue_links": links}
        api: dict[str, Any] = workflow_to_api(document, registry)
        assert api["5:2"]["inputs"] == {"a": ["1", 0], "b": ["1", 0]}
        assert api["6"]["inputs"] == {"v": ["5:2", 0]}

    def test_where_the_file_does_not_say(self, pen, said) -> None:
        text = said(pen().node(1, "PInt", [7]).node(9, UE).link(1, 9, "INT").document())
        assert text.startswith('node 9 "Anything Everywhere": it sends a value to inputs that no link shows')
        assert "convert the Use Everywhere links to real ones" in text
        assert "Export (API)" in text
        assert "\n" not in text

    def test_a_sender_that_nothing_feeds_is_passed_over(self, pen, registry: Registry) -> None:
        document = pen().node(1, "PInt", [7]).node(9, UE, inputs=[free("anything", "*")]).document()
        assert list(workflow_to_api(document, registry)) == ["1"]

    @pytest.mark.parametrize("odd", [None, 3, "x", {}, [1], {"controller": 9}, sent("1", 2, slot=-1), sent(None, 2)])
    def test_damaged_links_are_none(self, pen, inputs_of, odd: Any) -> None:
        drawn = pen().node(1, "PInt", [7]).node(2, "POut", inputs=[free("v", "*")]).node(9, UE).link(1, 9, "INT")
        assert inputs_of(drawn, odd)["2"] == {}

    def test_a_source_that_is_gone(self, pen, inputs_of) -> None:
        drawn = pen().node(2, "POut", inputs=[free("v", "*")]).node(9, UE)
        with pytest.raises(GraphError, match='its link comes from node "77", which is not in the file'):
            inputs_of(drawn, sent("77", 2))


class TestOnlyInTheEditor:
    NAMES = (
        "Fast Actions Button (rgthree)",
        "Fast Groups Bypasser (rgthree)",
        "Node Collector (rgthree)",
        "Random Unmuter (rgthree)",
        "Image Comparer (rgthree)",
        "Note Plus (mtb)",
        "ReroutePrimitive|pysssss",
    )

    @pytest.mark.parametrize("name", NAMES)
    def test_they_are_passed_over(self, pen, registry: Registry, name: str) -> None:
        drawn = pen().node(1, "PInt", [1]).node(2, name, ["hello"]).link(1, 2, "", "*")
        assert list(workflow_to_api(drawn.document(), registry)) == ["1"]

    def test_so_is_one_of_any_pack_that_no_server_declares(self, pen, registry: Registry) -> None:
        """The editor writes no `Node name for S&R` for it, and nothing takes what it gives."""
        drawn = pen().node(1, "PInt", [1]).node(2, "TS_RichNote", properties={"html": "<p>"}).link(1, 2, "", "*")
        assert list(workflow_to_api(drawn.document(), registry)) == ["1"]

    def test_but_not_if_it_feeds_something(self, pen, said) -> None:
        drawn = pen().node(1, "Magic", properties={}).node(2, "POut").link(1, 2, "v", "*")
        assert said(drawn.document()).startswith('node 1 "Magic": there is no node class "Magic". ')

    def test_nor_in_a_file_without_the_editors_marks(self, pen, said) -> None:
        drawn = pen().node(1, "PInt", [1], properties={}).node(2, "Magic", properties={})
        assert said(drawn.document()).startswith('node 2 "Magic": there is no node class "Magic". ')

    def test_a_preset_is_in_the_browser(self, pen, said) -> None:
        drawn = pen().node(1, "PresetText|pysssss", ["mine"]).node(2, "PInt", [1]).link(1, 2, "v", widget=True)
        text = 'node 2 "PInt", input v: node 1 gives it a preset\'s text, which the browser keeps, not the file. '
        assert said(drawn.document()) == f"{text}Type the text in, and cut the link."

    @pytest.mark.parametrize(
        ("properties", "of"),
        [
            ({"cnr_id": "comfyui-kjnodes", "ver": "1.0"}, 'the pack "comfyui-kjnodes"'),
            ({"aux_id": "someone/their-pack"}, 'the pack "someone/their-pack"'),
            ({"cnr_id": "comfy-core"}, "ComfyUI itself"),
        ],
    )
    def test_a_real_node_names_its_pack(self, pen, said, properties: dict[str, str], of: str) -> None:
        text = said(pen().node(1, "PInt", [1]).node(2, "ResizeIt", properties=properties).document())
        assert text.startswith(f'node 2 "ResizeIt": there is no node class "ResizeIt": it is a node of {of}. Bypass it')


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases lie beside the repository")
@pytest.mark.parametrize("name", ["ue.json", "fe_Fast_Actions_Button_(rgthree).json"])
def test_reported_files(name: str) -> None:
    nodes = read_graph(CASES / name, all_nodes()).nodes
    image = Link("1", 0)
    assert [nodes[id].inputs["image"] for id in ("4", "10", "12")] == [image] * 3
    assert nodes["14"].inputs["first"] == image

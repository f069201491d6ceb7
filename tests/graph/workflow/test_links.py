"""What really feeds an input: reroutes, primitives, muted and bypassed nodes, named links."""

from __future__ import annotations

from typing import Any

import pytest

from api_graph.graph import GraphError
from api_graph.graph.workflow import workflow_to_api
from api_graph.registry import Registry

MUTED, BYPASSED = 2, 4


@pytest.fixture
def inputs_of(registry: Registry):
    """The inputs of each node that a workflow sends."""

    def inputs_of(pen: Any) -> dict[str, dict[str, Any]]:
        return {id: node["inputs"] for id, node in workflow_to_api(pen.document(), registry).items()}

    return inputs_of


@pytest.mark.parametrize("kind", ["Reroute", "Reroute (rgthree)", "ReroutePrimitive|pysssss"])
def test_reroutes(pen, inputs_of, kind: str) -> None:
    drawn = pen().node(1, "PInt", [7]).node(2, kind).node(3, kind).node(4, "POut").node(5, "POut")
    drawn.link(1, 2, "", "*").link(2, 3, "").link(3, 4, "v", "*").link(2, 5, "v", "*")
    assert inputs_of(drawn) == {"1": {"v": 7}, "4": {"v": ["1", 0]}, "5": {"v": ["1", 0]}}


def test_a_reroute_that_nothing_feeds(pen, inputs_of) -> None:
    assert inputs_of(pen().node(1, "Reroute").node(2, "POut").link(1, 2, "v")) == {"2": {}}


def test_native_reroutes_mean_nothing(pen, registry: Registry) -> None:
    document = pen().node(1, "PInt", [7]).node(2, "POut").link(1, 2, "v").document()
    before = workflow_to_api(document, registry)
    document["reroutes"] = [{"id": 1, "pos": [5, 5], "linkIds": [1]}]
    document["extra"] = {"reroutes": document["reroutes"], "linkExtensions": [{"id": 1, "parentId": 1}]}
    document["floatingLinks"] = [{"id": 9, "origin_id": 1, "origin_slot": 0, "target_id": -1, "target_slot": -1}]
    assert workflow_to_api(document, registry) == before


class TestPrimitives:
    def test_the_value_goes_to_every_target(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PrimitiveNode", [9, "increment"]).node(2, "PInt", [1]).node(3, "PInt", [2])
        drawn.node(4, "POut").link(1, 2, "v", widget=True).link(1, 3, "v", widget=True).link(2, 4, "v")
        assert inputs_of(drawn) == {"2": {"v": 9}, "3": {"v": 9}, "4": {"v": ["2", 0]}}

    def test_it_goes_through_reroutes(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PrimitiveNode", [9, "fixed"]).node(2, "Reroute").node(3, "PInt", [1])
        assert inputs_of(drawn.link(1, 2, "").link(2, 3, "v", widget=True)) == {"3": {"v": 9}}

    def test_without_a_value_the_target_keeps_its_own(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PrimitiveNode").node(2, "PInt", [5])
        assert inputs_of(drawn.link(1, 2, "v", widget=True)) == {"2": {"v": 5}}

    @pytest.mark.parametrize("mode", [MUTED, BYPASSED])
    def test_one_that_is_muted_counts_all_the_same(self, pen, inputs_of, mode: int) -> None:
        drawn = pen().node(1, "PrimitiveNode", [9, "fixed"], mode=mode).node(2, "PInt", [5])
        assert inputs_of(drawn.link(1, 2, "v", widget=True)) == {"2": {"v": 9}}

    def test_by_name(self, pen, inputs_of) -> None:
        named = {"value": "b", "control_after_generate": "fixed"}
        drawn = pen().node(1, "PrimitiveNode", widgets_values_named=named).node(2, "PInt", [5])
        assert inputs_of(drawn.link(1, 2, "v", widget=True)) == {"2": {"v": "b"}}


class TestMuted:
    def test_it_is_dropped_with_the_links_to_it(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", mode=MUTED).node(2, "PInt", [2]).node(3, "PAdd")
        assert inputs_of(drawn.link(1, 3, "a").link(2, 3, "b")) == {"2": {"v": 2}, "3": {"b": ["2", 0]}}

    def test_a_widget_that_it_fed_keeps_its_value(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", mode=MUTED).node(2, "PInt", [4]).link(1, 2, "v", widget=True)
        assert inputs_of(drawn) == {"2": {"v": 4}}

    def test_a_muted_reroute_breaks_the_link(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [1]).node(2, "Reroute", mode=MUTED).node(3, "POut")
        assert inputs_of(drawn.link(1, 2, "").link(2, 3, "v")) == {"1": {"v": 1}, "3": {}}

    @pytest.mark.parametrize("mode", [0, 1, 3, None, "x"])
    def test_every_other_mode_runs(self, pen, inputs_of, mode: Any) -> None:
        assert inputs_of(pen().node(1, "PInt", [1], mode=mode)) == {"1": {"v": 1}}


class TestBypassed:
    """The input of the same number if it fits, else the first of the same type, else the first that fits."""

    def mix(self, pen: Any, *linked: tuple[str, str]) -> Any:
        drawn = pen().node(9, "TMix", [0.5], mode=BYPASSED, outputs=[{"type": "IMAGE"}, {"type": "MASK"}])
        for number, (input, kind) in enumerate(linked, start=1):
            drawn.node(number, {"IMAGE": "TLoad", "MASK": "TMask"}[kind], ["a.png", "red"] if kind == "IMAGE" else None)
            drawn.link(number, 9, input, kind)
        return drawn

    def test_the_same_number(self, pen, inputs_of) -> None:
        drawn = self.mix(pen, ("other", "IMAGE"), ("image", "IMAGE")).node(8, "TMask").link(9, 8, "image", "IMAGE")
        assert inputs_of(drawn)["8"] == {"image": ["2", 0]}

    def test_the_same_type(self, pen, inputs_of) -> None:
        """Output 1 is the mask; input 1 is the widget `strength`, which the file does not list."""
        drawn = self.mix(pen, ("image", "IMAGE"), ("mask", "MASK")).node(8, "TMix").link(9, 8, "mask", "MASK", slot=1)
        assert inputs_of(drawn)["8"] == {"mask": ["2", 0]}

    def test_the_first_of_that_type_even_if_nothing_feeds_it(self, pen, inputs_of) -> None:
        drawn = self.mix(pen, ("other", "IMAGE")).node(8, "TMask").link(9, 8, "image", "IMAGE")
        assert inputs_of(drawn)["8"] == {}

    def test_one_that_fits(self, pen, inputs_of) -> None:
        inputs = [{"name": "a", "type": "STRING", "link": None}, {"name": "b", "type": "INT,FLOAT", "link": 1}]
        drawn = pen().node(1, "PInt", [3]).node(2, "TUnknown", mode=BYPASSED, outputs=[{"type": "INT"}])
        drawn.link(1, 2, "b", "INT,FLOAT").node(3, "PAdd").link(2, 3, "a")
        drawn.nodes[2]["inputs"] = inputs
        assert inputs_of(drawn)["3"] == {"a": ["1", 0]}

    def test_nothing_fits(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "TLoad", ["a.png", "red"]).node(2, "TMask", mode=BYPASSED, outputs=[{"type": "MASK"}])
        drawn.node(3, "TMix").link(1, 2, "image", "IMAGE").link(2, 3, "mask", "MASK")
        assert inputs_of(drawn)["3"] == {}

    def test_an_input_that_takes_anything(self, pen, inputs_of) -> None:
        """The input of the output's number, or the first: the editor looks at no type then."""
        drawn = self.mix(pen, ("image", "IMAGE"), ("mask", "MASK")).node(7, "POut").node(8, "POut")
        drawn.link(9, 7, "v", "*").link(9, 8, "v", "*", slot=9)
        assert inputs_of(drawn)["7"] == inputs_of(drawn)["8"] == {"v": ["1", 0]}

    def test_a_chain_of_them(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [1]).node(5, "POut")
        for id in (2, 3, 4):
            drawn.node(id, "PAdd", mode=BYPASSED, outputs=[{"type": "INT"}]).link(id - 1, id, "a")
        assert inputs_of(drawn.link(4, 5, "v", "*")) == {"1": {"v": 1}, "5": {"v": ["1", 0]}}


@pytest.mark.parametrize(("sets", "gets"), [("SetNode", "GetNode"), ("easy setNode", "easy getNode")])
class TestNamedLinks:
    def test_a_value_by_its_name(self, pen, inputs_of, sets: str, gets: str) -> None:
        drawn = pen().node(1, "PInt", [1]).node(2, sets, ["n"]).node(3, gets, ["n"]).node(4, "POut").node(5, "POut")
        drawn.link(1, 2, "INT").link(3, 4, "v", "*").link(2, 5, "v", "*")
        assert inputs_of(drawn) == {"1": {"v": 1}, "4": {"v": ["1", 0]}, "5": {"v": ["1", 0]}}

    def test_from_inside_of_a_subgraph(self, pen, inputs_of, sets: str, gets: str) -> None:
        inside = pen().node(1, gets, ["n"]).node(2, "POut").link(1, 2, "v", "*")
        drawn = pen().node(1, "PInt", [1]).node(2, sets, ["n"]).link(1, 2, "INT").node(3, "s").subgraph("s", inside)
        assert inputs_of(drawn) == {"1": {"v": 1}, "3:2": {"v": ["1", 0]}}

    def test_a_name_that_nothing_sets(self, pen, inputs_of, sets: str, gets: str) -> None:
        with pytest.raises(GraphError, match=r'node 2 "POut", input v: node 1 gets "n", which no node sets\. Set it'):
            inputs_of(pen().node(1, gets, ["n"]).node(2, "POut").link(1, 2, "v", "*"))


class TestSlots:
    def test_slots_that_the_file_does_not_list_are_told_by_their_number(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [1]).node(2, "PInt", [2]).node(3, "PAdd").link(1, 3, "a").link(2, 3, "b")
        drawn.nodes[3]["inputs"] = []
        assert inputs_of(drawn)["3"] == {"a": ["1", 0], "b": ["2", 0]}

    def test_a_slot_that_names_no_link_has_none(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [1]).node(3, "PAdd").link(1, 3, "a")
        drawn.nodes[3]["inputs"][0]["link"] = None
        assert inputs_of(drawn)["3"] == {}

    def test_ids_may_be_texts(self, pen, inputs_of) -> None:
        drawn = pen().node("a", "PInt", [1]).node("7", "POut").node(2.0, "POut").link("a", "7", "v").link("a", 2.0, "v")
        assert inputs_of(drawn) == {"a": {"v": 1}, "7": {"v": ["a", 0]}, "2": {"v": ["a", 0]}}

    def test_ids_of_the_api_format_are_given_back(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [1], properties={"api_id": "5:2"}).node(2, "POut").link(1, 2, "v")
        assert inputs_of(drawn) == {"5:2": {"v": 1}, "2": {"v": ["5:2", 0]}}

    @pytest.mark.parametrize("api_id", ["2", "", 3, None])
    def test_unless_they_are_taken_or_none(self, pen, inputs_of, api_id: Any) -> None:
        drawn = pen().node(1, "PInt", [1], properties={"api_id": api_id}).node(2, "PInt", [2])
        assert inputs_of(drawn) == {"1": {"v": 1}, "2": {"v": 2}}

    def test_a_copied_node_has_an_id_of_its_own(self, pen, inputs_of) -> None:
        copied = {"properties": {"api_id": "query"}}
        assert set(inputs_of(pen().node(1, "PInt", [1], **copied).node(2, "PInt", [2], **copied))) == {"1", "2"}

"""Subgraphs laid open: ids, what crosses their boundary, what their instances' widgets hold."""

from __future__ import annotations

from typing import Any

import pytest

from api_graph.graph import GraphError
from api_graph.graph.workflow import workflow_to_api
from api_graph.registry import Registry

IN, OUT = -10, -20
UUID = "15948f19-1ad3-4827-a237-4b4994a4f428"
MUTED, BYPASSED = 2, 4


@pytest.fixture
def inputs_of(registry: Registry):
    def inputs_of(pen: Any) -> dict[str, dict[str, Any]]:
        return {id: node["inputs"] for id, node in workflow_to_api(pen.document(), registry).items()}

    return inputs_of


@pytest.fixture
def increment(pen):
    """A subgraph with `a` and a widget `v` in and a sum out: PAdd (2) of `a` and PInt (3)."""
    inside = pen().node(2, "PAdd").node(3, "PInt", [5])
    inside.link(IN, 2, "a").link(3, 2, "b").link(IN, 3, "v", slot=1, widget=True).link(2, OUT, 0)
    return inside


def with_increment(drawn: Any, increment: Any) -> Any:
    return drawn.subgraph(UUID, increment, {"a": "INT", "v": "INT"}, {"sum": "INT"})


class TestBoundary:
    def test_ids_and_links(self, pen, increment, inputs_of) -> None:
        drawn = with_increment(pen(), increment).node(1, "PInt", [1]).node(5, UUID).node(4, "POut")
        assert inputs_of(drawn.link(1, 5, "a").link(5, 4, "v", "*")) == {
            "1": {"v": 1},
            "4": {"v": ["5:2", 0]},
            "5:2": {"a": ["1", 0], "b": ["5:3", 0]},
            "5:3": {"v": 5},
        }

    def test_two_instances(self, pen, increment, inputs_of) -> None:
        drawn = with_increment(pen(), increment).node(1, UUID, [7]).node(2, UUID, [8]).link(1, 2, "a")
        assert inputs_of(drawn) == {
            "1:2": {"b": ["1:3", 0]},
            "1:3": {"v": 7},
            "2:2": {"a": ["1:2", 0], "b": ["2:3", 0]},
            "2:3": {"v": 8},
        }

    def test_subgraphs_in_subgraphs(self, pen, increment, inputs_of) -> None:
        """Two levels: the inner one is defined beside the outer one, or inside of it."""
        for nested in (False, True):
            outer = pen().node(9, UUID).link(IN, 9, "a").link(IN, 9, "v", slot=1, widget=True).link(9, OUT, 0)
            drawn = pen()
            with_increment(outer if nested else drawn, increment)
            drawn.subgraph("outer", outer, {"a": "INT", "v": "INT"}, {"sum": "INT"})
            drawn.node(1, "PInt", [1]).node(5, "outer", [6]).node(4, "POut").link(1, 5, "a").link(5, 4, "v")
            assert inputs_of(drawn) == {
                "1": {"v": 1},
                "4": {"v": ["5:9:2", 0]},
                "5:9:2": {"a": ["1", 0], "b": ["5:9:3", 0]},
                "5:9:3": {"v": 6},
            }

    def test_a_link_straight_through(self, pen, inputs_of) -> None:
        drawn = pen().node(1, "PInt", [1]).node(2, "s").node(3, "POut").link(1, 2, "x").link(2, 3, "v")
        drawn.subgraph("s", pen().link(IN, OUT, 0), {"x": "INT"}, {"y": "INT"})
        assert inputs_of(drawn) == {"1": {"v": 1}, "3": {"v": ["1", 0]}}

    def test_an_output_that_nothing_feeds(self, pen, inputs_of) -> None:
        drawn = pen().node(2, "s").node(3, "POut").link(2, 3, "v").subgraph("s", pen(), {}, {"y": "INT"})
        assert inputs_of(drawn) == {"3": {}}

    def test_slots_of_the_instance_are_found_by_name(self, pen, inputs_of) -> None:
        """A file lists only the instance's linked slots, in any order; of equal names the type decides."""
        inside = pen().node(1, "PAdd").node(2, "TMask").node(3, "POut")
        inside.link(IN, 1, "a", slot=0).link(IN, 2, "image", "IMAGE", slot=1).link(IN, 3, "v", "*", slot=2)
        drawn = pen().subgraph("s", inside, {"x": "INT", "image": "IMAGE", "z": "*"}).node(5, "s")
        drawn.node(6, "PInt", [1]).node(7, "TLoad", ["a.png", "red"])
        drawn.link(6, 5, "z", "INT").link(7, 5, "image", "IMAGE")
        assert {id: found for id, found in inputs_of(drawn).items() if ":" in id} == {
            "5:1": {},
            "5:2": {"image": ["7", 0]},
            "5:3": {"v": ["6", 0]},
        }

    def test_boundaries_may_have_other_ids(self, pen, inputs_of) -> None:
        inside = pen().node(1, "POut").link(-50, 1, "v", "*")
        drawn = pen().node(1, "PInt", [1]).node(2, "s").link(1, 2, "x").subgraph("s", inside, {"x": "INT"})
        drawn.subgraphs[0]["inputNode"]["id"] = -50
        assert inputs_of(drawn) == {"1": {"v": 1}, "2:1": {"v": ["1", 0]}}


class TestModes:
    def test_a_muted_instance(self, pen, increment, inputs_of) -> None:
        drawn = with_increment(pen(), increment).node(1, "PInt", [1]).node(5, UUID, mode=MUTED).node(4, "POut")
        assert inputs_of(drawn.link(1, 5, "a").link(5, 4, "v")) == {"1": {"v": 1}, "4": {}}

    def test_a_bypassed_instance(self, pen, increment, inputs_of) -> None:
        fields = {"mode": BYPASSED, "outputs": [{"name": "sum", "type": "INT"}]}
        drawn = with_increment(pen(), increment).node(1, "PInt", [1]).node(5, UUID, **fields).node(4, "POut")
        assert inputs_of(drawn.link(1, 5, "a").link(5, 4, "v")) == {"1": {"v": 1}, "4": {"v": ["1", 0]}}

    def test_a_muted_instance_in_a_subgraph(self, pen, increment, inputs_of) -> None:
        outer = pen().node(9, UUID, mode=MUTED).node(8, "POut").link(9, 8, "v", "*")
        drawn = with_increment(pen(), increment).subgraph("outer", outer).node(5, "outer")
        assert inputs_of(drawn) == {"5:8": {}}

    def test_bypassed_inside(self, pen, increment, inputs_of) -> None:
        increment.nodes[2] |= {"mode": BYPASSED, "outputs": [{"type": "INT"}]}
        drawn = with_increment(pen(), increment).node(1, "PInt", [1]).node(5, UUID).node(4, "POut")
        found = inputs_of(drawn.link(1, 5, "a").link(5, 4, "v"))
        assert found == {"1": {"v": 1}, "4": {"v": ["1", 0]}, "5:3": {"v": 5}}

    def test_muted_inside(self, pen, increment, inputs_of) -> None:
        increment.nodes[2]["mode"] = MUTED
        drawn = with_increment(pen(), increment).node(5, UUID).node(4, "POut")
        assert inputs_of(drawn.link(5, 4, "v")) == {"4": {}, "5:3": {"v": 5}}


class TestPromotedWidgets:
    """The instance 5 of `increment` has the widget `v`, which stands for that of 5:3."""

    @pytest.fixture
    def value(self, pen, increment, inputs_of):
        """What 5:3 gets for an instance that was saved like this."""

        def value(**fields: Any) -> Any:
            return inputs_of(with_increment(pen(), increment).node(5, UUID, **fields))["5:3"]["v"]

        return value

    def test_without_a_value_it_is_the_one_inside(self, value) -> None:
        assert value() == value(widgets_values=[]) == value(widgets_values=[None]) == 5

    def test_by_position_among_the_inputs_that_are_widgets(self, value) -> None:
        assert value(widgets_values=[7]) == 7

    def test_by_name(self, value) -> None:
        assert value(widgets_values={"v": 7}) == value(widgets_values=[6], widgets_values_named={"v": 7}) == 7

    @pytest.mark.parametrize("proxy", [["-1", "v"], ["3", "v"], ["3", "3: v"], ["3", "8: 3:v"], ["3", "v", "3"]])
    def test_by_proxy(self, value, proxy: list[str]) -> None:
        assert value(widgets_values=[1, 7], properties={"proxyWidgets": [["2", "$$canvas-image-preview"], proxy]}) == 7

    @pytest.mark.parametrize("proxies", ["[]", [3], [["3"]], [[3, "v"]], {"3": "v"}])
    def test_proxies_that_are_none(self, value, proxies: Any) -> None:
        assert value(properties={"proxyWidgets": proxies}) == 5

    def test_a_link_goes_before_it(self, pen, increment, inputs_of) -> None:
        drawn = with_increment(pen(), increment).node(1, "PInt", [1]).node(5, UUID, [7])
        assert inputs_of(drawn.link(1, 5, "v", widget=True))["5:3"] == {"v": ["1", 0]}

    def test_a_primitive_goes_before_it(self, pen, increment, inputs_of) -> None:
        drawn = with_increment(pen(), increment).node(1, "PrimitiveNode", [9, "fixed"]).node(5, UUID, [7])
        assert inputs_of(drawn.link(1, 5, "v", widget=True))["5:3"] == {"v": 9}

    def test_one_for_two_widgets(self, pen, inputs_of) -> None:
        """Without a value of its own it is that of the first."""
        inside = pen().node(1, "PInt", [3]).node(2, "PInt", [4])
        inside.link(IN, 1, "v", widget=True).link(IN, 2, "v", widget=True)
        drawn = pen().subgraph("s", inside, {"v": "INT"}).node(5, "s").node(6, "s", [8])
        assert inputs_of(drawn) == {"5:1": {"v": 3}, "5:2": {"v": 3}, "6:1": {"v": 8}, "6:2": {"v": 8}}

    def test_a_widget_that_no_input_of_the_subgraph_feeds(self, pen, inputs_of) -> None:
        inside = pen().node(1, "PInt", [3]).node(2, "TSample", [5, "fixed", 20, "heun"])
        proxies = {"properties": {"proxyWidgets": [["2", "steps"], ["1", "v"], ["2", "cfg"], ["2", "gone"]]}}
        drawn = pen().subgraph("s", inside).node(5, "s", [30, None, 2.5, 1], **proxies).node(6, "s")
        sampled = {"seed": 5, "steps": 20, "sampler": "heun", "cfg": 8.0}
        assert inputs_of(drawn) == {
            "5:1": {"v": 3},
            "5:2": sampled | {"steps": 30, "cfg": 2.5},
            "6:1": {"v": 3},
            "6:2": sampled,
        }

    @pytest.mark.parametrize("proxy", [["9", "v"], ["9", "3: v"], ["9", "v", "3"]])
    def test_a_proxy_of_a_proxy(self, pen, inputs_of, proxy: list[str]) -> None:
        inside = pen().node(3, "PInt", [5])
        outer = pen().node(9, "inner", [6], properties={"proxyWidgets": [["3", "v"]]})
        drawn = pen().subgraph("inner", inside).subgraph("outer", outer)
        drawn.node(1, "outer", [7], properties={"proxyWidgets": [proxy]}).node(2, "outer")
        assert inputs_of(drawn) == {"1:9:3": {"v": 7}, "2:9:3": {"v": 6}}

    def test_a_proxy_of_a_promoted_input(self, pen, increment, inputs_of) -> None:
        outer = pen().node(9, UUID, [6])
        drawn = with_increment(pen(), increment).subgraph("outer", outer)
        drawn.node(1, "outer", [7], properties={"proxyWidgets": [["9", "v"]]}).node(2, "outer")
        found = inputs_of(drawn)
        assert (found["1:9:3"], found["2:9:3"]) == ({"v": 7}, {"v": 6})

    def test_a_promoted_input_of_a_promoted_input(self, pen, increment, inputs_of) -> None:
        outer = pen().node(9, UUID, [6]).link(IN, 9, "v", widget=True)
        drawn = with_increment(pen(), increment).subgraph("outer", outer, {"w": "INT"}).node(1, "outer", [7])
        drawn.node(2, "outer")
        found = inputs_of(drawn)
        assert (found["1:9:3"], found["2:9:3"]) == ({"v": 7}, {"v": 6})


class TestFaults:
    def said(self, drawn: Any, registry: Registry) -> str:
        with pytest.raises(GraphError) as caught:
            workflow_to_api(drawn.document(), registry)
        return str(caught.value)

    def test_a_subgraph_in_itself(self, pen, registry: Registry) -> None:
        drawn = pen().node(1, "s").subgraph("s", pen().node(1, "t")).subgraph("t", pen().node(1, "s"))
        assert self.said(drawn, registry) == 'the subgraph "Sub s" contains itself. Take it out of itself.'

    def test_more_nodes_than_a_graph_may_have(self, pen, registry: Registry) -> None:
        """Twenty subgraphs with two of the next one each: a million nodes out of forty."""
        drawn = pen().node(1, "0")
        for number in range(20):
            drawn.subgraph(str(number), pen().node(1, str(number + 1)).node(2, str(number + 1)))
        assert self.said(drawn, registry).startswith("the graph has more than 100000 nodes, its subgraphs laid open. ")

    def test_too_deep(self, pen, registry: Registry) -> None:
        drawn = pen().node(1, "0")
        for number in range(101):
            drawn.subgraph(str(number), pen().node(1, str(number + 1)))
        assert self.said(drawn, registry) == "subgraphs nest more than 100 deep. Unpack some of them."

    def test_a_subgraph_that_the_file_does_not_define(self, pen, registry: Registry) -> None:
        said = self.said(pen().node(1, UUID, title="Sub"), registry)
        assert said == 'node 1 "Sub": it stands for a subgraph that the file does not define. Save it again.'

    def test_ends_that_the_subgraph_does_not_have(self, pen, registry: Registry) -> None:
        inside = pen().node(1, "POut").link(IN, 1, "v", slot=3)
        drawn = pen().node(1, "s").node(2, "POut").link(1, 2, "v", slot=4).subgraph("s", inside)
        assert self.said(drawn, registry).splitlines() == [
            'node 1:1 "POut", input v: its link comes from an input that the subgraph "Sub s" does not have. '
            "Open the file in the editor, link the input again, and save it.",
            'node 2 "POut", input v: its link comes from an output that the subgraph "Sub s" does not have. '
            "Open the file in the editor, link the input again, and save it.",
        ]

    def test_an_output_that_comes_from_no_node(self, pen, registry: Registry) -> None:
        drawn = pen().node(1, "s").node(2, "POut").link(1, 2, "v").subgraph("s", pen().link(8, OUT, 0), {}, {"y": "*"})
        assert 'in the subgraph "Sub s", output 0 comes from no node' in self.said(drawn, registry)

    def test_an_id_that_is_taken(self, pen, registry: Registry) -> None:
        drawn = pen().node("5:1", "PInt", [1]).node(5, "s").subgraph("s", pen().node(1, "PInt", [2]))
        assert 'another node of the graph has the id "5:1"' in self.said(drawn, registry)

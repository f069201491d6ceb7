"""Values by position and by name, and what the editor puts among them."""

from __future__ import annotations

from typing import Any

import pytest

from api_graph.graph import GraphError
from api_graph.graph.workflow import workflow_to_api
from api_graph.registry import Registry

MISFIT = (
    "It was saved with another version of the node. Open the file in the editor, look at the values, save it again."
)


@pytest.fixture
def inputs(pen, registry: Registry):
    """The inputs of one node with these values."""

    def inputs(type: str, values: Any = None, **fields: Any) -> dict[str, Any]:
        document = pen().node(1, type, values, **fields).document()
        return workflow_to_api(document, registry)["1"]["inputs"]

    return inputs


SAMPLED = {"seed": 5, "steps": 20, "sampler": "heun", "cfg": 7.5}
LOADED = {"image": "a.png", "channel": "alpha", "note": "fixed"}


class TestByPosition:
    @pytest.mark.parametrize(
        "values",
        [
            pytest.param([5, "randomize", 20, "heun", 7.5], id="a seed and its control"),
            pytest.param([5, 20, "heun", 7.5], id="the control left out"),
            pytest.param([5, "randomize", 20, "increment", "heun", 7.5], id="a control that the class asks for"),
            pytest.param([5, "fixed", 20, "heun", "randomize", "", 7.5], id="a combo, its control and its filter"),
            pytest.param([5, "fixed", 20, "heun", "increment-wrap", 7.5], id="a combo and its control"),
            pytest.param([5, "fixed", 20, "heun", 7.5, None, None], id="what was null in the editor"),
        ],
    )
    def test_controls(self, inputs, values: list[Any]) -> None:
        assert inputs("TSample", values) == SAMPLED

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param(["a.png", "alpha", "image", "fixed"], id="after the required widgets"),
            pytest.param(["a.png", "alpha", "fixed", "image"], id="at the end"),
            pytest.param(["a.png", "alpha", "fixed"], id="left out"),
        ],
    )
    def test_the_upload_button(self, inputs, values: list[Any]) -> None:
        assert inputs("TLoad", values) == LOADED

    def test_a_text_that_reads_like_the_button(self, inputs) -> None:
        assert inputs("TLoad", ["a.png", "alpha", "image"]) == LOADED | {"note": "image"}
        assert inputs("TLoad", ["a.png", "alpha", "image", "image"]) == LOADED | {"note": "image"}

    def test_widgets_that_came_later_have_their_default(self, inputs) -> None:
        assert inputs("TSample", [5, "fixed", 20, "heun"]) == SAMPLED | {"cfg": 8.0}
        assert inputs("TSample", [5, "fixed"]) == {"seed": 5, "cfg": 8.0}
        assert inputs("TSample", []) == inputs("TSample") == {"cfg": 8.0}

    def test_null_is_no_value(self, inputs) -> None:
        assert inputs("TSample", [5, "fixed", None, "heun", None]) == {"seed": 5, "sampler": "heun", "cfg": 8.0}

    def test_old_values_of_inputs_that_only_take_links(self, inputs) -> None:
        assert inputs("TForced", [3, "a cat"]) == inputs("TForced", ["a cat"]) == {"text": "a cat"}

    @pytest.mark.parametrize("values", [[1, 2, 3], ["x", False, "text"]])
    def test_what_the_editor_shows_is_no_value(self, inputs, values: list[Any]) -> None:
        assert inputs("PreviewAny", values) == {}

    def test_more_values_than_widgets(self, inputs) -> None:
        with pytest.raises(GraphError) as caught:
            inputs("PInt", [1, 2, "x"], title="n")
        says = 'node 1 "n": it holds 2 too many values: PInt has the widgets "v". '
        assert str(caught.value) == says + MISFIT

    def test_values_of_a_node_without_widgets(self, inputs) -> None:
        with pytest.raises(GraphError, match=r'node 1 "PAdd": it holds 1 too many values: PAdd has no widgets'):
            inputs("PAdd", ["x"])

    def test_a_list_is_wrapped(self, inputs) -> None:
        assert inputs("PInt", [["2", 0]]) == {"v": {"__value__": ["2", 0]}}
        assert inputs("PInt", [{"__value__": [1]}]) == {"v": {"__value__": [1]}}


class TestByName:
    def test_an_object(self, inputs) -> None:
        given = {
            "steps": 20,
            "seed": 5,
            "sampler": "heun",
            "cfg": 7.5,
            "control_after_generate": "fixed",
            "preview": {},
        }
        assert inputs("TSample", given) == SAMPLED

    def test_names_go_before_positions(self, inputs) -> None:
        named = {**SAMPLED, "control_after_generate": "fixed", "control_filter_list": "", "$$canvas": None}
        assert inputs("TSample", [9, "fixed", 9, "euler", 9.0], widgets_values_named=named) == SAMPLED
        assert inputs("TSample", widgets_values_named=named) == SAMPLED
        assert inputs("TLoad", widgets_values_named={**LOADED, "upload": "image"}) == LOADED

    def test_names_that_the_class_no_longer_has(self, inputs) -> None:
        """A renamed widget is found by its position."""
        named = {"seed": 5, "step_count": 20, "sampler": "heun", "cfg": 7.5}
        assert inputs("TSample", [5, "fixed", 20, "heun", 7.5], widgets_values_named=named) == SAMPLED
        with pytest.raises(GraphError, match='it holds values for "step_count", which TSample does not have'):
            inputs("TSample", widgets_values_named=named)


class TestConvertedWidgets:
    def test_the_link_goes_before_the_value_that_was_left(self, pen, registry: Registry) -> None:
        drawn = pen().node(1, "PInt", [7]).node(2, "TSample", [5, "fixed", 20, "heun", 7.5])
        api = workflow_to_api(drawn.link(1, 2, "steps", widget=True).document(), registry)
        assert api["2"]["inputs"] == SAMPLED | {"steps": ["1", 0]}

    def test_a_converted_widget_that_nothing_feeds(self, inputs) -> None:
        slot = {"name": "steps", "type": "INT", "link": None, "widget": {"name": "steps"}}
        assert inputs("TSample", [5, "fixed", 20, "heun", 7.5], inputs=[slot]) == SAMPLED


def test_titles(pen, registry: Registry) -> None:
    api = workflow_to_api(pen().node(1, "TSample").node(2, "TSample", title="draw").document(), registry)
    assert [node["_meta"]["title"] for node in api.values()] == ["Sample", "draw"]

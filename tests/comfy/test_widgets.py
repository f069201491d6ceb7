"""What the editor shows of each node: a tooltip at every input and output, and widgets that suit what they hold."""

from __future__ import annotations

import pytest

from api_graph.comfy import comfy_class
from api_graph.registry import own_nodes

NODES = own_nodes()
LONG_TEXTS = {"query", "question", "text", "prompt", "system", "answer", "captions", "labels", "templates", "boxes"}


@pytest.mark.parametrize("id", NODES)
def test_every_input_and_output_has_a_tooltip(id: str) -> None:
    cls = comfy_class(NODES[id])
    types = cls.INPUT_TYPES()
    inputs = {**types["required"], **types["optional"]}
    assert [name for name, (_, options) in inputs.items() if not options.get("tooltip")] == []
    assert len(cls.OUTPUT_TOOLTIPS) == len(cls.RETURN_TYPES) and all(cls.OUTPUT_TOOLTIPS)
    assert cls.DESCRIPTION and cls.CATEGORY.startswith("attention prompting/")


@pytest.mark.parametrize("id", NODES)
def test_tooltips_are_sentences_that_fit(id: str) -> None:
    cls = comfy_class(NODES[id])
    types = cls.INPUT_TYPES()
    texts = [options["tooltip"] for _, options in (types["required"] | types["optional"]).values()]
    for text in [*texts, *cls.OUTPUT_TOOLTIPS, cls.DESCRIPTION]:
        assert text.endswith(".") and len(text) <= 200, text


@pytest.mark.parametrize("id", NODES)
def test_widgets_suit_what_they_hold(id: str) -> None:
    types = comfy_class(NODES[id]).INPUT_TYPES()
    for name, (kind, options) in (types["required"] | types["optional"]).items():
        if kind == "FLOAT" and "forceInput" not in options:
            # Without either the editor rounds to half numbers.
            assert options.get("round") is False or 0 < options["step"] <= 1, name
        if kind == "STRING" and name in LONG_TEXTS and "forceInput" not in options:
            assert options.get("multiline"), name
        if options.get("display") == "slider":
            assert options["max"] - options["min"] <= 1, f"{name}: a hand cannot set it so"


def test_the_knobs_that_are_moved_live_are_sliders() -> None:
    sliders = {f"{id}.{i.name}" for id, spec in NODES.items() for i in spec.inputs if i.is_widget and i.widget.slider}
    assert {"APAlphaBlend.strength", "APAlphaBlend.grey", "APOverlay.opacity", "APPreviewHeatmap.opacity"} <= sliders


def test_images_are_uploaded() -> None:
    (_, options) = comfy_class(NODES["APLoadImage"]).INPUT_TYPES()["required"]["image"]
    assert options["image_upload"] is True

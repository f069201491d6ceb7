"""Calls of version 0.1 still work, each with a warning that names the new one; no new call is taken for an old one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import api_graph
from api_graph.deprecation import formerly
from api_graph.lvlm.remote import Endpoint
from api_graph.settings import shipped_graphs

PICTURE = shipped_graphs() / "api_graph_example.png"
RING, STAR = "the yellow ring", "the orange star"
BOXES = [(354, 165, 432, 243), (209, 52, 283, 129)]
LABELS = ["a star", "a ring"]
ASKED = "What colour is the star?"


@pytest.fixture(scope="module")
def clip() -> api_graph.ClipModel:
    return api_graph.load_clip(device="cpu")


@pytest.fixture(scope="module")
def lvlm() -> api_graph.LvlmModel:
    return api_graph.load_lvlm(device="cpu")


api: Any = api_graph  # type checkers refuse the old calls, as they should
CALLS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any], list[str]]] = {
    "ask": (
        lambda clip, lvlm: api.ask(lvlm, PICTURE, ASKED).text,
        lambda clip, lvlm: api.ask(PICTURE, ASKED, lvlm).text,
        ["ask(model, image, query) is ask(image, query, model) now"],
    ),
    "ask by name": (
        lambda clip, lvlm: api.ask("demo", PICTURE, ASKED, max_tokens=8).text,
        lambda clip, lvlm: api.ask(PICTURE, ASKED, "demo", max_tokens=8).text,
        ["ask(model, image, query) is ask(image, query, model) now"],
    ),
    "ask by keywords": (
        lambda clip, lvlm: api.ask(model=lvlm, images=PICTURE, question=ASKED).text,
        lambda clip, lvlm: api.ask(model=lvlm, image=PICTURE, query=ASKED).text,
        ["ask(images=...) is ask(image=...) now", "ask(question=...) is ask(query=...) now"],
    ),
    "ask by both": (
        lambda clip, lvlm: api.ask("demo", images=PICTURE, question=ASKED).text,
        lambda clip, lvlm: api.ask(PICTURE, ASKED, "demo").text,
        ["images=", "question=", "ask(model, image, query)"],
    ),
    "ask without an image": (
        lambda clip, lvlm: api.ask("demo", None, ASKED).text,
        lambda clip, lvlm: api.ask(None, ASKED, "demo").text,
        ["ask(model, image, query)"],
    ),
    "ask of an array": (
        lambda clip, lvlm: api.ask("demo", np.asarray(Image.open(PICTURE).convert("RGB")), ASKED).text,
        lambda clip, lvlm: api.ask(PICTURE, ASKED).text,
        ["ask(model, image, query)"],
    ),
    "clip_attribution": (
        lambda clip, lvlm: api.clip_attribution(clip, PICTURE, [RING, STAR]).combined,
        lambda clip, lvlm: api.clip_attribution(PICTURE, [RING, STAR], clip).combined,
        ["clip_attribution(model, image, query) is clip_attribution(image, query, model) now"],
    ),
    "clip_attribution of tensors": (
        lambda clip, lvlm: api.clip_attribution(clip, pixel_values=torch.zeros(1, 3, 80, 80), queries=RING).combined,
        lambda clip, lvlm: api.clip_attribution(None, RING, clip, pixel_values=torch.zeros(1, 3, 80, 80)).combined,
        ["queries=", "clip_attribution(model, image, query)"],
    ),
    "lvlm_attribution": (
        lambda clip, lvlm: api.lvlm_attribution(lvlm, PICTURE, ASKED, layer=1, max_new_tokens=3).map,
        lambda clip, lvlm: api.lvlm_attribution(PICTURE, ASKED, lvlm, layers=1, max_tokens=3).map,
        ["layer=...) is lvlm_attribution(layers=", "max_tokens=", "(model, image, query)"],
    ),
    "choose_box": (
        lambda clip, lvlm: api.choose_box(clip, PICTURE, BOXES, RING, "crop").scores,
        lambda clip, lvlm: api.choose_box(PICTURE, BOXES, RING, clip, "crop").scores,
        ["choose_box(model, image, boxes, query, method) is choose_box(image, boxes, query, model, method) now"],
    ),
    "choose_box of several": (
        lambda clip, lvlm: api.choose_box([clip, "demo"], PICTURE, torch.tensor(BOXES), text=RING).scores,
        lambda clip, lvlm: api.choose_box(PICTURE, torch.tensor(BOXES), RING, [clip, clip]).scores,
        ["text=...) is choose_box(query=", "choose_box(model"],
    ),
    "choose_box by names": (
        lambda clip, lvlm: api.choose_box(["demo", "demo"], str(PICTURE), BOXES, RING).scores,
        lambda clip, lvlm: api.choose_box(PICTURE, BOXES, RING, [clip, clip]).scores,
        ["choose_box(model"],
    ),
    "classify": (
        lambda clip, lvlm: api.classify("demo", [PICTURE], LABELS).scores,
        lambda clip, lvlm: api.classify([PICTURE], LABELS, "demo").scores,
        ["classify(model, image, labels) is classify(image, labels, model) now"],
    ),
    "foveal_features": (
        lambda clip, lvlm: api.foveal_features(clip, PICTURE, torch.full((1, *clip.tower.grid), 0.1)),
        lambda clip, lvlm: api.foveal_features(PICTURE, torch.full((1, *clip.tower.grid), 0.1), clip),
        ["foveal_features(model, image, masks) is foveal_features(image, masks, model) now"],
    ),
    "annotate": (
        lambda clip, lvlm: api.annotate(images=PICTURE, queries=RING).heatmap,
        lambda clip, lvlm: api.annotate(image=PICTURE, query=RING).heatmap,
        ["annotate(images=...) is annotate(image=...) now", "annotate(queries=...) is annotate(query=...) now"],
    ),
    "annotate's list": (
        lambda clip, lvlm: [(found := api.annotate(PICTURE, RING, clip))[0], found[-1], len(found)][1].heatmap,
        lambda clip, lvlm: api.annotate(PICTURE, [RING], clip)[0].heatmap,
        ["annotate gives one result for one image and one query, no list: take the result itself"] * 3,
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_old_call_warns_and_gives_the_same(name: str, clip: Any, lvlm: Any) -> None:
    old, new, said = CALLS[name]
    with pytest.warns(DeprecationWarning) as caught:
        before = old(clip, lvlm)
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == len(said) and all(part in text for part, text in zip(said, texts, strict=True)), texts
    assert all(text.endswith("(it goes with version 0.4)") for text in texts)
    assert {warning.filename for warning in caught} == {__file__}  # the line that has to change
    after = new(clip, lvlm)  # warnings are errors
    assert torch.equal(before, after) if isinstance(after, torch.Tensor) else before == after


def test_a_new_call_with_names_is_never_taken_for_an_old_one(tmp_path: Path) -> None:
    """The first argument is a file, or the second can be no image."""

    @formerly("model", "image", "query")
    def asked(image: object, query: object, model: object = "demo") -> tuple[object, ...]:
        return image, query, model

    folder = tmp_path / "model"
    folder.mkdir()
    for args in (
        (str(PICTURE), "What?", "demo"),
        (str(PICTURE), str(PICTURE), "demo"),
        (PICTURE, str(PICTURE)),
        ("gone.png", "What?", "demo"),
        ("gone.png", [(1, 2, 3, 4)]),
        ("gone.png", torch.zeros(2, 4)),
        ("gone.png", np.zeros((2, 4))),
        (["gone.png"], ["What?"]),
        (b"bytes", str(PICTURE)),
        (torch.zeros(4, 4, 3), str(PICTURE)),
        (None, "What?", "demo"),
        ("What?", str(PICTURE)),
        ("What colour is it?", str(PICTURE), "demo"),
        ("mine", None),
    ):
        assert asked(*args)[: len(args)] == args
    for args in ((str(folder), str(PICTURE), "What?"), ("demo", b"bytes", "What?"), ("demo", [PICTURE], "What?")):
        with pytest.warns(DeprecationWarning):
            assert asked(*args) == (args[1], args[2], args[0])


def test_a_question_before_the_image_is_no_model(lvlm: Any) -> None:
    """No order ever was that, so nothing is said of one; the argument that is wrong is named."""
    for call in (
        lambda: api.ask(ASKED, PICTURE, lvlm),
        lambda: api.ask("colour", PICTURE, model=lvlm),
        lambda: api.ask("colour", PICTURE, lvlm),
        lambda: api.ask("colour", PICTURE),
        lambda: api.classify("a star", PICTURE),
        lambda: api.clip_attribution(RING, PICTURE),
    ):
        with pytest.raises(api_graph.BadInput, match=r"^(query|labels): a text"):
            call()


def test_an_endpoint_before_the_image_is_the_model() -> None:
    @formerly("model", "image", "query")
    def asked(image: object, query: object, model: object) -> tuple[object, ...]:
        return image, query, model

    endpoint = Endpoint(profile=None, model="m")  # type: ignore[arg-type]  # never looked into
    with pytest.warns(DeprecationWarning):
        assert asked(endpoint, "gone.png", "What?") == ("gone.png", "What?", endpoint)


def test_one_thing_under_two_names_is_refused() -> None:
    with pytest.raises(TypeError, match="got both 'images' and 'image', which are one thing"):
        api.ask(images=PICTURE, image=PICTURE, query=ASKED)
    with pytest.raises(TypeError, match="multiple values for argument 'query'"), pytest.warns(DeprecationWarning):
        api.ask("demo", PICTURE, ASKED, query=ASKED)
    with pytest.raises(TypeError, match="unexpected keyword argument 'pictures'"):
        api.ask(PICTURE, pictures=PICTURE, query=ASKED)

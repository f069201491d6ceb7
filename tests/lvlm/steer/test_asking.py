"""`ask` and `lvlm_attribution` with a fovea: presets, warnings, refusals; and the demo model does as it is told."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import api_graph
from api_graph.demo.questions import asked_scenes
from api_graph.demo.scenes import Scene, SceneObject, scene
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.lvlm import Request, Sampling, ask_all, generate
from api_graph.lvlm.remote import Endpoint
from api_graph.lvlm.steer import PRESETS, Steering, steer_preset, warn_if_repeating
from api_graph.models.layers import layer_list
from tests.lvlm.asked import picture, tiny

SEEDS = range(31_000_000, 31_010_000)  # met by no other trial


@pytest.fixture(scope="module")
def demo() -> api_graph.LvlmModel:
    return api_graph.load_lvlm("demo", "cpu")


def ambiguous(count: int) -> list[tuple[Scene, SceneObject]]:
    """Scenes of two objects of one shape in two colours, once for each object."""
    found: list[tuple[Scene, SceneObject]] = []
    for seed in SEEDS:
        one = scene(seed, (2, 2))
        first, second = one.objects
        if first.shape == second.shape and first.colour != second.colour:
            found += [(one, first), (one, second)]
        if len(found) >= count:
            break
    return found


def share_right(model: Any, requests: list[Request], truths: list[str]) -> float:
    parts = [requests[first : first + 20] for first in range(0, len(requests), 20)]
    answers = [answer for part in parts for answer in generate(model, part, Sampling(6))]
    return sum(answer.text.lower() == truth for answer, truth in zip(answers, truths, strict=True)) / len(truths)


def test_the_demo_model_names_the_object_that_the_fovea_lies_on(demo: api_graph.LvlmModel) -> None:
    pairs = ambiguous(100)
    questions = [f"What colour is the {target.shape}?" for _, target in pairs]
    truths = [target.colour for _, target in pairs]
    plain = [Request(text, (one.image,)) for text, (one, _) in zip(questions, pairs, strict=True)]
    pointed = [
        Request(text, (one.image,), "", Steering.of([target.box]))
        for text, (one, target) in zip(questions, pairs, strict=True)
    ]
    assert 0.4 <= share_right(demo, plain, truths) <= 0.6
    assert share_right(demo, pointed, truths) >= 0.98


def test_a_clear_question_is_answered_no_worse_with_the_fovea_on_its_object(demo: api_graph.LvlmModel) -> None:
    asked = asked_scenes(SEEDS, "colour", 60, targeted=True)
    truths = [one.question.answer for one in asked]
    plain = [Request(one.question.text, (one.scene.image,)) for one in asked]
    pointed = [
        Request(one.question.text, (one.scene.image,), "", Steering.of([one.question.target.box]))  # pyright: ignore
        for one in asked
    ]
    assert share_right(demo, pointed, truths) >= share_right(demo, plain, truths)


def test_ask_takes_boxes_masks_maps_and_lists_of_them(demo: api_graph.LvlmModel) -> None:
    one, target = ambiguous(1)[0]
    other = next(each for each in one.objects if each is not target)
    question = f"What colour is the {target.shape}?"
    mask = torch.from_numpy(target.mask).float()
    cells = torch.nn.functional.adaptive_max_pool2d(mask[None, None], 10)[0]
    area = api_graph.lvlm_attribution(one.image, question, demo, max_tokens=2).geometry
    from api_graph.sockets import Attribution

    for fovea in ([target.box], mask, mask.numpy(), Attribution(cells, (area,)), [mask], [[target.box], None][:1]):
        assert api_graph.ask(one.image, question, demo, fovea=fovea, max_tokens=4).text == target.colour
    assert api_graph.ask(one.image, question, demo, fovea=[other.box], max_tokens=4).text == other.colour
    steering = api_graph.Steering.of([target.box], mode="boost", layers=[2], strength=8)
    assert api_graph.ask(one.image, question, demo, fovea=steering, max_tokens=4).text == target.colour


def test_the_map_of_a_steered_model_lies_on_the_fovea(demo: api_graph.LvlmModel) -> None:
    one, target = ambiguous(1)[0]
    left, top = (side // 16 for side in target.box[:2])
    right, bottom = (-(-side // 16) for side in target.box[2:])
    shares = []
    ways: list[dict[str, Any]] = [
        {},
        {"fovea": [target.box]},
        {"fovea": [target.box], "strength": 9.0, "mode": "boost"},
    ]
    for settings in ways:
        found = api_graph.lvlm_attribution(one.image, "What is it?", demo, steps="first", **settings)
        shares.append(float(found.map[top:bottom, left:right].sum() / found.map.sum()))
    assert shares[0] < shares[1] and shares[0] < shares[2]
    assert shares[1] > 0.99


# ------------------------------------------------------------------------ presets


def settings_of(name: Any) -> dict[str, Any]:
    return dict(steer_preset(name))


def test_presets_have_the_values_of_their_papers() -> None:
    pai, highlighter, var, smooth, gaze = map(
        settings_of, ("PAI", "Prompt Highlighter", "VAR", "AdaptVis smooth", "Gaze Heads")
    )
    assert pai | {"mode": "proportional", "strength": 0.2, "rows": "last"} == pai
    assert layer_list(pai["layers"], 32) == list(range(2, 32))
    assert highlighter["strength"] == pytest.approx(math.log(5))
    assert var["strength"] == 0.6 and var["rows"] == "after_image"
    assert layer_list(var["layers"], 32) == list(range(2, 31))
    assert smooth["strength"] == 0.5 and smooth["rows"] == "first"
    assert gaze["strength"] == 1e4 and gaze["rows"] == "decode"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_all_of_the_settings(name: Any) -> None:
    settings = settings_of(name)
    assert set(settings) == {"mode", "strength", "layers", "heads", "rows"}
    assert Steering.of("image", **settings).mode == settings["mode"]


def test_presets_are_taken_by_ask(demo: api_graph.LvlmModel) -> None:
    for name in PRESETS:
        if name != "Gaze Heads":
            api_graph.ask(picture(), "What colour?", demo, fovea="image", max_tokens=2, **api_graph.steer_preset(name))
    heads = {2: [0, 1]}
    settings = api_graph.steer_preset("Gaze Heads") | {"heads": heads}
    api_graph.ask(picture(), "What colour?", demo, fovea=[[0, 0, 60, 60]], max_tokens=2, **settings)  # pyright: ignore


def test_a_preset_of_no_method() -> None:
    with pytest.raises(BadInput, match=r"name: there is no such preset \(got 'pai'\). Use one of .*PAI"):
        settings_of("pai")


# ------------------------------------------------------------- warnings, refusals


@pytest.mark.parametrize("strength", [20, 50, -20])
def test_a_strength_that_breaks_answers_is_warned_of(strength: float, demo: api_graph.LvlmModel) -> None:
    with pytest.warns(ApiGraphWarning, match=f"a strength of {strength} on all heads of all layers can break"):
        api_graph.ask(picture(), "What colour?", demo, fovea=[[0, 0, 60, 60]], strength=strength, max_tokens=2)


@pytest.mark.parametrize(
    "settings",
    [
        {"strength": 19.9},
        {"strength": 50, "layers": [2]},
        {"strength": 50, "heads": [0]},
        {"mode": "redistribute"},
    ],
)
def test_other_strengths_are_not(settings: dict[str, Any], demo: api_graph.LvlmModel) -> None:
    api_graph.ask(picture(), "What colour?", demo, fovea=[[0, 0, 60, 60]], max_tokens=2, **settings)


def test_a_broken_answer_is_warned_of() -> None:
    with pytest.warns(ApiGraphWarning, match="repeats one token 8 times in a row"):
        warn_if_repeating([1, 1, 2, *[7] * 8, 1])
    warn_if_repeating([*[7] * 7, 1, *[7] * 7])
    warn_if_repeating([])


def test_a_broken_answer_of_a_steered_model_is_warned_of() -> None:
    model = tiny("llava")
    from tests.lvlm.families import FAMILIES

    module, processor = FAMILIES["llava"]()
    stuck = api_graph.LvlmModel.from_transformers(module, processor)
    with torch.no_grad():
        module.lm_head.weight.zero_()  # every token is as likely: the first of them always wins
    with pytest.warns(ApiGraphWarning, match="repeats one token 9 times"):
        api_graph.ask(picture(), "What?", stuck, fovea="image", mode="boost", max_tokens=9)
    api_graph.ask(picture(), "What?", stuck, max_tokens=9)
    assert model is not stuck


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strength": 3.0}, "strength: there is no fovea to steer to"),
        ({"mode": "boost"}, "mode: there is no fovea to steer to"),
        ({"layers": [1]}, "layers: there is no fovea to steer to"),
        ({"fovea": "everything"}, "fovea: this is no fovea"),
        ({"fovea": Steering.of("image"), "strength": 2.0}, "strength: the Steering .* has settings of its own"),
        ({"fovea": Steering.of("image"), "schedule": [(1, "image")]}, "schedule: the Steering .* of its own"),
        ({"fovea": ["image", "image"]}, r"fovea: there are more foveas \(2\) than pictures \(1\)"),
        ({"fovea": [[500, 500, 600, 600]]}, "lies outside the image of 120×80"),
        ({"fovea": "image", "schedule": 3}, "schedule: a schedule is a list of pairs"),
        ({"fovea": "image", "schedule": [("1", "image")]}, "schedule: a schedule is a list of pairs"),
        ({"fovea": "image", "schedule": [(1, 2.5)]}, "fovea: this is no fovea"),
        ({"fovea": "image", "mode": 3}, "mode: 'boost' or .* is needed"),
        ({"fovea": "image", "strength": "5"}, "strength: a number is needed"),
    ],
)
def test_what_cannot_be_steered(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        api_graph.ask(picture(), "What colour?", tiny("llava"), max_tokens=2, **arguments)


def test_a_family_whose_tokens_are_not_known_is_refused_with_the_reason() -> None:
    model = tiny("llava")
    before = model.config.model_type
    type(model.config).model_type = "unknown"
    try:
        with pytest.raises(BadInput, match="it is not known where this family's image tokens lie"):
            api_graph.ask(picture(), "What colour?", model, fovea="image")
    finally:
        type(model.config).model_type = before


def test_endpoints_refuse_a_fovea_and_answer_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent for the steered ones: there is no server."""
    file = tmp_path / "endpoints.toml"
    file.write_text('[mine]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["m"]\nretries = 0\n')
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(file))
    endpoint = Endpoint.open("mine")
    requests = [Request("What?", (picture(),), "", Steering.of("image")), Request("What?")]
    steered, plain = ask_all(endpoint, requests, Sampling(2))
    assert isinstance(steered, BadInput) and "only a local one lets in" in str(steered)
    assert isinstance(plain, Exception) and not isinstance(plain, BadInput)
    with pytest.raises(BadInput, match="fovea: mine is an endpoint, and a fovea changes the attention inside a model"):
        api_graph.ask(picture(), "What colour?", "mine", fovea="image")

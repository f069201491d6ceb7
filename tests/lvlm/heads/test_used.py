"""A profile where it is used: steering and maps by its heads, the control of other heads, and another model's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import api_graph
from api_graph.errors import BadInput
from api_graph.lvlm import Request, attribute, lvlm_attribution
from api_graph.lvlm.decoder import attention_modules
from api_graph.lvlm.heads.profile import other_heads
from api_graph.lvlm.steer import Steering, steer_preset
from api_graph.lvlm.steer.apply import settings_key
from tests.lvlm.asked import picture, tiny, two_requests
from tests.lvlm.heads.made import profile_of

BOX = [[20, 10, 60, 40]]


def maps(**settings: Any) -> torch.Tensor:
    model = tiny("llava")
    found = lvlm_attribution(picture(), "What colour is it?", model, answer="a red one", layers="all", **settings)
    return found.step_maps


@pytest.mark.parametrize("mode", ["boost_suppress", "scale"])
def test_its_heads_are_steered(mode: Any) -> None:
    """As {layer: heads} would be; the five first of four a layer are all of layer 0 and one of layer 1."""
    profile = profile_of(tiny("llava"), count=5)
    assert profile.heads == {0: (0, 1, 2, 3), 1: (0,)}
    steered = maps(fovea=Steering.of(BOX, mode=mode, heads=profile))
    assert torch.equal(steered, maps(fovea=Steering.of(BOX, mode=mode, heads={0: [0, 1, 2, 3], 1: [0]})))
    assert not torch.equal(steered, maps(fovea=Steering.of(BOX, mode=mode)))
    only = Steering.of(BOX, mode=mode, heads=profile, layers="from 1")
    assert torch.equal(maps(fovea=only), maps(fovea=Steering.of(BOX, mode=mode, layers=[1], heads=[0])))


def test_ask_takes_it_and_presets_too() -> None:
    model = tiny("llava")
    profile = profile_of(model, count=2)
    settings = {**steer_preset("Gaze Heads"), "heads": profile}
    found = api_graph.ask(picture(), "What colour?", model, fovea=BOX, max_tokens=4, **settings)
    expected = api_graph.ask(
        picture(), "What colour?", model, fovea=BOX, max_tokens=4, **{**settings, "heads": {0: [0, 1]}}
    )
    assert found.text == expected.text


def test_its_heads_make_a_map() -> None:
    """The mean of the chosen heads, each counting alike: three of layer 0 and one of layer 2."""
    model = tiny("llava")
    asked = two_requests()
    chosen = {0: (0, 1, 3), 2: (2,)}
    found = attribute(model, asked, heads=chosen, answers=["a red one", "there"])
    for i, one in enumerate(found):
        parts = [
            attribute(model, asked, layers=layer, heads=[head], answers=["a red one", "there"])[i].step_maps
            for layer, heads in chosen.items()
            for head in heads
        ]
        assert torch.allclose(one.step_maps, torch.stack(parts).mean(0), atol=1e-6)
        assert one.layers == (0, 2)
    profile = profile_of(model, count=5)
    own = attribute(model, asked, heads=profile, answers=["a red one", "there"])
    same = attribute(model, asked, heads={0: (0, 1, 2, 3), 1: (0,)}, answers=["a red one", "there"])
    assert all(torch.equal(a.step_maps, b.step_maps) for a, b in zip(own, same, strict=True))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"heads": {0: [1]}, "layers": "last 2"}, "layers: the heads that are chosen lie in layers of their own"),
        ({"heads": {0: []}}, "heads: no head is chosen"),
        ({"heads": {0: [1], -3: [2]}}, "heads: a layer is named twice"),
        ({"heads": {0: [4]}}, "heads: the heads are 0 to 3"),
        ({"heads": {7: [0]}}, "layers: the decoder's layers are 0 to 2"),
        ({"heads": {0: [1]}, "method": "activation"}, "heads: activation maps read no attention"),
    ],
)
def test_heads_that_make_no_map(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        lvlm_attribution(picture(), "What?", tiny("llava"), answer="red", **settings)


def test_other_heads_are_the_control() -> None:
    """Of numbers and of a profile; in the place of the chosen ones, as many, in any layer."""
    model = tiny("llava")
    everything = dict.fromkeys(attention_modules(model.module), (0, 1, 2, 3))
    for heads, chosen in [("0, 3", dict.fromkeys(range(3), (0, 3))), (profile_of(model, count=2), {0: (0, 1)})]:
        for seed in range(5):
            control = Steering.of(BOX, heads=heads, other_heads=seed)
            assert control.where(model.module) == other_heads(chosen, everything, seed)
    drawn = other_heads({0: (0, 1)}, everything, 3)
    steering = Steering.of(BOX, heads=profile_of(model, count=2), other_heads=3)
    assert torch.equal(maps(fovea=steering), maps(fovea=Steering.of(BOX, heads=drawn)))
    with pytest.raises(BadInput, match="heads: 12 heads are chosen, and there are 0 others to draw from"):
        Steering.of(BOX, other_heads=0).where(model.module)


def test_rows_with_different_heads_go_into_batches_of_their_own() -> None:
    model = tiny("llava")
    two, three = (profile_of(model, count=count) for count in (2, 3))
    keys = [
        settings_key(model, Steering.of(BOX, heads=one))
        for one in (two, three, {0: [0, 1]}, profile_of(model, count=2))
    ]
    assert keys[0] == keys[2] == keys[3] != keys[1]


def test_another_models_profile_is_refused_wherever_it_is_used() -> None:
    model, foreign = tiny("llava"), profile_of(tiny("qwen2_vl"))
    said = "heads: the profile is of tiny qwen2_vl .*, and this is tiny llava"
    with pytest.raises(BadInput, match=said):
        api_graph.ask(picture(), "What?", model, fovea=BOX, heads=foreign)
    with pytest.raises(BadInput, match=said):
        attribute(model, [Request("What?", (picture(),))], heads=foreign)
    with pytest.raises(BadInput, match=said):
        maps(fovea=Steering.of(BOX, heads=foreign))

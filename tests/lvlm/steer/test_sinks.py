"""Attention sinks give a share of their weight to the other image tokens (VAR), by hand and in a whole model."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from api_graph.lvlm import LvlmModel, Request, Sampling, attribute
from api_graph.lvlm.capture import capture
from api_graph.lvlm.decoder import decoder_of
from api_graph.lvlm.generation import generate_ids
from api_graph.lvlm.prompt import arguments_of, build_prompt
from api_graph.lvlm.steer import SinkRule, Steering, steered
from api_graph.lvlm.steer.sinks import normalized, redistributed, sink_dims
from tests.lvlm.asked import tiny, two_requests
from tests.lvlm.families import FAMILIES
from tests.lvlm.steer.by_hand import layouts_of

RULE = SinkRule()


def given_away(row: list[float], share: list[float], sinks: list[int], kept: float = 0.6, **rule: Any) -> list[float]:
    """Of a row of five keys: text, three image tokens, text."""
    image = torch.tensor([False, True, True, True, False])
    flags = torch.zeros(5, dtype=torch.bool)
    flags[sinks] = True
    new = redistributed(torch.tensor(row), torch.tensor(share), image, flags, kept, SinkRule(**rule))
    return new.tolist()


def test_a_row_by_hand() -> None:
    """The sink has .1 of the image's .5, keeps .06, and .04 goes to .3 and .1 as 3 to 1; the text stays."""
    new = given_away([0.2, 0.1, 0.3, 0.1, 0.3], [0, 1, 1, 1, 0], [1])
    assert new == pytest.approx([0.2, 0.06, 0.33, 0.11, 0.3])


def test_the_fovea_says_who_gets_it() -> None:
    new = given_away([0.2, 0.1, 0.3, 0.1, 0.3], [0, 0, 0, 1, 0], [1])
    assert new == pytest.approx([0.2, 0.06, 0.3, 0.14, 0.3])


@pytest.mark.parametrize(
    "given",
    [
        {"row": [0.5, 0.1, 0.05, 0.04, 0.31], "sinks": [1]},  # the image has .19, less than .2
        {"row": [0.2, 0.3, 0.1, 0.1, 0.3], "sinks": [1]},  # the sinks have .6 of the image, more than half
        {"row": [0.2, 0.1, 0.3, 0.1, 0.3], "sinks": []},
        {"row": [0.2, 0.1, 0.3, 0.1, 0.3], "sinks": [1], "share": [0, 1, 0, 0, 0]},  # nobody takes it
        {"row": [0.2, 0.1, 0.3, 0.1, 0.3], "sinks": [1], "share": [0, 0, 0, 0, 0]},
        {"row": [0.2, 0.1, 0.3, 0.1, 0.3], "sinks": [1], "kept": 1.0},
    ],
)
def test_rows_that_stay(given: dict[str, Any]) -> None:
    assert given_away(**{"share": [0, 1, 1, 1, 0], **given}) == pytest.approx(given["row"])


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "paligemma", "gemma3"])
def test_a_whole_model(family: str) -> None:
    """The rows of the first steered layer are the plain ones, redistributed by the sinks of the layer's own input."""
    model = tiny(family)
    prompt = build_prompt(model, two_requests())
    layouts, length = layouts_of(model, prompt), prompt.length
    columns = [images[0].columns for images in layouts]
    inputs: list[torch.Tensor] = []
    layer = decoder_of(model.module).layers[1]
    handle = layer.register_forward_pre_hook(
        lambda _, given, named: inputs.append(given[0] if given else named["hidden_states"]), with_kwargs=True
    )
    every = [torch.arange(length)] * 2
    with capture(model, [1], every) as plain:
        model.module(**arguments_of(model, prompt.tensors))
    handle.remove()
    image = torch.zeros(2, length, dtype=torch.bool)
    for i, own in enumerate(columns):
        image[i, own] = True
    hidden = inputs[0] / (inputs[0].square().mean(-1, keepdim=True) + 1e-6).sqrt()
    sizes = hidden[..., [3, 11]].abs().amax(-1)
    threshold = float(sizes[image].quantile(0.7))
    sinks = (sizes > threshold) & image
    assert 0 < sinks.sum() < image.sum()
    rule = SinkRule(dims=(3, 11), threshold=threshold, most_share=0.9, least_mass=0.01)
    steering = Steering.of("image", mode="redistribute", strength=0.25, layers=[1], sinks=rule)
    with steered(model, layouts, [steering] * 2, length), capture(model, [1], every) as kept:
        model.module(**arguments_of(model, prompt.tensors))
    before, after = plain.rows(1)[:, :, 0], kept.rows(1)[:, :, 0]  # (B, H, K)
    for i in range(2):
        for row, new in zip(before[i], after[i], strict=True):
            of_image, of_sinks = row[image[i]].sum(), row[sinks[i]].sum()
            others = image[i] & ~sinks[i]
            expected = row.clone()
            if of_image >= 0.01 and of_sinks <= 0.9 * of_image:
                expected[sinks[i]] *= 0.25
                expected[others] += 0.75 * of_sinks * row[others] / row[others].sum()
            assert (new - expected).abs().max() <= 1e-5
    assert (after - before).abs().max() > 1e-3


def test_sinks_are_those_of_the_prompt_while_it_is_answered() -> None:
    """Each generated token's row gives the sinks' weight away, padded or alone."""
    model, emptied = tiny("qwen3_vl"), False
    for threshold in (1.5, 1.7, 1.9, 2.1):  # of random weights nobody knows which tokens are large
        rule = SinkRule(dims=(0, 1, 2, 3), threshold=threshold, most_share=1.0, least_mass=0.0)
        steering = Steering.of("image", mode="redistribute", strength=0, sinks=rule)
        requests = [Request(one.question, one.images, one.system, steering) for one in two_requests()]
        alone = [attribute(model, [one], max_new_tokens=4)[0] for one in requests]
        for found, expected in zip(attribute(model, requests, max_new_tokens=4), alone, strict=True):
            assert found.tokens == expected.tokens
            assert (found.step_maps - expected.step_maps).abs().max() <= 1e-5
        emptied |= any(bool((one.step_maps == 0).any(-1).all()) for one in alone)  # strength 0: sinks keep nothing
    assert emptied


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "gemma3"])
def test_planted_sink_dims_are_found(family: str) -> None:
    """Two dims that every layer writes large are the model's."""
    module, processor = FAMILIES[family]()
    model = LvlmModel.from_transformers(module, processor)
    with torch.no_grad():
        decoder: Any = decoder_of(module)
        for layer in decoder.layers:
            layer.mlp.down_proj.weight[[5, 40]] *= 60
    assert sink_dims(model) == (5, 40)
    prompt = build_prompt(model, two_requests())
    steering = Steering.of("image", mode="redistribute", strength=0)  # finds them by itself
    with steered(model, layouts_of(model, prompt), [steering] * 2, prompt.length):
        generate_ids(model, prompt.tensors, Sampling(2))


def test_normalized_by_hand() -> None:
    assert torch.allclose(normalized(torch.tensor([3.0, 4.0, 0.0, 0.0])), torch.tensor([1.2, 1.6, 0, 0]))

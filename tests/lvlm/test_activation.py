"""Token activation maps: the formulas by hand, and on tiny models against a plain computation from their logits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.lvlm import LvlmModel, attribute, lvlm_attribution
from api_graph.lvlm.activation import rank_gaussian, scaled_jointly, without_interference
from api_graph.lvlm.prompt import arguments_of, build_prompt
from tests.lvlm.asked import picture, tiny, two_requests
from tests.lvlm.families import FAMILIES


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None]


def test_interference_by_hand() -> None:
    """Two earlier tokens, weights 3 : 1, so I = (2, 4, 0); s = (2·2 + 4·4) / (4 + 16) = 1."""
    others = torch.tensor([[2.0, 2.0], [4.0, 4.0], [0.0, 0.0]])
    found = without_interference(column(2, 4, 5), others, column(3, 1))
    assert found.flatten().tolist() == [0, 0, 5]
    # s = 2·1 / 4 = 1/2 of I = (2, 0, 0), as the second of them counts nothing.
    found = without_interference(column(1, 1, 1), torch.tensor([[2.0, 9.0], [0.0, 9.0], [0.0, 9.0]]), column(7, 0))
    assert found.flatten().tolist() == [0, 1, 1]


def test_without_earlier_text_nothing_is_taken_off() -> None:
    assert torch.equal(without_interference(column(1, 2), torch.ones(2, 3), torch.zeros(3, 1)), column(1, 2))
    assert torch.equal(without_interference(column(1, 2), torch.ones(2, 0), torch.zeros(0, 1)), column(1, 2))


def test_a_token_that_its_text_explains_is_faint() -> None:
    maps, every = column(0, 2), torch.ones(2, 1, dtype=torch.bool)
    assert scaled_jointly(maps, column(0, 8), every).flatten().tolist() == [0, 0.25]
    assert scaled_jointly(maps, column(0, 8), ~every).flatten().tolist() == [0, 1]
    assert scaled_jointly(column(3, 3), column(3, 3), every).flatten().tolist() == [0, 0]


def test_rank_gaussian_by_hand() -> None:
    calm = torch.full((1, 3, 4), 0.5)
    assert torch.allclose(rank_gaussian(calm), calm)
    assert torch.equal(rank_gaussian(torch.zeros(1, 3, 3)), torch.zeros(1, 3, 3))
    # The window of the middle of 3 × 3: the values themselves; mean 8, σ = √(924 / 9) / 8.
    ranked = [1.0, 2, 3, 4, 5, 6, 7, 8, 36]
    sigma = (924 / 9) ** 0.5 / 8
    weights = [2.718281828 ** (-((rank - 4) ** 2) / (2 * sigma**2)) for rank in range(9)]
    expected = sum(w * value for w, value in zip(weights, ranked, strict=True)) / sum(weights)
    assert float(rank_gaussian(torch.tensor([ranked]).view(1, 3, 3))[0, 1, 1]) == pytest.approx(expected, rel=1e-5)
    # A corner's window is mirrored: 5 4 5 / 2 1 2 / 5 4 5, whose median is 4.
    assert 3.5 < float(rank_gaussian(torch.arange(1.0, 10.0).view(1, 3, 3))[0, 0, 0]) < 4.5


def test_an_outlier_is_weighed_as_a_rank() -> None:
    """Nine in a row: a lone peak spreads the weights, yet adds little to its neighbours."""
    values = torch.ones(1, 5, 5)
    values[0, 2, 2] = 2.0
    assert float(rank_gaussian(values)[0, 2, 2]) == pytest.approx(1.0, abs=1e-3)


@given(st.floats(0.1, 50), st.integers(1, 4), st.integers(1, 4))
def test_the_filter_does_not_depend_on_the_scale_nor_leave_the_range(factor: float, height: int, width: int) -> None:
    values = torch.rand(2, height, width, generator=torch.Generator().manual_seed(height * 10 + width)) + 0.1
    found = rank_gaussian(values)
    assert torch.allclose(rank_gaussian(factor * values), factor * found, rtol=1e-4)
    assert found.min() >= values.min() - 1e-6 and found.max() <= values.max() + 1e-6


def plain_maps(model: LvlmModel, answer: list[int]) -> torch.Tensor:
    """The maps (M, N) before the filter, from the logits of one forward over prompt and answer."""
    prompt = build_prompt(model, two_requests()[:1])
    inputs = dict(arguments_of(model, prompt.tensors))
    ids = torch.cat([prompt.input_ids, torch.tensor([answer[:-1]])], dim=1)
    for name, value in {"input_ids": ids, "attention_mask": torch.ones_like(ids)}.items():
        inputs[name] = value
    for name in ("token_type_ids", "mm_token_type_ids"):
        if name in inputs:
            inputs[name] = torch.nn.functional.pad(inputs[name], (0, len(answer) - 1))
    with torch.no_grad():
        module: Any = model.module
        logits = module(**inputs).logits[0].clamp(min=0)
    from api_graph.lvlm.layout import token_layouts

    columns = token_layouts(model.config, model.processor, prompt.tensors, prompt.sizes)[0][0].columns.tolist()
    text = [p for p in range(columns[-1] + 1, ids.shape[1]) if int(ids[0, p]) != model.config.image_token_id]
    rows = []
    for m, token in enumerate(answer):
        own = torch.stack([logits[p, token] for p in columns])
        interference, total = torch.zeros(len(columns)), 0.0
        for p in text:
            if p < prompt.length + m and not same(model, int(ids[0, p]), token):
                weight = float(logits[p, token])
                total += weight
                interference += weight * torch.stack([logits[q, ids[0, p]] for q in columns])
        interference = interference / total if total else interference
        power = float(interference @ interference)
        scale = float(own @ interference) / power if power else 0.0
        left = (own - scale * interference).clamp(min=0)
        earlier = [float(logits[p, token]) for p in text if p < prompt.length + m]
        low, high = min([*left.tolist(), *earlier]), max([*left.tolist(), *earlier])
        rows.append((left - low) / (high - low or 1.0))
    return torch.stack(rows)


def same(model: LvlmModel, one: int, other: int) -> bool:
    assert model.tokenizer is not None
    words = [model.tokenizer.decode([i]).strip().lower() or i for i in (one, other)]
    return words[0] == words[1]


@pytest.mark.parametrize("family", ["llava", "llava_next", "qwen3_5", "internvl", "mistral3"])
def test_maps_are_those_of_the_models_own_logits(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The filter is left out: it is tested by hand above."""
    monkeypatch.setattr("api_graph.lvlm.activation.rank_gaussian", lambda maps: maps)
    model = tiny(family)
    answer = [*(ord(letter) + 5 for letter in "red, 1 Deer"), 2]
    found = attribute(model, two_requests()[:1], answers=[answer], method="activation")[0]
    expected = plain_maps(model, answer)
    assert found.step_maps.shape == expected.shape and found.layers == ()
    assert (found.step_maps - expected).abs().max() <= 1e-4 * expected.max()


@pytest.mark.parametrize("family", FAMILIES)
def test_generated_and_read_answers_and_batches_agree(family: str) -> None:
    model, requests = tiny(family), two_requests()
    alone = [attribute(model, [one], max_new_tokens=4, method="activation")[0] for one in requests]
    answers = [alone[0].tokens[:2], alone[1].tokens]
    for found, expected in zip(attribute(model, requests, answers=answers, method="activation"), alone, strict=True):
        steps = len(found.tokens)
        assert found.step_maps.min() >= 0 and found.step_maps.max() <= 1
        # Ranks may change places by a last bit: the filter is no smooth function.
        assert (found.step_maps - expected.step_maps[:steps]).abs().max() <= 0.02
    together = attribute(model, requests, max_new_tokens=4, method="activation")
    assert [one.tokens for one in together] == [one.tokens for one in alone]


def test_the_words_have_activation_maps_too() -> None:
    found = lvlm_attribution(picture(), "What?", tiny("llava"), answer="a red car", method="activation")
    assert [word.text for word in found.words] == ["a", "red", "car"]
    assert torch.allclose(found.words[1].map.flatten(), found.step_maps[2:5].mean(0))
    assert torch.allclose(found.map.flatten(), found.step_maps.mean(0))


def test_the_activation_is_that_of_the_steered_model() -> None:
    model, box = tiny("llava"), [[0, 0, 60, 40]]
    given: dict[str, Any] = {"answer": "red", "method": "activation"}
    plain, steered, again = (
        lvlm_attribution(picture(), "What?", model, fovea=fovea, **given) for fovea in (None, box, None)
    )
    assert not torch.allclose(steered.step_maps, plain.step_maps)
    assert torch.equal(again.step_maps, plain.step_maps)


def test_nothing_is_left_in_the_model() -> None:
    model = tiny("llava")
    hooks = [len(part._forward_hooks) for part in model.module.modules()]
    with pytest.raises(BadInput, match="steps"):
        lvlm_attribution(picture(), "What?", model, max_tokens=2, method="activation", steps="no such words")
    assert [len(part._forward_hooks) for part in model.module.modules()] == hooks


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"method": "tam"}, "method: there is no such method"),
        ({"layers": 1}, "layers: activation maps read no attention"),
        ({"heads": [0]}, "heads: activation maps read no attention"),
        ({"normalize": "image_only"}, "normalize: activation maps read no attention"),
    ],
)
def test_refusals(more: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        lvlm_attribution(picture(), "What?", tiny("llava"), **{"method": "activation", **more})

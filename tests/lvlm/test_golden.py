"""Parity with the official code's recorded LLaVA run (golden README: LLaVA part)."""

from __future__ import annotations

import pytest
import torch

from api_graph.geometry import Geometry
from api_graph.lvlm import lvlm_attribution
from api_graph.pixels.reference import mask_to_u8, revise_mask
from tests.lvlm.golden_llava import golden_inputs, golden_model, maps

END_OF_EARLY = 30


@pytest.mark.parametrize(("variant", "end"), [("full", None), ("early", END_OF_EARLY)])
def test_tokens_and_step_maps(variant: str, end: int | None) -> None:
    found = lvlm_attribution(model=golden_model(end), **golden_inputs(), layers=2, normalize="image_only")
    expected = maps()[f"wide_{variant}_step_maps"]
    assert found.tokens == maps()[f"wide_{variant}_generated"].tolist()
    assert found.steps == list(range(len(found.tokens)))
    assert (found.step_maps - expected).abs().max() <= 1e-5 * expected.max()
    raw = maps()[f"wide_{variant}_mask_raw"]
    assert (found.map - raw).abs().max() <= 1e-5 * raw.max()
    assert (found.answer, found.layers, found.geometry) == ("", (2,), Geometry.whole(336, 336))


def test_full_softmax_is_that_of_the_recorded_scores() -> None:
    """Equation 8's rows from the official hook's scores: softmax over all keys, then the image's columns."""
    found = lvlm_attribution(model=golden_model(), **golden_inputs(), layers=2, normalize="full")
    scores = maps()["wide_full_logits_last_query"]  # (M, H, K), NaN where there is no key
    start, stop = maps()["wide_full_image_range"].tolist()
    weights = scores.nan_to_num(float("-inf")).softmax(-1)
    expected = weights[:, :, start:stop].mean(1)
    assert (found.step_maps - expected).abs().max() <= 1e-5 * expected.max()


def test_a_given_answer_gives_the_same_maps() -> None:
    model, inputs = golden_model(), golden_inputs()
    found = lvlm_attribution(
        model=model, **inputs, layers=2, normalize="image_only", answer=maps()["wide_full_generated"].tolist()
    )
    expected = maps()["wide_full_step_maps"]
    assert (found.step_maps - expected).abs().max() <= 1e-5 * expected.max()


@pytest.mark.parametrize(("kernel", "contrast"), [(3, 5), (1, 10), (7, 1)])
def test_masks(kernel: int, contrast: int) -> None:
    found = lvlm_attribution(model=golden_model(), **golden_inputs(), layers=2, normalize="image_only")
    mask = revise_mask(found.map[None], kernel, contrast)
    assert (mask[0] - maps()[f"wide_full_k{kernel}_e{contrast}_mask"]).abs().max() <= 1e-5
    levels = mask_to_u8(mask)[0].int() - maps()[f"wide_full_k{kernel}_e{contrast}_mask_u8"].int()
    assert levels.abs().max() <= 1


def test_one_head_of_the_recorded_scores() -> None:
    found = lvlm_attribution(
        model=golden_model(), **golden_inputs(), layers=2, normalize="image_only", heads=[1], steps="first"
    )
    start, stop = maps()["wide_full_image_range"].tolist()
    expected = maps()["wide_full_logits_last_query"][:1, 1, start:stop].softmax(-1)
    assert torch.allclose(found.step_maps, expected, atol=1e-5 * float(expected.max()), rtol=0)

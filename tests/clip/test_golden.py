"""Parity with the official code's recorded outputs (golden/README.md says how they were made)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image

from api_graph.clip.decompose import encode_image
from api_graph.clip.maps import clip_attribution, psi_cls, psi_comp
from api_graph.clip.text import encode_text


def close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    """Within `tolerance` of the expected values' range."""
    worst = (actual - expected).abs().max() / (expected.max() - expected.min())
    assert worst <= tolerance, f"off by {worst:.2e} of the range"


def sources(golden: dict[str, Any]) -> list[Image.Image]:
    return [Image.fromarray(golden[f"src_image_{i}"].numpy()) for i in range(golden["config"]["batch"])]


def test_features(golden: dict[str, Any]) -> None:
    tokens = encode_image(golden["model"], pixel_values=golden["pixel_values"])
    close(tokens.features, golden["image_features"], 1e-5)
    close(encode_text(golden["model"], token_ids=golden["token_ids"]), golden["text_features"], 1e-5)


def test_preprocessing_gives_the_same_pixels(golden: dict[str, Any]) -> None:
    pixels = torch.stack([golden["model"].transform(image) for image in sources(golden)])
    assert torch.equal(pixels, golden["pixel_values"])


@pytest.mark.parametrize("from_end", [1, 2, 3])
def test_raw_maps_of_every_layer(golden: dict[str, Any], from_end: int) -> None:
    layer = golden["config"]["open_clip_model_cfg"]["vision_cfg"]["layers"] - from_end
    model, text = golden["model"], encode_text(golden["model"], token_ids=golden["token_ids"])
    tokens = encode_image(model, pixel_values=golden["pixel_values"], recipe="reference", layer=-from_end)
    close(psi_cls(tokens, text), golden[f"L{layer}_cls_map"], 1e-5)
    # The official code keeps the similarity, and takes its complement while it normalises.
    close(psi_comp(tokens, text), 1 - golden[f"L{layer}_token_map"], 1e-5)


def test_masks(golden: dict[str, Any]) -> None:
    for layer in golden["layer_indices"].tolist():
        for kernel, contrast in golden["config"]["combos_kernel_enhance"]:
            found = clip_attribution(
                sources(golden),
                model=golden["model"],
                token_ids=golden["token_ids"],
                recipe="reference",
                layer=layer,
                kernel_size=kernel,
                contrast=contrast,
            )
            expected = golden[f"L{layer}_k{kernel}_e{contrast}_mask"]
            assert (found.combined - expected).abs().max() <= 1e-5

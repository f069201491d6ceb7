"""The demo CLIP under foveal masks: it says which object it is pointed at, at a fraction of the cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import normalize
from torch.utils.flop_counter import FlopCounterMode

import api_graph
from api_graph.clip import encode_text
from api_graph.clip.tower import ClsTower
from api_graph.demo.queries import plain_query
from api_graph.demo.scenes import Scene, scene
from tests.clip.small_models import pixels_for, random_clip
from tests.clip.test_foveal import some_masks

SCENES = 40


def scenes() -> list[tuple[Scene, int]]:
    """Scenes, each with an object that its colour and shape alone describe."""
    found: list[tuple[Scene, int]] = []
    for seed in range(20_000_000, 20_000_000 + 2 * SCENES):
        picture = scene(seed)
        unique = picture.unique_objects()
        if unique:
            found.append((picture, picture.objects.index(unique[seed % len(unique)])))
    return found[:SCENES]


@pytest.mark.parametrize(("alpha", "least", "most"), [(0.2, 0.9, 1.0), (0.0, 0.0, 0.5)])
def test_the_described_object_is_the_one_under_the_mask(alpha: float, least: float, most: float) -> None:
    """Without a bias the boxes tie, and the first is taken."""
    model = api_graph.load_clip("demo", device="cpu")
    pictures, targets = zip(*scenes(), strict=True)
    size, grid = pictures[0].image.size, model.tower.grid
    masks = [
        torch.stack([api_graph.foveal_mask(o.box, size, grid, alpha=alpha) for o in picture.objects])
        for picture in pictures
    ]
    features = normalize(api_graph.foveal_features([p.image for p in pictures], masks, model), dim=-1)
    described = [picture.objects[target] for picture, target in zip(pictures, targets, strict=True)]
    text = normalize(encode_text(model, [plain_query(o.colour, o.shape) for o in described]), dim=-1)
    parts = features.split([len(m) for m in masks])
    chosen = [int((part * t).sum(-1).argmax()) for part, t in zip(parts, text, strict=True)]
    right = sum(index == target for index, target in zip(chosen, targets, strict=True)) / SCENES
    assert least <= right <= most
    if alpha == 0:
        assert set(chosen) == {0}


def flops(run: Callable[[], object]) -> int:
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def test_twenty_masks_cost_less_than_half_of_twenty_passes() -> None:
    """12 layers, the last four of them biased: (8 + 4·20) of 240 block passes, and less in two of the four."""
    model = random_clip(layers=12)
    pixels, masks = pixels_for(model, 1), some_masks(20)
    tower = model.tower
    assert isinstance(tower, ClsTower)
    attention = torch.nn.functional.scaled_dot_product_attention
    whole = 20 * flops(lambda: tower.run(pixels, lambda _, q, k, v: attention(q, k, v), range(12)))
    assert flops(lambda: api_graph.foveal_features(model=model, masks=masks, pixel_values=pixels)) <= 0.3 * whole

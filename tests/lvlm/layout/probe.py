"""Which pixels each image token really saw, found out from the model itself and not from any geometry.

A probed model's image tokens depend on nothing but the brightness of their own pixels: its patch embedding weighs all
pixels alike, its positions are all the same, and its vision attention adds nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from api_graph.lvlm.layout import TokenLayout

_ATTENDED = ("out_proj", "o_proj", "attn.proj", "projection_layer")  # what vision towers call attention's last layer
_DARK, _BRIGHT = 210, 220  # so little apart that a token's answer is proportional to the brightness it sees

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in source pixels."""


@torch.no_grad()
def blind(model: nn.Module) -> nn.Module:
    """Leave a model's vision tower nothing but the brightness of each token's own pixels."""
    for name, module in vision_tower(model).named_modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            # Channels differ: were each grey patch a multiple of one vector, an RMSNorm would hide how bright it is.
            pixel = module.weight.flatten(2)[:, :, :1]  # (out, in, 1)
            module.weight.copy_(pixel.view(*pixel.shape[:2], *[1] * (module.weight.ndim - 2)))
            if module.bias is not None:  # with none at all, a LayerNorm after it would hide the brightness
                module.bias.copy_(module.weight.flatten(1).sum(1).roll(1))
        elif isinstance(module, nn.Embedding):
            module.weight.copy_(module.weight[:1].expand_as(module.weight))
        elif isinstance(module, nn.Linear) and name.endswith(_ATTENDED):
            module.weight.zero_()
            if module.bias is not None:
                module.bias.zero_()
    for name, weight in vision_tower(model).named_parameters():
        if name.endswith("position_embeddings"):  # InternVL's are no nn.Embedding
            weight.copy_(weight[:, :1].expand_as(weight))
    return model


def vision_tower(model: Any) -> nn.Module:
    parts = dict(model.model.named_children())
    return parts.get("visual") or parts.get("vision_model") or parts["vision_tower"]


def language_model(model: Any) -> nn.Module:
    parts = dict(model.model.named_children())
    return parts.get("language_model") or parts["text_model"]


@torch.no_grad()
def brightness(model: Any, inputs: Any, columns: Sequence[Tensor]) -> list[Tensor]:
    """How each of `columns` [i] of prompt i answers, from dark (0) to bright (1).

    The batch's first prompt shows dark images, its second bright ones; answers are (n,) per further prompt.
    """
    seen: list[Tensor] = []

    def keep(_: nn.Module, __: Any, kwargs: dict[str, Any]) -> None:
        seen.append(kwargs["inputs_embeds"])

    hook = language_model(model).register_forward_pre_hook(keep, with_kwargs=True)
    model(**{name: value for name, value in inputs.items() if name != "labels"})
    hook.remove()
    dark, bright, *others = (embeds[own] for embeds, own in zip(seen[0], columns, strict=True))  # (n, d)
    scale = (bright - dark) / (bright - dark).square().sum(-1, keepdim=True)
    return [((one - dark) * scale).sum(-1) for one in others]


def dark(size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size, (_DARK,) * 3)


def bright(size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size, (_BRIGHT,) * 3)


def boxed(size: tuple[int, int], box: Box) -> Image.Image:
    """A dark picture with a bright box."""
    picture = dark(size)
    picture.paste((_BRIGHT,) * 3, box)
    return picture


def some_boxes(size: tuple[int, int], count: int) -> list[Box]:
    """Boxes all over an image, a fifth to a third of its sides each."""
    dice, (width, height) = random.Random(f"{size}"), size
    boxes = []
    for _ in range(count):
        w, h = dice.randint(width // 5, width // 3), dice.randint(height // 5, height // 3)
        x, y = dice.randint(0, width - w), dice.randint(0, height - h)
        boxes.append((x, y, x + w, y + h))
    return boxes


def covered(layout: TokenLayout, box: Box) -> Tensor:
    """Which share of each token's rectangle the box covers, by `layout`; (N,) in the order of `layout.columns`.

    Only what lies inside the image counts: the rest is padding, which is not bright in either picture; a token that
    saw nothing else is NaN.
    """
    shares = torch.zeros(int(layout.columns.max()) + 1, dtype=torch.float64)
    for view in layout.views:
        xs, ys = view.area.cell_edges(view.grid)
        lit = _overlap(ys, box[1], box[3])[:, None] * _overlap(xs, box[0], box[2])
        inside = _overlap(ys, 0, layout.size[1])[:, None] * _overlap(xs, 0, layout.size[0])  # (gh, gw)
        shares[view.columns] = (lit / inside).flatten()
    return shares[layout.columns]


def _overlap(edges: list[float], low: float, high: float) -> Tensor:
    cells = torch.tensor(edges, dtype=torch.float64)
    return (cells[1:].clamp(max=high) - cells[:-1].clamp(min=low)).clamp(min=0)

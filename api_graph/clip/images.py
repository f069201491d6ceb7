"""Images on their way into a CLIP: pixel values, and which part of each image they show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.pixels.read import as_pictures

if TYPE_CHECKING:
    from api_graph.clip.model import ClipModel

Images = Any
"""One image or a list of them: PIL images, paths, or float tensors (H, W, 3) or (B, H, W, 3) in [0, 1]."""


def model_input(
    model: ClipModel, images: Images | None, pixel_values: Tensor | None
) -> tuple[Tensor, tuple[Geometry, ...]]:
    """(B, 3, h, w) on the model's device and in its dtype, and each image's geometry, from whichever is
    given.

    `pixel_values` are taken as they are; their geometry is the model's whole input.
    """
    if (images is None) == (pixel_values is None):
        raise BadInput("give either images or pixel_values", input="images")
    if pixel_values is None:
        pixels, geometry = preprocess_images(model, images)
    else:
        pixels, geometry = _checked(model, pixel_values)
    return pixels.to(device=model.device, dtype=model.dtype), geometry


def preprocess_images(model: ClipModel, images: Images) -> tuple[Tensor, tuple[Geometry, ...]]:
    """Run the model's own preprocessing: float32 (B, 3, h, w) on the CPU, and what it saw of each image."""
    if model.transform is None:
        raise BadInput(
            "this model has no preprocessing",
            input="images",
            hint="Give pixel_values, or wrap the model with a preprocess.",
        )
    pictures = as_pictures(images)
    geometry = tuple(model.preprocess.geometry(*p.size) for p in pictures)
    return torch.stack([model.transform(p) for p in pictures]), geometry


def _checked(model: ClipModel, pixel_values: Tensor) -> tuple[Tensor, tuple[Geometry, ...]]:
    height, width = model.preprocess.size
    if tuple(pixel_values.shape[1:]) != (3, height, width) or not pixel_values.is_floating_point():
        raise BadInput(
            f"{model.name} needs floats of shape (B, 3, {height}, {width}), not {tuple(pixel_values.shape)}",
            input="pixel_values",
        )
    return pixel_values, (Geometry.whole(width, height),) * len(pixel_values)

"""A SAM as it travels along a wire, and one image inside it: encoded once, then asked with points or boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A SAM in evaluation mode, with frozen weights, and the processor that prepares images and prompts for it."""

    socket: ClassVar[str] = "AP_SEGMENTER"

    model: nn.Module
    processor: Any
    name: str

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """What the vision tower made of an image; `sizes` are what the processor needs to bring masks back to it."""

    segmenter: Segmenter
    embeddings: Tensor | list[Tensor]
    sizes: Mapping[str, Tensor]

    @classmethod
    def of(
        cls, segmenter: Segmenter, picture: Image.Image, **prompts: object
    ) -> tuple[EncodedImage, dict[str, Tensor]]:
        """The image, and `prompts` in the model's own coordinates, on its device."""
        inputs: dict[str, Tensor] = dict(segmenter.processor(images=[picture], return_tensors="pt", **prompts))
        pixels = inputs.pop("pixel_values").to(device=segmenter.device, dtype=segmenter.dtype)
        sizes = {name: inputs.pop(name) for name in ("original_sizes", "reshaped_input_sizes") if name in inputs}
        embeddings = segmenter.model.get_image_embeddings(pixels)  # type: ignore[operator]
        placed = {
            # Coordinates in the model's precision, labels as they are.
            name: prompt.to(segmenter.device, segmenter.dtype if prompt.is_floating_point() else prompt.dtype)
            for name, prompt in inputs.items()
        }
        return cls(segmenter, embeddings, sizes), placed

    def predict(self, prompts: Mapping[str, Tensor], *, several: bool) -> tuple[Tensor, Tensor]:
        """Low-resolution logits (P, M, h, w) and predicted IoUs (P, M), float32, for P prompts; M is 3 or 1."""
        found = self.segmenter.model(image_embeddings=self.embeddings, multimask_output=several, **prompts)
        return found.pred_masks[0].float(), found.iou_scores[0].float()

    def full_size(self, logits: Tensor) -> Tensor:
        """(N, h, w) logits in the pixels of the image, (N, H, W)."""
        restore = self.segmenter.processor.image_processor.post_process_masks
        return restore([logits[:, None]], **self.sizes, binarize=False)[0][:, 0]  # (N, 1, H, W) -> (N, H, W)

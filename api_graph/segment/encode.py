"""One image inside a SAM: encoded once, then asked with any number of points or boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from api_graph.segment.load import Segmenter


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """What the vision tower made of an image; `sizes` are what the processor needs to bring masks back to it."""

    segmenter: Segmenter
    embeddings: Any
    sizes: dict[str, Any]

    @classmethod
    def of(cls, segmenter: Segmenter, picture: Image.Image, **prompts: Any) -> tuple[EncodedImage, dict[str, Tensor]]:
        """The image, and `prompts` in the model's own coordinates, on its device."""
        inputs = dict(segmenter.processor(images=[picture], return_tensors="pt", **prompts))
        pixels = inputs.pop("pixel_values").to(device=segmenter.device, dtype=segmenter.dtype)
        sizes = {name: inputs.pop(name) for name in ("original_sizes", "reshaped_input_sizes") if name in inputs}
        embeddings = segmenter.model.get_image_embeddings(pixels)  # type: ignore[operator]
        return cls(segmenter, embeddings, sizes), {name: _on(segmenter, x) for name, x in inputs.items()}

    def predict(self, prompts: dict[str, Tensor], *, several: bool) -> tuple[Tensor, Tensor]:
        """Low-resolution logits (P, M, h, w) and predicted IoUs (P, M), float32, for P prompts; M is 3 or 1."""
        found = self.segmenter.model(image_embeddings=self.embeddings, multimask_output=several, **prompts)
        return found.pred_masks[0].float(), found.iou_scores[0].float()

    def full_size(self, logits: Tensor) -> Tensor:
        """(N, h, w) logits in the pixels of the image, (N, H, W)."""
        restore = self.segmenter.processor.image_processor.post_process_masks
        return restore([logits[:, None]], **self.sizes, binarize=False)[0][:, 0]  # (N, 1, H, W) -> (N, H, W)


def _on(segmenter: Segmenter, prompt: Tensor) -> Tensor:
    """Coordinates in the model's precision, labels as they are."""
    return prompt.to(segmenter.device, segmenter.dtype if torch.is_floating_point(prompt) else prompt.dtype)

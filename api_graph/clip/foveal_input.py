"""What goes into a foveal pass: images, clean images, and masks as rows of bias, each with its image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from api_graph.clip.images import Images, model_input
from api_graph.clip.model import ClipModel
from api_graph.errors import BadInput, inputs_named

Masks = Tensor | Sequence[Tensor]
"""(B, gh, gw) for one image; for n images (n, gh, gw), or a list of n such tensors of any length."""


@dataclass(frozen=True, eq=False)
class FovealInput:
    """n images and B masks. `pixels` (n, 3, h, w) and `clean`, None or (1 or n, 3, h, w), lie on the model's device.

    `bias` (B, gh·gw), float32, is None where no mask has anything in it; `owner` (B,) is each mask's image, in
    ascending order. Both lie on the CPU. `masked` says whether masks were given at all.
    """

    pixels: Tensor
    clean: Tensor | None
    bias: Tensor | None
    owner: Tensor
    masked: bool

    @classmethod
    def of(
        cls,
        model: ClipModel,
        image: Images | None,
        pixel_values: Tensor | None,
        masks: Masks | None,
        clean: Images | None,
        clean_pixel_values: Tensor | None,
    ) -> FovealInput:
        """From the arguments of `foveal_features`. Raises BadInput where they do not fit together or the model."""
        with inputs_named(images="image"):
            pixels, _ = model_input(model, image, pixel_values)
        clean_pixels = None
        if clean is not None or clean_pixel_values is not None:
            with inputs_named(images="clean", pixel_values="clean_pixel_values"):
                clean_pixels, _ = model_input(model, clean, clean_pixel_values)
            _check_clean(len(clean_pixels), len(pixels))
        bias, owner = mask_rows(masks, len(pixels), model.tower.grid)
        return cls(pixels, clean_pixels, bias, owner, masks is not None)

    def rows(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """Owner and bias of some masks, on the model's device."""
        device = self.pixels.device
        return self.owner[rows].to(device), None if self.bias is None else self.bias[rows].to(device)

    def need_prompt(self, input: str) -> None:
        """Raise BadInput where there is neither a mask nor a clean image to compare with."""
        if not self.masked and self.clean is None:
            hint = "Give masks, or the clean image of which the given ones are drawn copies."
            raise BadInput("there is no prompt that heads could react to", input=input, hint=hint)


def _check_clean(clean: int, images: int) -> None:
    if clean not in (1, images):
        hint = "Give one for all, or one for each."
        raise BadInput(f"{clean} clean images do not go with {images} drawn ones", input="clean", hint=hint)


def mask_rows(masks: Masks | None, images: int, grid: tuple[int, int]) -> tuple[Tensor | None, Tensor]:
    """The bias (B, gh·gw), float32 on the CPU, or None where there is none, and each mask's image (B,)."""
    if masks is None:
        return None, torch.arange(images)
    if isinstance(masks, Tensor):
        checked = _checked(masks, grid)
        if images == 1:
            owner = torch.zeros(len(checked), dtype=torch.long)
        elif len(checked) in (1, images):
            checked, owner = checked.expand(images, -1, -1), torch.arange(images)
        else:
            hint = "Give one each, or a list with one tensor of masks per image."
            raise BadInput(f"{len(checked)} masks do not go with {images} images", input="masks", hint=hint)
    else:
        if len(masks) != images:
            raise BadInput(f"there are masks for {len(masks)} images, not {images}", input="masks")
        several = [_checked(part, grid) for part in masks]
        owner = torch.arange(images).repeat_interleave(torch.tensor([len(part) for part in several]))
        checked = torch.cat(several)
    bias = checked.flatten(1)  # (B, gh·gw)
    return (bias if bool(bias.any()) else None), owner


def _checked(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    masks = masks.detach().float().cpu()
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3 or tuple(masks.shape[1:]) != tuple(grid) or not len(masks):
        raise BadInput(
            f"the model has {grid[0]}×{grid[1]} patches, so masks need the shape (B, {grid[0]}, {grid[1]})",
            input="masks",
            value=tuple(masks.shape),
            hint="Make them for this model's grid.",
        )
    if not bool(masks.isfinite().all()):
        raise BadInput("a mask holds NaN or infinite values", input="masks", hint="Look at the step that made it.")
    return masks

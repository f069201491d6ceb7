"""The two rows of each request that is decoded by contrast, in one left-padded batch: it, and its other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.lvlm.contrast import Contrast, noised
from api_graph.lvlm.layout import Size
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.prompt import Prompt, build_prompt, padded, padding_id
from api_graph.lvlm.protocols import ModelInputs
from api_graph.lvlm.request import Request
from api_graph.lvlm.steer import Steering

_NEED_IMAGES = ("paligemma",)
"""Families whose processor takes no text without an image."""


def contrast_prompt(
    model: LvlmModel, requests: Sequence[Request], contrast: Contrast
) -> tuple[Prompt, list[Steering | None]]:
    """The prompts of the requests (B, S) and then of their others, (2B, S), and the steering of each of the 2B.

    Raises BadInput for a request without what it is contrasted with: a fovea, or an image.
    """
    for request in requests:
        _check_request(request, contrast)
    steerings = [request.steering for request in requests]
    own = build_prompt(model, requests)
    if contrast.against == "no_image":
        sizes: list[list[Size]] = [*own.sizes, *[[] for _ in requests]]
        tensors = _stacked(model, own.tensors, _of_text(model, requests, own))
        return Prompt(tensors, sizes), [*steerings, *[None] * len(requests)]
    tensors = {name: _twice(value) for name, value in own.tensors.items()}
    if contrast.against == "noised_image":
        pixels = _pixels(own, model)
        tensors["pixel_values"] = torch.cat([pixels, _noised_each(model, requests, pixels, contrast)])
    return Prompt(tensors, own.sizes * 2), [*steerings, *(_other(steering, contrast) for steering in steerings)]


def _check_request(request: Request, contrast: Contrast) -> None:
    if contrast.against in ("no_image", "noised_image"):
        if not request.images:
            problem, hint = "the request shows no image, which its contrast changes", "Link or give an image."
            raise BadInput(problem, input="contrast", value=contrast.against, hint=hint)
    elif request.steering is None or not request.steering.points:
        problem = "there is no fovea, which this contrast takes away"
        hint = "Point the model at a place, or contrast with no_image or noised_image."
        raise BadInput(problem, input="contrast", value=contrast.against, hint=hint)


def _other(steering: Steering | None, contrast: Contrast) -> Steering | None:
    """The steering of a request's other."""
    if steering is None or contrast.against == "no_fovea":
        return None
    return steering.complement() if contrast.against == "complement" else steering


def _twice(value: object) -> Tensor:
    """All prompts again after all prompts: every tensor has prompts, images or patches of images in its first dim."""
    return torch.cat([value, value]) if isinstance(value, Tensor) else value + value  # pyright: ignore


# ------------------------------------------------------------------------- noise


def _noised_each(model: LvlmModel, requests: Sequence[Request], pixels: Tensor, contrast: Contrast) -> Tensor:
    """`pixels` of the requests with noise in them: for each what it would have alone, whatever goes with it."""
    if len(requests) == 1:
        return noised(pixels, contrast)
    found, start = pixels.clone(), 0
    for request in requests:
        own = noised(_pixels(build_prompt(model, [request]), model), contrast)
        # In a batch, images of fewer tiles and smaller ones are filled up at their ends.
        found[(slice(start, start + len(own)), *map(slice, own.shape[1:]))] = own
        start += len(own)
    return found


def _pixels(prompt: Prompt, model: LvlmModel) -> Tensor:
    if "pixel_values" in prompt.tensors:
        return prompt.tensors["pixel_values"]
    raise BadInput(
        f"it is not known where {model.name} gets its pixels, so there is no noise for them",
        input="contrast",
        value="noised_image",
        hint="Use no_image.",
    )


# -------------------------------------------------------------------- text alone


def _of_text(model: LvlmModel, requests: Sequence[Request], own: Prompt) -> ModelInputs:
    """The requests' text without their images, (B, S')."""
    if model.model_type not in _NEED_IMAGES:
        try:
            return build_prompt(model, [replace(request, images=()) for request in requests]).tensors
        except BadInput as error:
            problem = f"{model.name} does not take the text without its image: {error.problem}"
            raise BadInput(problem, input="contrast", value="no_image", hint="Use noised_image.") from error
    shown = own.input_ids == model.config.image_token_id  # its prompts have nothing around the image's tokens
    tokens = {name: value for name, value in own.tensors.items() if value.shape == shown.shape}
    rows = [{name: value[i][~shown[i]][None] for name, value in tokens.items()} for i in range(len(shown))]
    found = rows[0]
    for row in rows[1:]:
        found = _stacked(model, found, row)
    return found


def _stacked(model: LvlmModel, first: ModelInputs, second: ModelInputs) -> ModelInputs:
    """Two batches as one, the shorter prompts padded on the left; what belongs to images is the first one's."""
    batches = first, second
    length = max(batch["input_ids"].shape[1] for batch in batches)
    names = [name for batch in batches for name, value in batch.items() if _is_of_tokens(value, batch)]
    stacked = {
        name: torch.cat([padded(name, batch, length, padding_id(model)) for batch in batches])
        for name in dict.fromkeys([*names, "attention_mask"])
    }
    return {**first, **stacked}


def _is_of_tokens(value: object, batch: ModelInputs) -> bool:
    return isinstance(value, Tensor) and value.shape == batch["input_ids"].shape

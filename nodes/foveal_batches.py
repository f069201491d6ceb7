"""The batched forms of the foveal nodes, and what they ask of their inputs."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from api_graph import clip
from api_graph.clip import ClipModel, ImageFeatures
from api_graph.errors import BadInput, inputs_named
from api_graph.models.layers import whole_numbers
from api_graph.sockets import Attribution

from .batches import Call, alike


def foveal_features(calls: Sequence[Call]) -> list[ImageFeatures]:
    """`Foveal features`, for images of any sizes."""
    results: dict[int, ImageFeatures] = {}
    for group in alike(calls, "model", "layers", "form", "unleash", "unleash_layers", "heads", "order"):
        one = calls[group[0]]
        masks = [masks_per_image(one["model"], calls[i]["image"], calls[i]["fovea"]) for i in group]
        with inputs_named(masks="fovea"):
            features = clip.foveal_features(
                one["model"],
                [calls[i]["image"] for i in group],
                [part for parts in masks for part in parts],
                layers=one["layers"],
                form=one["form"],
                unleash=one["unleash"],
                unleash_layers=one["unleash_layers"] or None,
                heads=heads_of(one["heads"]),
                order=one["order"],
            )
        counts = [sum(len(part) for part in parts) for parts in masks]
        results |= zip(group, split_features(features, counts), strict=True)
    return [results[i] for i in range(len(calls))]


def image_features(calls: Sequence[Call]) -> list[ImageFeatures]:
    """`Image features`, for images of any sizes."""
    results: dict[int, ImageFeatures] = {}
    for group in alike(calls, "model"):
        features = clip.foveal_features(calls[group[0]]["model"], [calls[i]["image"] for i in group])
        counts = [len(calls[i]["image"]) for i in group]
        results |= zip(group, split_features(features, counts), strict=True)
    return [results[i] for i in range(len(calls))]


def masks_per_image(model: ClipModel, image: Tensor, fovea: Attribution) -> list[Tensor]:
    """The masks of each image, (B_i, gh, gw): all of them for a single image, else one for each."""
    size = (image.shape[2], image.shape[1])
    for geometry in fovea.geometry:
        check_size((geometry.width, geometry.height), size, "fovea")
    if any(geometry != model.preprocess.geometry(*size) for geometry in fovea.geometry):
        raise BadInput(
            "it was made for a model that sees another part of the image",
            input="fovea",
            hint="Make it with this model; an attribution can be its attribution input.",
        )
    values = fovea.values
    if len(image) == 1:
        return [values]
    if len(values) not in (1, len(image)):
        hint = "Give one for all, or one for each."
        raise BadInput(f"{len(values)} masks do not go with {len(image)} images", input="fovea", hint=hint)
    return [*values.expand(len(image), -1, -1).unsqueeze(1)]


def check_size(own: tuple[int, int], image: tuple[int, int], input: str) -> None:
    """Raise BadInput for a region of an image of another size (width, height)."""
    if own != image:
        raise BadInput(
            f"it belongs to an image of {own[0]}×{own[1]} pixels, not {image[0]}×{image[1]}",
            input=input,
            hint="Use the image that it was made for.",
        )


def heads_of(text: str) -> list[int] | None:
    """The heads that a text names; None where it is empty, for all."""
    return whole_numbers(text, "heads") if text.strip() else None


def split_features(features: Tensor, counts: Sequence[int]) -> list[ImageFeatures]:
    """Features of `counts` rows each; copies, so that none keeps the whole batch in memory."""
    return [ImageFeatures(part.clone()) for part in features.split(list(counts))]

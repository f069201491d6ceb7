"""Image features of pictures, with boxes shown in them by a prompt method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import torch
from torch import Tensor

from api_graph.clip.foveal import foveal_features
from api_graph.clip.foveal_masks import CellRule, FovealKernel, Join, box_masks
from api_graph.clip.foveal_pass import Form
from api_graph.clip.load import loaded_clip
from api_graph.clip.model import ClipModel, model_input
from api_graph.errors import BadInput
from api_graph.geometry import ResizeMode
from api_graph.models.layers import Layers
from api_graph.pixels.given import Images, as_pictures
from api_graph.pixels.read import to_tensor
from api_graph.tasks.prompt_methods import PromptMethod
from api_graph.tasks.replaced import replaced_features

SeeingMode = ResizeMode | Literal["model"]
"""squash: each side is scaled to fit, as FALIP's code does. shortest: the middle alone is seen. longest: all of it,
with bars. model: what the model's own preprocessing does, which may crop regions amethod."""

_AT_ONCE = 32


@dataclass(frozen=True)
class Fovea:
    """How a foveal mask is made and where it enters; the arguments of `foveal_mask` and `foveal_features`."""

    alpha: float = 0.2
    sigma: float = 100.0
    layers: Layers = "last 4"
    form: Form = "cls"
    unleash: float = 0.0
    cells: CellRule = "overlap"

    def masks(self, model: ClipModel, picture: Tensor, boxes: Tensor, join: Join = "each") -> Tensor:
        """Masks over the model's patches for boxes (N, 4) in a picture (1, H, W, 3); zeros where there is no box."""
        grid = model.tower.grid
        if not len(boxes):
            return torch.zeros(1, *grid)
        geometry = model.preprocess.geometry(picture.shape[2], picture.shape[1])
        return box_masks(boxes, geometry, grid, FovealKernel(self.alpha, self.sigma), cells=self.cells, join=join)


def box_features(
    model: ClipModel, picture: Tensor, boxes: Tensor, method: PromptMethod, fovea: Fovea | None = None
) -> Tensor:
    """One feature per box, float32 (B, E), not normalised: the picture (1, H, W, 3) with each of boxes (B, 4) shown."""
    fovea = fovea or Fovea()
    masks = fovea.masks(model, picture, boxes) if method.foveal else None
    features = _shown_features(model, method.pictures(picture, boxes), picture, masks, method, fovea)
    return features.expand(len(boxes), -1)


def region_features(
    model: ClipModel,
    pictures: Sequence[Tensor],
    boxes: Sequence[Tensor],
    method: PromptMethod,
    fovea: Fovea | None = None,
) -> Tensor:
    """One feature per picture, float32 (n, E), not normalised: all boxes (N, 4) of a picture are shown together.

    A picture without a box is shown as it is.
    """
    fovea = fovea or Fovea()
    pairs = list(zip(pictures, boxes, strict=True))
    shown = [method.pictures(p, b, together=True)[0] if len(b) else p for p, b in pairs]
    masks = torch.cat([fovea.masks(model, p, b, "max") for p, b in pairs]) if method.foveal else None
    return _shown_features(model, shown, list(pictures), masks, method, fovea)


def plain_features(model: ClipModel, images: Images | None = None, *, pixel_values: Tensor | None = None) -> Tensor:
    """The model's own image features, float32 (B, E), not normalised. Any model will do, one without patches too."""
    pixels, _ = model_input(model, images, pixel_values)
    encode = cast("Callable[..., Tensor]", model.module.encode_image)
    with torch.no_grad():
        return torch.cat([encode(some, normalize=False).float() for some in pixels.split(_AT_ONCE)])


def picture_of(image: Images) -> Tensor:
    """One image, whatever it comes as, as (1, H, W, 3); BadInput for several."""
    pictures = as_pictures(image)
    if len(pictures) != 1:
        raise BadInput("one image is needed", input="image", value=f"{len(pictures)} images")
    return to_tensor(pictures[0])[0]


def seeing(model: ClipModel, resize_mode: SeeingMode) -> ClipModel:
    """The same network, which brings images to its size as `resize_mode` says."""
    own = None if model.preprocess.measured is not None else model.preprocess.resize_mode
    if resize_mode in ("model", own):
        return model
    if resize_mode not in get_args(ResizeMode):
        hint = f"Use model, {', '.join(get_args(ResizeMode))}."
        raise BadInput("unknown resize mode", input="resize_mode", value=resize_mode, hint=hint)
    preprocess = replace(model.preprocess, resize_mode=resize_mode, measured=None)
    return replace(model, preprocess=preprocess, transform=preprocess.transform())


def as_models(
    model: ClipModel | str | Sequence[ClipModel | str], device: str | torch.device | None = None
) -> list[ClipModel]:
    """One model or several, each loaded onto `device` if it comes as a name."""
    models = [model] if isinstance(model, (ClipModel, str)) else list(model)
    if not models:
        raise BadInput("there is no model", input="model", hint='Give a loaded CLIP, or a name such as "demo".')
    return [loaded_clip(m, device) for m in models]


def _shown_features(
    model: ClipModel, shown: list[Tensor], clean: Images, masks: Tensor | None, method: PromptMethod, fovea: Fovea
) -> Tensor:
    """Features of what is shown; `clean` is the same without anything drawn, to which unleashed heads are compared."""
    if method.replaced is not None:
        return replaced_features(model, shown, clean, method.replaced, layers=fovea.layers)
    unleashed = fovea.unleash != 0 and (method.draw is not None or method.foveal)
    if masks is None and not unleashed:
        return plain_features(model, shown)
    return foveal_features(
        shown,
        masks,
        model,
        layers=fovea.layers,
        form=fovea.form,
        unleash=fovea.unleash,
        clean=clean if unleashed and method.draw is not None else None,
    )

"""A CLIP model as nodes hand it on: the network, how it wants its pixels, and its tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar, NamedTuple, TypeGuard, cast, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from api_graph.clip.adapters import WHAT_WORKS, open_clip_tower, timm_tower
from api_graph.clip.pooling import PooledTower
from api_graph.clip.probe import measured
from api_graph.clip.tower import ClsTower
from api_graph.errors import BadInput, inputs_named
from api_graph.geometry import Geometry, ResizeMode
from api_graph.models.device import sent
from api_graph.notebook import one_line
from api_graph.pixels.given import Images, as_pictures
from api_graph.pixels.read import to_pil

_OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
_OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Preprocess:
    """What happens to an image before the network sees it. `size` is (height, width) in pixels.

    `measured` tells the geometry of a transform that is none of open_clip's; the resize mode says nothing then. With
    `fast`, torch resizes the 8-bit picture in place of Pillow: values differ by a level here and there, rarely by two.
    """

    size: tuple[int, int]
    mean: tuple[float, ...] = _OPENAI_MEAN
    std: tuple[float, ...] = _OPENAI_STD
    interpolation: str = "bicubic"
    resize_mode: ResizeMode = "shortest"
    fill_color: int = 0
    measured: Callable[[int, int], Geometry] | None = None
    fast: bool = False

    @classmethod
    def of(cls, visual: nn.Module) -> Preprocess:
        """What open_clip attaches to a vision tower as `preprocess_cfg`; OpenAI's values without it."""
        given = dict(getattr(visual, "preprocess_cfg", None) or {})
        mode = given.get("resize_mode", "shortest")
        if mode not in get_args(ResizeMode):
            raise BadInput("unknown resize mode", input="resize_mode", value=mode)
        size = given.get("size", getattr(visual, "image_size", 224))
        height, width = (size, size) if isinstance(size, int) else size
        return cls(
            size=(int(height), int(width)),
            mean=tuple(given.get("mean", _OPENAI_MEAN)),
            std=tuple(given.get("std", _OPENAI_STD)),
            interpolation=given.get("interpolation", "bicubic"),
            resize_mode=mode,
            fill_color=given.get("fill_color", 0),
        )

    def geometry(self, width: int, height: int) -> Geometry:
        """Which part of a source image of this size the network sees."""
        if self.measured is not None:
            return self.measured(width, height)
        return Geometry.of_resize(width, height, self.size, self.resize_mode)

    def transform(self) -> Callable[[Image.Image], Tensor]:
        """open_clip's own evaluation transform for these facts: PIL image -> (3, h, w); `fast`, with torch's resize."""
        from open_clip.transform import PreprocessCfg, image_transform_v2

        cfg = PreprocessCfg(
            size=self.size,
            mean=self.mean,
            std=self.std,
            interpolation=self.interpolation,
            resize_mode=self.resize_mode,
            fill_color=self.fill_color,
        )
        steps = image_transform_v2(cfg, is_train=False)
        if self.fast:
            return partial(_by_torch, getattr(steps, "transforms", ()))
        return cast("Callable[[Image.Image], Tensor]", steps)


def _is_rgb8(images: object) -> TypeGuard[Tensor]:
    """Whether they are pictures as they travel over a table: uint8 (B, H, W, 3)."""
    return isinstance(images, Tensor) and images.dtype == torch.uint8 and images.ndim == 4 and images.shape[3] == 3


class _Sized(NamedTuple):
    """What open_clip asks of a picture."""

    size: tuple[int, int]


def _by_torch(steps: Sequence[Callable[[Tensor], Tensor]], picture: Image.Image | Tensor) -> Tensor:
    """What the `steps` of open_clip's transform make of a picture, with torch's antialiased resize on 8 bits.

    A tensor is uint8 (H, W, 3), as pictures travel over a table: it needs no copy.
    """
    from open_clip.transform import CenterCrop, CenterCropOrPad, Normalize, Resize, ResizeKeepRatio
    from torchvision.transforms.v2.functional import resize

    if not isinstance(picture, Tensor):
        picture = torch.from_numpy(np.array(picture if picture.mode == "RGB" else picture.convert("RGB")))
    pixels = picture.permute(2, 0, 1)  # (3, H, W)
    sized = _Sized((pixels.shape[2], pixels.shape[1]))
    for step in steps:
        if isinstance(step, Resize | ResizeKeepRatio):
            size = step.size if isinstance(step, Resize) else step.get_params(sized, step.size, step.longest)
            sides = [size] if isinstance(size, int) else [*size]
            pixels = resize(pixels, sides, interpolation=step.interpolation, antialias=True)
        elif isinstance(step, CenterCrop | CenterCropOrPad):
            pixels = step(pixels)
        elif isinstance(step, Normalize):
            pixels = step(pixels.contiguous().float().div_(255))
    return pixels


@dataclass(frozen=True, eq=False)
class ClipModel:
    """A CLIP in evaluation mode, with frozen weights. It keeps nothing of the images or texts it has seen.

    `transform` turns a PIL image into (3, h, w) and `tokenizer` a list of texts into ids (Q, context length);
    either may be None for a model that is only fed `pixel_values` or `token_ids`. The weights must not be
    changed afterwards: wrap the changed network anew.
    """

    socket: ClassVar[str] = "AP_CLIP"

    module: nn.Module
    preprocess: Preprocess
    transform: Callable[[Image.Image], Tensor] | None
    tokenizer: Callable[[Sequence[str]], Tensor] | None
    name: str

    @classmethod
    def from_open_clip(
        cls,
        model: nn.Module,
        preprocess: Callable[[Image.Image], Tensor] | None = None,
        tokenizer: Callable[[Sequence[str]], Tensor] | None = None,
        name: str = "custom",
    ) -> ClipModel:
        """Wrap a model made by `open_clip.create_model`; `preprocess` defaults to the transform its config describes.

        What a `preprocess` of your own shows the model is measured with probe images: a crop, a padding or a squash.
        Raises BadInput for what is no CLIP, and for a `preprocess` that is random, turns pictures, or the like.
        """
        visual = getattr(model, "visual", None)
        if visual is None or not hasattr(model, "encode_image"):
            raise BadInput(
                f"a {type(model).__name__} is no CLIP: it has no vision tower `visual`",
                input="model",
                hint="Pass a model made by open_clip.create_model.",
            )
        facts = Preprocess.of(visual)
        model.eval().requires_grad_(False)
        if preprocess is not None:
            found = measured(preprocess, facts.size)
            facts = replace(facts, resize_mode=found) if isinstance(found, str) else replace(facts, measured=found)
        return cls(model, facts, preprocess or facts.transform(), tokenizer, name)

    def with_fast_resize(self) -> ClipModel:
        """The same network, to whose size torch brings pictures. Raises BadInput for a preprocessing of your own."""
        if self.preprocess.measured is not None or self.transform is None:
            hint = "Use the model's own preprocessing."
            raise BadInput("this model's preprocessing is not open_clip's", input="resize", hint=hint)
        preprocess = replace(self.preprocess, fast=True)
        return replace(self, preprocess=preprocess, transform=preprocess.transform())

    def __repr__(self) -> str:
        return one_line(self, repr(self.name), f"{str(self.dtype).removeprefix('torch.')} on {self.device}")

    @property
    def visual(self) -> nn.Module:
        return self.module.get_submodule("visual")

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type the vision tower computes in: that of its first convolution."""
        return next(p.dtype for p in self.visual.parameters() if p.ndim == 4)

    @cached_property
    def tower(self) -> ClsTower | PooledTower:
        """The vision tower, laid open. Raises BadInput where the architecture cannot be decomposed."""
        visual = self.visual
        if hasattr(visual, "conv1") and hasattr(visual, "transformer"):
            return open_clip_tower(visual)
        if hasattr(visual, "trunk"):
            return timm_tower(visual)
        raise BadInput(f"a {type(visual).__name__} has no patch tokens to attribute to", input="model", hint=WHAT_WORKS)

    def forget(self) -> None:
        """Drop what was computed from the weights, such as folded matrices. It is computed again when needed.

        Call this after moving the weights to another device: what was computed from them stayed behind.
        """
        self.__dict__.pop("tower", None)


@dataclass(frozen=True, eq=False)
class PreparedImages:
    """Images that a model's own preprocessing has been through: `pixels` (B, 3, h, w), and each one's geometry."""

    pixels: Tensor
    geometry: tuple[Geometry, ...]

    @classmethod
    def of(cls, model: ClipModel, images: Images | PreparedImages) -> PreparedImages:
        """Those of `images`, which may have been prepared.

        Raises BadInput for a model without preprocessing, and for what is no image.
        """
        return images if isinstance(images, PreparedImages) else cls.of_batches(model, as_pictures(images), "images")

    @classmethod
    def of_batches(
        cls, model: ClipModel, images: Tensor | Sequence[Tensor | Image.Image] | PreparedImages, input: str = "image"
    ) -> PreparedImages:
        """Those of pictures, and of what nodes hand on: ComfyUI's IMAGE (B, H, W, 3), whose floats are clamped.

        Raises BadInput, which calls them `input`, for a model without preprocessing.
        """
        if isinstance(images, PreparedImages):
            return images
        if model.transform is None:
            hint = "Give pixel_values, or wrap the model with a preprocess."
            raise BadInput("this model has no preprocessing", input=input, hint=hint)
        pictures: list[Image.Image | Tensor] = []
        sizes: list[tuple[int, int]] = []
        with inputs_named(image=input):
            for one in [images] if isinstance(images, Tensor) else images:
                if model.preprocess.fast and _is_rgb8(one):
                    pictures += [*one]
                    sizes += [(one.shape[2], one.shape[1])] * len(one)
                    continue
                given = to_pil(one) if isinstance(one, Tensor) else [one]
                pictures += given
                sizes += [picture.size for picture in given]
        pixels = torch.stack([model.transform(cast("Image.Image", picture)) for picture in pictures])
        return cls(pixels, tuple(model.preprocess.geometry(*size) for size in sizes))

    @classmethod
    def joined(cls, several: Sequence[PreparedImages]) -> PreparedImages:
        """The images of all, one after the other."""
        pixels = torch.cat([one.pixels for one in several])
        return cls(pixels, tuple(geometry for one in several for geometry in one.geometry))

    def __len__(self) -> int:
        return len(self.geometry)


def model_input(
    model: ClipModel, images: Images | PreparedImages | None, pixel_values: Tensor | None = None
) -> tuple[Tensor, tuple[Geometry, ...]]:
    """(B, 3, h, w) on the model's device and in its dtype, and each image's geometry, from whichever is given.

    `images` have been prepared, or go through the model's own preprocessing; `pixel_values` (B, 3, h, w) are taken as
    they are, and their geometry is the model's whole input. Raises BadInput for both or neither, and for what does not
    fit the model.
    """
    if images is not None and pixel_values is None:
        prepared = PreparedImages.of(model, images)
        pixels, geometry = prepared.pixels, prepared.geometry
    elif pixel_values is not None and images is None:
        height, width = model.preprocess.size
        pixels, geometry = pixel_values, (Geometry.whole(width, height),) * len(pixel_values)
        if tuple(pixels.shape[1:]) != (3, height, width) or not pixels.is_floating_point():
            raise BadInput(
                f"{model.name} needs floats of shape (B, 3, {height}, {width}), not {tuple(pixels.shape)}",
                input="pixel_values",
            )
    else:
        raise BadInput("give either images or pixel_values", input="images")
    first = next(p for p in model.visual.parameters() if p.ndim == 4)  # the first convolution
    if first.device.type == "cuda" and pixels.device.type == "cpu":
        return sent(pixels, first.device, first.dtype), geometry
    return pixels.to(device=first.device, dtype=first.dtype), geometry

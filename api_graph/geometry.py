"""Which part of a source image a model really saw: resize, centre crop, pad or squash, traced back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ResizeMode = Literal["shortest", "longest", "squash"]

GeometryFields: TypeAlias = "tuple[int, int, float, float, float, float]"
"""The fields of a `Geometry` in their order, which is how one is stored."""


@dataclass(frozen=True)
class Geometry:
    """The rectangle of the source image, in source pixels, over which a model's patch grid is spread evenly.

    A centre crop sees a rectangle inside the image, padding one that reaches beyond it, squashing the image itself.
    `width` and `height` are the source's; (`left`, `top`, `right`, `bottom`) is the rectangle, as floats.
    """

    width: int
    height: int
    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def whole(cls, width: int, height: int) -> Geometry:
        """The model saw the whole image, each side scaled on its own ('squash')."""
        return cls(width, height, 0.0, 0.0, float(width), float(height))

    @classmethod
    def of_resize(cls, width: int, height: int, model_size: tuple[int, int], mode: ResizeMode) -> Geometry:
        """How open_clip's preprocessing sees an image of (`width`, `height`) at `model_size` = (height, width).

        `shortest`: scaled until the shorter side fits, then centre-cropped; `longest`: scaled until the longer side
        fits, then padded evenly; `squash`: both sides scaled to fit. Rounding follows torchvision.
        """
        if mode == "squash":
            return cls(width, height, 0.0, 0.0, float(width), float(height))
        model_h, model_w = model_size
        if mode == "shortest":
            resized_w, resized_h = _shortest_side_resize(width, height, model_h, model_w)
        else:
            scale = min(model_h / height, model_w / width)
            resized_w, resized_h = round(width * scale), round(height * scale)
        left, top = _frame_offset(resized_w, model_w), _frame_offset(resized_h, model_h)
        x, y = width / resized_w, height / resized_h
        return cls(width, height, left * x, top * y, (left + model_w) * x, (top + model_h) * y)

    def cell_edges(self, grid: tuple[int, int]) -> tuple[list[float], list[float]]:
        """Edges of the grid's columns (gw + 1) and rows (gh + 1) in source pixels, for `grid` = (gh, gw)."""
        gh, gw = grid
        xs = [self.left + (self.right - self.left) * i / gw for i in range(gw + 1)]
        ys = [self.top + (self.bottom - self.top) * i / gh for i in range(gh + 1)]
        return xs, ys

    @property
    def unseen(self) -> float:
        """Share of the source image that the model did not see, in [0, 1]."""
        w = max(0.0, min(self.right, self.width) - max(self.left, 0.0))
        h = max(0.0, min(self.bottom, self.height) - max(self.top, 0.0))
        return 1.0 - (w * h) / (self.width * self.height)


def _frame_offset(resized: int, model: int) -> int:
    """Where the model's frame begins inside the resized image; negative where the image was padded.

    torchvision rounds the two cases differently: a crop's offset to the nearest even, a padding's downwards.
    """
    return round((resized - model) / 2.0) if resized >= model else -((model - resized) // 2)


def _shortest_side_resize(width: int, height: int, model_h: int, model_w: int) -> tuple[int, int]:
    if model_h == model_w:  # torchvision.Resize(int): the longer side is truncated
        if width <= height:
            return model_w, int(model_w * height / width)
        return int(model_h * width / height), model_h
    scale = max(model_h / height, model_w / width)
    return round(width * scale), round(height * scale)

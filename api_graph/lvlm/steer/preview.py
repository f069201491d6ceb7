"""A fovea as a picture, for people: which tokens of a model it points at, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.layout import TokenLayout, View, token_layouts
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.prompt import build_prompt
from api_graph.lvlm.request import Request
from api_graph.lvlm.steer.apply import weights_of_each
from api_graph.lvlm.steer.fovea import Foveas
from api_graph.pixels.read import to_tensor

_UNSEEN, _DIMMED = 0.12, 0.4
"""How bright the picture is where the model sees nothing, and where a token has no weight."""
_TINT = torch.tensor([1.0, 0.55, 0.0])
_MOST_TINT, _LINE = 0.3, 0.35
_SMALLEST_CELL = 5.0
"""Lines are drawn between cells that have at least as many pixels."""


@dataclass(frozen=True, eq=False)
class FoveaPanel:
    """What a model sees of one picture at once: its image (H, W, 3), and the tokens in words."""

    image: Tensor
    text: str


def fovea_panels(model: LvlmModel, pictures: Sequence[Image.Image], foveas: Foveas) -> list[FoveaPanel]:
    """The pictures as the model's tokens divide them: bright and orange where the fovea is, dim where it is not.

    Tiles that lie beside each other are one panel; what shows the same part again, such as the whole picture beside its
    tiles, has one of its own. A picture without a fovea keeps its colours, and what the model does not see is black.

    Raises BadInput for more foveas than pictures, for foveas of other pictures, and for models whose image tokens are
    not known.
    """
    if not pictures:
        raise BadInput("there is no picture", input="image")
    prompt = build_prompt(model, [Request("?", tuple(pictures))])
    (layouts,) = token_layouts(model.config, model.processor, prompt.tensors, prompt.sizes)
    panels: list[FoveaPanel] = []
    for number, (picture, layout, weights) in enumerate(
        zip(pictures, layouts, weights_of_each(layouts, foveas.items), strict=True), start=1
    ):
        image, name = to_tensor(picture)[0][0], f"image {number}, " if len(pictures) > 1 else ""
        panels += [_panel(image, layout, views, weights, name) for views in _side_by_side(layout.views)]
    return panels


def _side_by_side(views: Sequence[View]) -> list[list[View]]:
    """The views in groups, in which none covers another."""
    groups: list[list[View]] = []
    for view in views:
        free = (group for group in groups if not any(_overlap(view.area, other.area) for other in group))
        group = next(free, None)
        if group is None:
            groups.append([view])
        else:
            group.append(view)
    return groups


def _overlap(one: Geometry, other: Geometry) -> bool:
    """Whether they share more than an edge, or a pixel of rounding."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    return across > 1 and down > 1


def _panel(image: Tensor, layout: TokenLayout, views: Sequence[View], weights: Tensor, name: str) -> FoveaPanel:
    height, width = image.shape[:2]
    levels = torch.full((height, width), -1.0)  # −1 where no view is, NaN where nothing is steered
    lines = torch.zeros(height, width, dtype=torch.bool)
    columns, own = layout.columns, []
    for view in views:
        values = weights[torch.searchsorted(columns, view.columns)]  # (gh·gw,)
        own.append(values)
        area, (gh, gw) = view.area, view.grid
        x, y = _cells(area.left, area.right, gw, width), _cells(area.top, area.bottom, gh, height)
        inside = (y >= 0)[:, None] & (x >= 0)  # (H, W)
        levels = torch.where(inside, values.unflatten(0, view.grid)[y.clamp(min=0)][:, x.clamp(min=0)], levels)
        if (area.right - area.left) / gw >= _SMALLEST_CELL:
            lines |= inside & (_begins(y)[:, None] | _begins(x))
    shown = _coloured(image, levels)
    return FoveaPanel(torch.where(lines[..., None], shown + _LINE * (1 - shown), shown), name + _words(views, own))


def _cells(start: float, end: float, cells: int, pixels: int) -> Tensor:
    """In which cell of the stretch each pixel's centre lies, (pixels,); −1 beyond it."""
    at = ((torch.arange(pixels) + 0.5 - start) / (end - start) * cells).floor().long()
    return torch.where((at >= 0) & (at < cells), at, -1)


def _begins(cells: Tensor) -> Tensor:
    """The pixels at which a cell begins, but for the picture's first."""
    return torch.cat([torch.zeros(1, dtype=torch.bool), cells[1:] != cells[:-1]])


def _coloured(image: Tensor, levels: Tensor) -> Tensor:
    weight = levels.clamp(0, 1)[..., None]
    bright = _DIMMED + (1 - _DIMMED) * weight
    pointed = image * bright * (1 - _MOST_TINT * weight) + _TINT * _MOST_TINT * weight
    shown = torch.where(levels.isnan()[..., None], image, pointed)
    return torch.where((levels == -1)[..., None], image * _UNSEEN, shown)


def _words(views: Sequence[View], weights: Sequence[Tensor]) -> str:
    grids = {view.grid for view in views}
    gh, gw = views[0].grid
    shape = f"{gh} × {gw} tokens" if len(views) == 1 else f"{len(views)} parts of {gh} × {gw} tokens"
    shape = shape if len(grids) == 1 else f"{len(views)} parts, {sum(map(len, weights))} tokens"
    values = torch.cat([*weights])
    if bool(values.isnan().all()):
        return f"{shape}: not steered"
    full, none = int((values == 1).sum()), int((values == 0).sum())
    between = len(values) - full - none
    return f"{shape}: {full} of weight 1, {none} of weight 0, {between} between, mean {values.mean():.3f}"

"""A fovea: where in a picture a model is pointed, as one weight in [0, 1] for each of its image tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from api_graph.errors import BadInput, inputs_named, warn_of_kind
from api_graph.geometry import Geometry
from api_graph.lvlm.layout import TokenLayout, View
from api_graph.regions import Boxes, read_boxes, warn_of_fractions
from api_graph.sockets import Attribution

WHOLE = "image"
"""The word for all of the image."""


class HasMap(Protocol):
    """What `annotate`, `clip_attribution` and `lvlm_attribution` give."""

    @property
    def attribution(self) -> Attribution: ...


OneFovea: TypeAlias = (
    "Boxes | Tensor | NDArray[Any] | Attribution | HasMap | Sequence[Sequence[float]] | str | Fovea | None"
)
"""One picture's fovea: boxes (left, top, right, bottom in its pixels), a mask (H, W), an attribution, or "image"."""

AsFovea: TypeAlias = "OneFovea | Foveas | Sequence[OneFovea]"
"""The fovea of one picture, or a list of them, fovea i for picture i; None leaves a picture unsteered."""

_HAIR = 1e-6  # of a pixel: what reaches less far into a cell lies at its edge
_FRACTIONS = "a fovea's boxes are in pixels: multiply by the picture's width and height"
_ALIKE = 0.02  # proportions that differ by less are one picture in two sizes


@dataclass(frozen=True, eq=False)
class Fovea:
    """One picture's fovea: `region` is boxes (N, 4) float64 in its pixels, a mask (H, W), a map, or None for all of it.

    `size` is the (width, height) of the picture that boxes were made for, where it is known. `inverted`: the fovea is
    all that the region leaves out.
    """

    region: Tensor | Attribution | None
    boxes: bool = False
    size: tuple[int, int] | None = None
    inverted: bool = False

    def parts(self) -> list[Fovea]:
        """Each box by itself; anything else is one part."""
        if not self.boxes or self.inverted or not isinstance(self.region, Tensor):
            return [self]
        return [Fovea(self.region[i : i + 1], True, self.size) for i in range(len(self.region))]

    def weights(self, layout: TokenLayout) -> Tensor:
        """float32 (N,): the weight of each image token, in the order of `layout.columns`.

        Of boxes: 1 for every token into whose cell one reaches. Of a mask: its largest value in the token's cell. Of a
        map: its value, scaled from 0 to 1, at the centre of the cell. Tokens that the region does not reach have 0.
        Inverted, each weight w is 1 − w.

        Raises BadInput for boxes and maps of another picture, and where no token shows any of the region.
        """
        weights = self._region_weights(layout)
        return 1 - weights if self.inverted else weights

    def _region_weights(self, layout: TokenLayout) -> Tensor:
        if self.region is None:
            return torch.ones(len(layout.columns))
        if isinstance(self.region, Attribution):
            found = [_map_weights(self.region, view) for view in layout.views]
        else:
            plane = self._plane(layout.size)
            found = [plane.largest(view) for view in layout.views]
        weights = torch.cat([one.flatten() for one in found]).float().clamp(0, 1)
        if not bool(weights.any()):
            raise BadInput(
                "no image token shows any of it",
                input="fovea",
                hint="The mask is empty, or the model's preprocessing cuts this part of the picture off.",
            )
        return weights[torch.cat([view.columns for view in layout.views]).argsort()]

    def _plane(self, size: tuple[int, int]) -> _Plane:
        """The region as values on a grid over the picture of `size`."""
        region = self.region
        assert isinstance(region, Tensor)
        if not self.boxes:
            _warn_of_proportions(region.shape, size)
            across, down = np.linspace(0, size[0], region.shape[1] + 1), np.linspace(0, size[1], region.shape[0] + 1)
            return _Plane(region.double().cpu(), torch.from_numpy(across), torch.from_numpy(down))
        if self.size is not None and self.size != size:
            raise BadInput(
                f"the boxes are of a picture of {self.size[0]}×{self.size[1]} pixels, and this one has "
                f"{size[0]}×{size[1]}",
                input="fovea",
                hint="Give boxes of the picture that is asked about.",
            )
        with inputs_named(boxes="fovea"):
            values = read_boxes(region, size).values
        across, down = values[:, [0, 2]].unique(), values[:, [1, 3]].unique()
        inside = (values[:, None, None, 0] <= across[:-1]) & (across[1:] <= values[:, None, None, 2])
        inside = inside & ((values[:, 1, None] <= down[:-1]) & (down[1:] <= values[:, 3, None]))[:, :, None]
        return _Plane(inside.any(0).double(), across, down)


def _warn_of_proportions(mask: Sequence[int], size: tuple[int, int]) -> None:
    """Warn of a mask that is stretched in one direction more than in the other."""
    (height, width), (own_height, own_width) = (size[1], size[0]), mask
    if min(abs(own_width * height / width - own_height), abs(own_height * width / height - own_width)) > 1:
        warn_of_kind(
            "proportions of a fovea",
            f"the fovea's mask ({own_width}×{own_height} pixels) has other proportions than the picture "
            f"({width}×{height}): it is stretched",
        )


@dataclass(frozen=True, eq=False)
class _Plane:
    """Values (h, w) on a grid whose lines are at `across` (w + 1) and `down` (h + 1), in pixels of the picture."""

    values: Tensor
    across: Tensor
    down: Tensor

    def largest(self, view: View) -> Tensor:
        """The largest value in each of the view's cells (gh, gw); 0 beyond the picture."""
        xs, ys = view.area.cell_edges(view.grid)
        rows = [_largest(self.values[span], 0) for span in _spans(ys, self.down)]  # gh times (w,)
        cells = [_largest(torch.stack(rows)[:, span], 1) for span in _spans(xs, self.across)]  # gw times (gh,)
        return torch.stack(cells, dim=1)


def _spans(cells: Sequence[float], lines: Tensor) -> list[slice]:
    """For each cell, which stretches between `lines` lie in it, if only in part."""
    edges = torch.tensor(cells, dtype=torch.float64)
    first = torch.searchsorted(lines, edges[:-1] + _HAIR, right=True) - 1
    last = torch.searchsorted(lines, edges[1:] - _HAIR)
    return [slice(max(low, 0), max(high, 0)) for low, high in zip(first.tolist(), last.tolist(), strict=True)]


def _largest(values: Tensor, dim: int) -> Tensor:
    return values.amax(dim) if values.shape[dim] else values.new_zeros(values.shape[1 - dim])


def _map_weights(attribution: Attribution, view: View) -> Tensor:
    """The map's values from 0 to 1 at the centres of the view's cells, (gh, gw); 0 beyond the map."""
    values, area = attribution.values[0].double().cpu(), _in_pixels_of(attribution.geometry[0], view.area)
    if not bool(values.isfinite().all()):
        raise BadInput("the map holds NaN or infinite values", input="fovea")
    low, high = values.min(), values.max()
    if low == high:
        raise BadInput(
            "the map has one value everywhere, so it points nowhere",
            input="fovea",
            value=float(low),
            hint='Use "image" to point at all of it.',
        )
    xs, ys = view.area.cell_edges(view.grid)
    x, inside_x = _cells_at(xs, area.left, area.right, values.shape[1])
    y, inside_y = _cells_at(ys, area.top, area.bottom, values.shape[0])
    found = _between(_between((values - low) / (high - low), y, 0), x, 1)
    return found * (inside_y[:, None] & inside_x)


def _cells_at(edges: Sequence[float], start: float, end: float, cells: int) -> tuple[Tensor, Tensor]:
    """Where the middles between `edges` lie among `cells` of the stretch, counted from the first's middle; and which
    of them lie on it.
    """
    lines = torch.tensor(edges, dtype=torch.float64)
    share = ((lines[:-1] + lines[1:]) / 2 - start) / (end - start)
    return (share * cells - 0.5).clamp(0, cells - 1), (share >= 0) & (share <= 1)


def _between(values: Tensor, at: Tensor, dim: int) -> Tensor:
    """`values` at fractional indices along `dim`, linearly between neighbours."""
    low = at.floor().long()
    high = (low + 1).clamp(max=values.shape[dim] - 1)
    share = (at - low)[:, None] if dim == 0 else at - low
    return values.index_select(dim, low) * (1 - share) + values.index_select(dim, high) * share


def _in_pixels_of(geometry: Geometry, picture: Geometry) -> Geometry:
    """The map's rectangle in pixels of the picture, which may be the same one in another size. Raises BadInput."""
    across, down = picture.width / geometry.width, picture.height / geometry.height
    if abs(across / down - 1) > _ALIKE:
        raise BadInput(
            f"the map is of a picture of {geometry.width}×{geometry.height} pixels, and this one has "
            f"{picture.width}×{picture.height}",
            input="fovea",
            hint="Give a map of the picture that is asked about.",
        )
    edges = geometry.left * across, geometry.top * down, geometry.right * across, geometry.bottom * down
    return Geometry(picture.width, picture.height, *edges)


@dataclass(frozen=True, eq=False)
class Foveas:
    """The foveas of a request's pictures, in their order; None leaves a picture unsteered."""

    socket: ClassVar[str] = "AP_FOVEA"

    items: tuple[Fovea | None, ...]

    @classmethod
    def on_each(cls, regions: Sequence[Boxes] | Tensor | Attribution | None, pictures: int, *, input: str) -> Foveas:
        """A fovea for each of so many pictures: the boxes in it, its mask (of N, H, W) or its map; one is for all.

        Without regions, all of each picture. Raises BadInput, naming `input`, for another number of them.
        """
        if regions is None:
            return cls((Fovea(None),) * pictures)
        parts = regions.each() if isinstance(regions, Attribution) else [*regions]
        if len(parts) not in (1, pictures):
            problem, hint = f"there are {len(parts)} for {pictures} images", "Give one for all, or one for each."
            raise BadInput(problem, input=input, value=len(parts), hint=hint)
        with inputs_named(fovea=input):
            own = [_one(part) for part in parts]
        return cls(tuple(own if len(own) == pictures else own * pictures))


# ------------------------------------------------------------- what callers give


def as_foveas(given: AsFovea) -> tuple[Fovea | None, ...]:
    """What `ask` takes as `fovea`, one per picture. Raises BadInput for anything else, and warns of fractions."""
    if isinstance(given, Foveas):
        return given.items
    found = _foveas(given)
    for one in found:
        if one is not None and one.boxes and isinstance(one.region, Tensor):
            warn_of_fractions(one.region.tolist(), _FRACTIONS)
    return found


def _foveas(given: AsFovea) -> tuple[Fovea | None, ...]:
    own = getattr(given, "attribution", given)
    if isinstance(own, Attribution):
        return tuple(Fovea(one) for one in own.each())
    if isinstance(given, Tensor | np.ndarray) and given.ndim == 3:
        return tuple(_mask(one) for one in torch.as_tensor(given))
    if isinstance(given, list | tuple) and given and not _are_boxes(given):
        return tuple(_one(item) for item in given)  # pyright: ignore[reportArgumentType]
    return (_one(given),)  # pyright: ignore[reportArgumentType]


def _one(given: OneFovea) -> Fovea | None:
    own = getattr(given, "attribution", given)  # what lvlm_attribution and clip_attribution give
    if own is None or isinstance(own, Fovea):
        return own
    if isinstance(own, str) and own == WHOLE:
        return Fovea(None)
    if isinstance(own, Attribution) and len(own.values) == 1:
        return Fovea(own)
    if isinstance(own, Boxes):
        return _boxes(own.values, own.size)
    if isinstance(own, Tensor | np.ndarray):
        return _mask(torch.as_tensor(own))
    if isinstance(own, list | tuple) and own and _are_boxes(own):
        return _boxes(torch.tensor([[float(number) for number in box] for box in own], dtype=torch.float64))
    raise BadInput(
        "this is no fovea",
        input="fovea",
        value=own,
        hint="Give a list of boxes (left, top, right, bottom), a mask (H, W), an attribution of one map, "
        f'"{WHOLE}", or a list with one of these for each picture.',
    )


def _are_boxes(given: Sequence[object]) -> bool:
    """Whether these are boxes, rows of four numbers, and not the foveas of several pictures."""
    return all(
        isinstance(item, list | tuple | Tensor | np.ndarray)
        and len(item) == 4
        and all(isinstance(number, int | float | np.number) or _is_number(number) for number in item)
        for item in given
    )


def _is_number(given: object) -> bool:
    return isinstance(given, Tensor) and given.ndim == 0


def _boxes(values: Tensor, size: tuple[int, int] | None = None) -> Fovea:
    if not len(values):
        raise BadInput("there is no box", input="fovea", hint='Use None for no fovea, or "image" for all of it.')
    empty = ((values[:, 2] <= values[:, 0]) | (values[:, 3] <= values[:, 1])).nonzero()
    if len(empty):
        box = values[int(empty[0])].tolist()
        raise BadInput("a box has no area", input="fovea", value=box, hint="Write left, top, right, bottom, in pixels.")
    return Fovea(values.double().cpu(), True, size)


def _mask(mask: Tensor) -> Fovea:
    if mask.ndim != 2 or not mask.numel():
        raise BadInput("a mask has the shape (H, W)", input="fovea", value=tuple(mask.shape))
    mask = mask.float()
    if not bool(((mask >= 0) & (mask <= 1)).all()):  # a NaN fails this too
        raise BadInput("a mask has values from 0 to 1", input="fovea", hint="Normalise it first.")
    return Fovea(mask)

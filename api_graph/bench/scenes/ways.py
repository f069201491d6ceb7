"""Ways of pointing an LVLM at a place: each makes a request of a question and the place.

A way may draw on the picture, change it, or steer the model from inside: whatever a `Request` can carry. One more in
`WAYS` is one more row in the tables of `pointing` and `steering`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import get_args

import torch
from torch import Tensor

from api_graph.demo.scenes import Scene, SceneObject
from api_graph.lvlm import Contrast, Request
from api_graph.lvlm.contrast import Against
from api_graph.lvlm.steer import Mode, Steering
from api_graph.pixels.blend import alpha_blend
from api_graph.pixels.prompts import (
    crop_boxes,
    draw_box,
    draw_circle,
    draw_keypoint,
    fgvp,
    preset,
    shade_boxes,
    weaken_outside,
)
from api_graph.pixels.read import to_pil, to_tensor


@dataclass(frozen=True, eq=False)
class Place:
    """Where a way points: a picture (1, H, W, 3), a box (1, 4) in it, and the object's mask (1, H, W) if known."""

    image: Tensor
    box: Tensor
    mask: Tensor | None = None

    @classmethod
    def of(cls, scene: Scene, target: SceneObject) -> Place:
        """The place of an object, with its true box and mask."""
        mask = torch.from_numpy(target.mask).float()[None]
        return cls(to_tensor(scene.image)[0], torch.tensor([target.box], dtype=torch.float64), mask)

    def inside(self) -> Tensor:
        """1 in the box, 0 elsewhere, (1, H, W)."""
        heatmap = torch.zeros(self.image.shape[:3])
        left, top, right, bottom = (int(edge) for edge in self.box[0].tolist())
        heatmap[:, top:bottom, left:right] = 1
        return heatmap


@dataclass(frozen=True)
class Way:
    """A way of pointing; `by_mask`: it follows the object's mask, and cannot point at a box alone."""

    name: str
    request: Callable[[str, Place], Request]
    by_mask: bool = False


def _pictured(draw: Callable[[Place], Tensor]) -> Callable[[str, Place], Request]:
    """The question about what is drawn, a picture (1, h, w, 3)."""
    return lambda question, place: Request(question, (to_pil(draw(place))[0],))


def _dimmed(place: Place, *, to: float) -> Tensor:
    return alpha_blend(place.image, place.inside(), strength=1 - to)


def _circle(place: Place) -> Tensor:
    """FALIP's circle is int(160/200) = 0 pixels wide here, so the line is given in pixels."""
    return draw_circle(place.image, place.box, thickness=2, unit="pixels")


def _fgvp(place: Place, *, name: str) -> Tensor:
    mask = place.inside() if place.mask is None else place.mask
    return fgvp(place.image, mask, **preset("fgvp", name))


def _steered(mode: Mode) -> Callable[[str, Place], Request]:
    """No pixel changes: the box is the fovea of the model that answers, at the mode's own strength."""

    def request(question: str, place: Place) -> Request:
        steering = Steering.of(place.box.tolist(), mode=mode)
        return Request(question, (to_pil(place.image)[0],), steering=steering)

    return request


WEAK = 1.0
"""Strength of a fovea that is not always obeyed: what contrast adds to it can be seen."""


def _weakly(against: Against | None) -> Callable[[str, Place], Request]:
    """A weak fovea on the box, alone or by contrast."""

    def request(question: str, place: Place) -> Request:
        steering = Steering.of(place.box.tolist(), strength=WEAK)
        contrast = None if against is None else Contrast(against)
        return Request(question, (to_pil(place.image)[0],), steering=steering, contrast=contrast)

    return request


PLAIN = Way("not pointed at all", lambda question, place: Request(question, (to_pil(place.image)[0],)))

WAYS: tuple[Way, ...] = (
    Way("dimmed outside to ½", _pictured(partial(_dimmed, to=0.5))),
    Way("dimmed outside to ¼", _pictured(partial(_dimmed, to=0.25))),
    Way("black outside", _pictured(partial(_dimmed, to=0.0))),
    Way("grey outside", _pictured(lambda p: weaken_outside(p.image, p.box, fill="colour"))),
    Way("no colours outside", _pictured(lambda p: weaken_outside(p.image, p.box, fill="greyscale"))),
    Way("blur outside", _pictured(lambda p: weaken_outside(p.image, p.box))),
    Way("crop", _pictured(lambda p: crop_boxes(p.image, p.box)[0])),
    Way("crop × 2", _pictured(lambda p: crop_boxes(p.image, p.box, enlarge=2.0)[0])),
    Way("red circle", _pictured(_circle)),
    Way("red box", _pictured(lambda p: draw_box(p.image, p.box, thickness=2, unit="pixels"))),
    Way("red shade", _pictured(lambda p: shade_boxes(p.image, p.box))),
    Way("keypoint", _pictured(lambda p: draw_keypoint(p.image, p.box))),
    Way("FGVP, reverse blur", _pictured(partial(_fgvp, name="fgvp_reverse_blur")), by_mask=True),
    Way("FGVP, mask", _pictured(partial(_fgvp, name="fgvp_mask")), by_mask=True),
    *(Way(f"fovea, {mode}", _steered(mode)) for mode in get_args(Mode)),
    Way("weak fovea", _weakly(None)),
    *(Way(f"weak fovea, contrast: {against}", _weakly(against)) for against in get_args(Against)),
)

"""Which object is meant? The CLIP chooses among the true boxes of a scene, by each visual prompt.

Each of the scene's objects gets its prompt, and the one whose image feature is nearest to the text is chosen. "No
prompt" gives every box the same feature, so that the first one is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from api_graph.bench.scenes.selection import named_objects
from api_graph.bench.scenes.setting import Setting
from api_graph.bench.scenes.table import Item, Part, Row, scored
from api_graph.bench.scores import mean_figure
from api_graph.clip.foveal import foveal_features
from api_graph.clip.foveal_masks import FovealKernel, box_masks
from api_graph.clip.foveal_pass import Form
from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text
from api_graph.clip.unleash import Order
from api_graph.demo.queries import plain_query
from api_graph.models.layers import Layers
from api_graph.pixels.prompts import crop_boxes, draw_circle, fgvp, preset, set_of_mark, weaken_outside
from api_graph.pixels.read import to_tensor


@dataclass(frozen=True, eq=False)
class Choice:
    """A scene's image (1, H, W, 3), its objects' boxes (N, 4) and masks (N, H, W), the text, and which one it means."""

    image: Tensor
    boxes: Tensor
    masks: Tensor
    text: str
    target: int
    same_colour: bool


Draw = Callable[[Choice], Sequence[Tensor]]
"""A picture (1, h, w, 3) for each object."""


@dataclass(frozen=True)
class Prompt:
    """How an object is shown: drawn, with a foveal mask, or both; `unleash` is against the clean image."""

    draw: Draw | None = None
    kernel: FovealKernel | None = None
    layers: Layers = "last 4"
    form: Form = "cls"
    unleash: float = 0.0
    order: Order = "sequential"

    def features(self, model: ClipModel, choices: Sequence[Choice]) -> Tensor:
        """The features (ΣN, E) of all objects of some scenes."""
        counts = torch.tensor([len(c.boxes) for c in choices])
        if self.draw is None and self.kernel is None:
            return foveal_features([c.image for c in choices], model=model).repeat_interleave(counts, 0)
        masks = None if self.kernel is None else [_foveal_masks(model, c, self.kernel) for c in choices]
        if self.draw is None:
            return foveal_features(
                [c.image for c in choices],
                masks,
                model,
                layers=self.layers,
                form=self.form,
                unleash=self.unleash,
                order=self.order,
            )
        pictures = [picture for c in choices for picture in self.draw(c)]
        clean = [c.image for c in choices for _ in c.boxes] if self.unleash else None
        over = None if masks is None else torch.cat(masks)
        return foveal_features(pictures, over, model, unleash=self.unleash, clean=clean)


def boxes_part(setting: Setting) -> Part:
    """The prompts of FALIP's tables, FGVP and set of mark on the scenes' own masks, and the sweeps behind them."""
    choices = [*_choices(setting)]
    items = [Item(f"scene {i}", c.text, str(c.target), _group(c)) for i, c in enumerate(choices)]
    same = [c.same_colour for c in choices]
    rows = []
    for name, prompt in prompts().items():
        chosen = _chosen(setting.clip, choices, prompt)
        right = [float(index == c.target) for index, c in zip(chosen, choices, strict=True)]
        among = [one for one, alike in zip(right, same, strict=True) if alike]
        figures = [mean_figure("right box", right), *([mean_figure("same colour", among)] if among else [])]
        rows.append(Row(name, figures, scored(items, right, [str(index) for index in chosen])))
    chance = sum(1 / len(c.boxes) for c in choices) / len(choices)
    return Part(
        "boxes",
        "Which box the CLIP chooses",
        f"{len(choices)} scenes of 3 to 5 objects, their true boxes and masks, chance {chance:.2f}; one object is "
        f"described by its colour and shape. Same colour: the {sum(same)} scenes where another object has its colour.",
        "prompt",
        {"right box": "interval", "same colour": "share"},
        rows,
        items,
    )


def _group(choice: Choice) -> str:
    return "same colour" if choice.same_colour else "another colour"


def _choices(setting: Setting) -> list[Choice]:
    found = []
    for picture, target in named_objects(setting.range, setting.sizes.boxes):
        others = [o for o in picture.objects if o is not target]
        found.append(
            Choice(
                to_tensor(picture.image)[0],
                torch.tensor([o.box for o in picture.objects], dtype=torch.float64),
                torch.stack([torch.from_numpy(o.mask).float() for o in picture.objects]),
                plain_query(target.colour, target.shape),
                picture.objects.index(target),
                any(o.colour == target.colour for o in others),
            )
        )
    return found


def _chosen(model: ClipModel, choices: Sequence[Choice], prompt: Prompt) -> list[int]:
    """The object that is chosen in each scene; the first of equals."""
    # A product and a sum, not a matrix product: that rounds equal rows differently, and what ties would not tie.
    text = F.normalize(encode_text(model, [c.text for c in choices]), dim=-1)
    features = F.normalize(prompt.features(model, choices), dim=-1).split([len(c.boxes) for c in choices])
    return [int((part * t).sum(-1).argmax()) for part, t in zip(features, text, strict=True)]


def _foveal_masks(model: ClipModel, choice: Choice, kernel: FovealKernel) -> Tensor:
    height, width = choice.image.shape[1:3]
    return box_masks(choice.boxes, model.preprocess.geometry(width, height), model.tower.grid, kernel)


# ------------------------------------------------------------------------------------------------------ prompts


def prompts() -> dict[str, Prompt]:
    """By the names that they have in the table."""
    mask = FovealKernel()
    return {
        "no prompt": Prompt(),
        "crop": Prompt(partial(_crop, enlarge=1.0)),
        "crop × 1.2": Prompt(partial(_crop, enlarge=1.2)),
        "crop × 2": Prompt(partial(_crop, enlarge=2.0)),
        "blur outside the box, radius 10": Prompt(lambda c: _each(weaken_outside(c.image, c.boxes, blur_radius=10.0))),
        "blur outside the box, radius 100": Prompt(lambda c: _each(weaken_outside(c.image, c.boxes))),
        "grey outside the box": Prompt(lambda c: _each(weaken_outside(c.image, c.boxes, fill="colour"))),
        "no colours outside the box": Prompt(lambda c: _each(weaken_outside(c.image, c.boxes, fill="greyscale"))),
        "red circle": Prompt(_circle),
        "red circle, blur outside": Prompt(partial(_circle, blur_outside=100.0)),
        "red circle + Unleash": Prompt(_circle, unleash=1.0),
        "red circle + foveal mask": Prompt(_circle, mask),
        "FGVP, reverse blur": Prompt(lambda c: _each(fgvp(c.image, c.masks, **preset("fgvp", "fgvp_reverse_blur")))),
        "FGVP, mask": Prompt(lambda c: _each(fgvp(c.image, c.masks, **preset("fgvp", "fgvp_mask")))),
        "set of mark, one object at a time": Prompt(_marked),
        "foveal mask (α 0.2, last 4)": Prompt(kernel=mask),
        "foveal mask + Unleash": Prompt(kernel=mask, unleash=1.0),
        "foveal mask, all rows (b)": Prompt(kernel=mask, form="rows"),
        "foveal mask, diagonal (c)": Prompt(kernel=mask, form="diagonal"),
        **{f"foveal mask, α {a:g}": Prompt(kernel=FovealKernel(a)) for a in (0.002, 0.02, 0.5, 1.0, 2.0, 4.0, 8.0)},
        **{f"foveal mask, last {n}": Prompt(kernel=mask, layers=f"last {n}") for n in (1, 2, 3)},
        **{f"foveal mask, layer {n} alone": Prompt(kernel=mask, layers=[n]) for n in range(4)},
        **{f"foveal mask, σ {s:g}": Prompt(kernel=FovealKernel(0.2, s)) for s in (0.5, 1.0, 2.0)},
        **{f"foveal mask + Unleash, λ {g:g}": Prompt(kernel=mask, unleash=g) for g in (0.5, 2.0, 4.0)},
        "foveal mask + Unleash, parallel": Prompt(kernel=mask, unleash=1.0, order="parallel"),
    }


def _crop(choice: Choice, *, enlarge: float) -> Sequence[Tensor]:
    return crop_boxes(choice.image, choice.boxes, enlarge=enlarge)


def _circle(choice: Choice, *, blur_outside: float = 0.0) -> Sequence[Tensor]:
    """FALIP's circle is int(160/200) = 0 pixels wide here, so the line is given in pixels."""
    line = {**preset("circle", "falip_line"), "thickness": 2, "unit": "pixels", "blur_outside": blur_outside}
    return _each(draw_circle(choice.image, choice.boxes, **line))


def _marked(choice: Choice) -> Sequence[Tensor]:
    return [set_of_mark(choice.image, one[None], **preset("set_of_mark", "som")).image for one in choice.masks]


def _each(pictures: Tensor) -> Sequence[Tensor]:
    return pictures.split(1)

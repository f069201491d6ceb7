"""Which object is meant? The demo CLIP chooses among the true boxes of held-out scenes, by each visual prompt.

    python -m benchmarks.foveal_demo --scenes 300 --json result.json

A scene of 3 to 5 objects, one of which the text ("a red star") describes alone. Each of the scene's boxes gets its
prompt, and the box whose image feature is nearest to the text is chosen. "No prompt" gives every box the same feature,
so the first one is chosen: its rate is that of the target being listed first. "Same colour" are the scenes in which
another object has the target's colour: a model that knew only colours would have to guess there. 95 % intervals by
Wilson.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from api_graph.bench.statistics import wilson_interval
from api_graph.clip.foveal import foveal_features
from api_graph.clip.foveal_masks import FovealKernel, box_masks
from api_graph.clip.load import load_clip
from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text
from api_graph.demo.queries import plain_query
from api_graph.demo.scenes import TEST_SEEDS, scene
from api_graph.pixels.prompts import crop_boxes, draw_circle, preset, weaken_outside
from api_graph.pixels.read import to_tensor


@dataclass(frozen=True, eq=False)
class Question:
    """A scene's image (1, H, W, 3), its objects' boxes (N, 4), what is asked for, and which box that is."""

    image: Tensor
    boxes: Tensor
    text: str
    target: int
    same_colour: bool


Draw = Callable[[Tensor, Tensor], Sequence[Tensor]]
"""Image (1, H, W, 3) and boxes (N, 4) to N images."""
Method = Callable[[ClipModel, Sequence[Question]], Tensor]
"""The features (ΣN, E) of all boxes of some questions."""


def questions(count: int) -> list[Question]:
    """The first `count` held-out scenes in which a colour and a shape name one object."""
    found: list[Question] = []
    for seed in TEST_SEEDS:
        if len(found) == count:
            break
        picture = scene(seed, (3, 5))
        unique = picture.unique_objects()
        if unique:
            target = unique[seed % len(unique)]
            same = any(o.colour == target.colour for o in picture.objects if o is not target)
            boxes = torch.tensor([o.box for o in picture.objects], dtype=torch.float64)
            text = plain_query(target.colour, target.shape)
            index = picture.objects.index(target)
            found.append(Question(to_tensor(picture.image)[0], boxes, text, index, same))
    return found


def none(model: ClipModel, asked: Sequence[Question]) -> Tensor:
    features = foveal_features(model, [q.image for q in asked])
    return features.repeat_interleave(torch.tensor([len(q.boxes) for q in asked]), 0)


def drawn(draw: Draw, model: ClipModel, asked: Sequence[Question], *, foveal: bool = False, **options: Any) -> Tensor:
    """Features of drawn images, with the foveal mask on top where asked for; `unleash` is against the clean image."""
    images = [image for q in asked for image in draw(q.image, q.boxes)]
    if options.get("unleash"):
        options["clean"] = [q.image for q in asked for _ in q.boxes]
    masks = torch.cat([masks_of(model, q, FovealKernel()) for q in asked]) if foveal else None
    return foveal_features(model, images, masks, **options)


def foveal(
    model: ClipModel, asked: Sequence[Question], *, alpha: float = 0.2, sigma: float = 100.0, **options: Any
) -> Tensor:
    masks = [masks_of(model, q, FovealKernel(alpha, sigma)) for q in asked]
    return foveal_features(model, [q.image for q in asked], masks, **options)


def masks_of(model: ClipModel, question: Question, kernel: FovealKernel) -> Tensor:
    height, width = question.image.shape[1:3]
    return box_masks(question.boxes, model.preprocess.geometry(width, height), model.tower.grid, kernel)


def crop(image: Tensor, boxes: Tensor, enlarge: float) -> Sequence[Tensor]:
    return crop_boxes(image, boxes, enlarge=enlarge)


def outside(image: Tensor, boxes: Tensor, **options: Any) -> Sequence[Tensor]:
    return [*weaken_outside(image, boxes, **options)]


def circle(image: Tensor, boxes: Tensor, **options: Any) -> Sequence[Tensor]:
    """FALIP's circle is int(160/200) = 0 pixels wide here, so the line is given in pixels."""
    return [
        *draw_circle(image, boxes, **{**preset("circle", "falip_line"), "thickness": 2, "unit": "pixels", **options})
    ]


def methods() -> dict[str, Method]:
    """The prompts of the table, and the sweeps behind them."""
    line = circle
    rows: dict[str, Method] = {
        "no prompt": none,
        "crop": partial(drawn, partial(crop, enlarge=1.0)),
        "crop × 1.2": partial(drawn, partial(crop, enlarge=1.2)),
        "crop × 2": partial(drawn, partial(crop, enlarge=2.0)),
        "blur outside the box, radius 10": partial(drawn, partial(outside, fill="blur", blur_radius=10.0)),
        "blur outside the box, radius 100": partial(drawn, partial(outside, fill="blur", blur_radius=100.0)),
        "grey outside the box": partial(drawn, partial(outside, fill="colour")),
        "no colours outside the box": partial(drawn, partial(outside, fill="greyscale")),
        "red circle": partial(drawn, line),
        "red circle, blur outside": partial(drawn, partial(line, blur_outside=100.0)),
        "red circle + unleash": partial(drawn, line, unleash=1.0),
        "red circle + foveal mask": partial(drawn, line, foveal=True),
        "foveal mask (α 0.2, last 4)": foveal,
        "foveal mask + unleash": partial(foveal, unleash=1.0),
        "foveal mask, all rows (b)": partial(foveal, form="rows"),
        "foveal mask, diagonal (c)": partial(foveal, form="diagonal"),
    }
    rows |= {f"foveal mask, α {a:g}": partial(foveal, alpha=a) for a in (0.002, 0.02, 0.5, 1.0, 2.0, 4.0, 8.0)}
    rows |= {f"foveal mask, last {n}": partial(foveal, layers=f"last {n}") for n in (1, 2, 3)}
    rows |= {f"foveal mask, layer {n} alone": partial(foveal, layers=[n]) for n in range(4)}
    rows |= {f"foveal mask, σ {s:g}": partial(foveal, sigma=s) for s in (0.5, 1.0, 2.0)}
    rows |= {f"foveal mask + unleash, λ {g:g}": partial(foveal, unleash=g) for g in (0.5, 2.0, 4.0)}
    rows["foveal mask + unleash, parallel"] = partial(foveal, unleash=1.0, order="parallel")
    return rows


def right(model: ClipModel, asked: Sequence[Question], method: Method) -> Tensor:
    """Whether the right box is chosen, for each question."""
    # A product and a sum, not a matrix product: that rounds equal rows differently, and what ties would not tie.
    text = torch.nn.functional.normalize(encode_text(model, [q.text for q in asked]), dim=-1)
    features = torch.nn.functional.normalize(method(model, asked), dim=-1)
    counts = [len(q.boxes) for q in asked]
    chosen = [int((part * t).sum(-1).argmax()) for part, t in zip(features.split(counts), text, strict=True)]
    return torch.tensor([index == q.target for index, q in zip(chosen, asked, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model, asked = load_clip("demo", device="cpu"), questions(arguments.scenes)
    same = torch.tensor([q.same_colour for q in asked])
    chance = sum(1 / len(q.boxes) for q in asked) / len(asked)
    print(f"| prompt ({len(asked)} scenes, chance {chance:.2f}) | right box | same colour ({int(same.sum())}) |")
    print("|---|---|---|")
    results = {}
    for name, method in methods().items():
        hits = right(model, asked, method)
        low, high = wilson_interval(int(hits.sum()), len(hits))
        results[name] = {"right": float(hits.float().mean()), "same colour": float(hits[same].float().mean())}
        print(
            f"| {name} | {results[name]['right']:.3f} ({low:.2f} to {high:.2f}) | {results[name]['same colour']:.2f} |"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

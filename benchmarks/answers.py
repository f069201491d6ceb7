"""How well the demo LVLM answers, where it looks while it does, and whether annotated images help it.

    python -m benchmarks.answers                      # answers, attention and annotation on test scenes
    python -m benchmarks.answers --only annotation --cases 500 --json answers.json

Every figure is of one tiny model on rendered scenes: it shows that the pipeline is right and in which order the
maps rank, not what annotation gains on real models.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from api_graph.bench.statistics import mcnemar_p, wilson_interval
from api_graph.clip.load import load_clip
from api_graph.demo.asking import answers_right, attention_maps, points_at_target
from api_graph.demo.maps import cls_map
from api_graph.demo.queries import plain_query
from api_graph.demo.questions import KINDS, AskedScene, asked_scenes
from api_graph.demo.scenes import COLOURS, TEST_SEEDS, VALIDATION_SEEDS
from api_graph.demo.shapes import SHAPES
from api_graph.geometry import Geometry
from api_graph.lvlm import LvlmModel, load_lvlm
from api_graph.pixels.blend import alpha_blend
from api_graph.pixels.heatmap import minmax
from api_graph.pixels.read import to_pil, to_tensor
from api_graph.pixels.resize import to_pixels
from api_graph.sockets import Attribution

LEVELS: dict[str, dict[str, Any]] = {
    "as trained": {"objects": (2, 5), "clutter": (0, 10)},
    "harder": {"objects": (5, 5), "clutter": (40, 40)},
}
"""Harder: five objects among 40 strokes and dots; neither model was trained on more than ten."""
ABOUT_ONE = ("colour", "shape", "exists", "side")
BATCH = 25
Asked = Sequence[AskedScene]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="what load_lvlm takes: a name or a folder")
    parser.add_argument("--cases", type=int, default=500, help="of each kind of question")
    parser.add_argument("--seeds", choices=("test", "validation"), default="test")
    parser.add_argument("--only", choices=tuple(PARTS), help="one part alone")
    parser.add_argument("--strength", type=float, default=0.8, help="of the annotation")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load_lvlm(args.model, device="cpu")
    figures = {}
    for name in [args.only] if args.only else list(PARTS):
        rows = PARTS[name](model, args)
        figures[name] = rows
        print(f"\n{table(rows)}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2), "utf-8")


# ------------------------------------------------------------------ answers


def answers(model: LvlmModel, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Share of right answers per kind of question, of blank images, and of always giving the commonest answer."""
    rows = []
    for level in LEVELS:
        for kind in KINDS:
            asked = cases(args, kind, level)
            right = answers_right(model, asked)
            blank = answers_right(model, asked, [(Image.new("RGB", a.scene.image.size, "grey"),) for a in asked])
            commonest = Counter(a.question.answer for a in asked).most_common(1)[0][1] / len(asked)
            rows.append(
                {"scenes": level, "question": kind, "n": len(asked), "right": interval(right)}
                | {"blank image": share(blank), "commonest answer": f"{commonest:.2f}"}
            )
    return rows


def cases(args: argparse.Namespace, kind: str, level: str, targeted: bool = False) -> list[AskedScene]:
    seeds = TEST_SEEDS if args.seeds == "test" else VALIDATION_SEEDS
    return asked_scenes(seeds, kind, args.cases, targeted=targeted, **LEVELS[level])


# ------------------------------------------------------------------ attention


def attention(model: LvlmModel, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Pointing game of each layer's attention at the object asked for, mean over heads and the answer's tokens."""
    rows = []
    for level in LEVELS:
        for layer in range(model.layers):
            row: dict[str, Any] = {"scenes": level, "layer": layer}
            for kind in ABOUT_ONE:
                asked = cases(args, kind, level, targeted=True)
                row[kind] = interval(points_at_target(attention_maps(model, asked, layer), asked))
            rows.append(row)
    return rows


# ------------------------------------------------------------------ annotation


def annotation(model: LvlmModel, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Questions about colours and shapes, on harder scenes, about the image as each of the heatmaps annotates it."""
    asked = [a for kind in ("colour", "shape") for a in cases(args, kind, "harder", targeted=True)]
    heatmaps = {name: heatmaps_of(model, asked) for name, heatmaps_of in HEATMAPS.items()}
    right = {"original": answers_right(model, asked)}
    for name, maps in heatmaps.items():
        right[name] = answers_right(model, asked, all_annotated(asked, maps, args.strength))
    base = right["original"]
    return [
        {"shown": name, "n": len(asked), "right": interval(found)}
        | {"gained": sum(b and not a for a, b in zip(base, found, strict=True))}
        | {"lost": sum(a and not b for a, b in zip(base, found, strict=True)), "p": f"{mcnemar_p(base, found):.2g}"}
        for name, found in right.items()
    ]


def all_annotated(asked: Asked, heatmaps: Sequence[Tensor], strength: float) -> list[tuple[Image.Image]]:
    """The scenes darkened where their heatmaps (1, H, W) are low."""
    pairs = zip(asked, heatmaps, strict=True)
    return [(to_pil(alpha_blend(to_tensor(a.scene.image)[0], h, strength=strength))[0],) for a, h in pairs]


def oracle_heatmaps(model: LvlmModel, asked: Asked) -> list[Tensor]:
    heatmaps = []
    for a in asked:
        heatmap = torch.zeros(1, a.scene.image.height, a.scene.image.width)
        left, top, right, bottom = a.question.target.box if a.question.target else (0, 0, 0, 0)
        heatmap[:, top:bottom, left:right] = 1
        heatmaps.append(heatmap)
    return heatmaps


def oracle_maps(model: LvlmModel, asked: Asked) -> list[Tensor]:
    """The object's box as a map of the demo CLIP's 10×10 cells, to be made a heatmap as every other map is."""
    boxes = F.interpolate(torch.stack(oracle_heatmaps(model, asked)), (10, 10), mode="area")  # (B, 1, 10, 10)
    return [
        heatmap(Attribution(box, (Geometry.whole(*a.scene.image.size),))) for a, box in zip(asked, boxes, strict=True)
    ]


def clip_heatmaps(model: LvlmModel, asked: Asked, *, of_another: bool = False) -> list[Tensor]:
    """Ψcls of the demo CLIP for the question, or for another object of the scene; what is negative counts as 0."""
    clip = load_clip("demo", device="cpu")
    maps = []
    for batch in (asked[i : i + BATCH] for i in range(0, len(asked), BATCH)):
        queries = [other_query(a) if of_another else a.question.text for a in batch]
        found = cls_map(clip, [a.scene.image for a in batch], queries)
        maps += [Attribution(v[None].clamp(min=0), (g,)) for v, g in zip(found.values, found.geometry, strict=True)]
    return [heatmap(m) for m in maps]


def other_query(asked: AskedScene) -> str:
    other = next(o for o in asked.scene.objects if o is not asked.question.target)
    return plain_query(other.colour, other.shape)


def own_heatmaps(model: LvlmModel, asked: Asked) -> list[Tensor]:
    return [heatmap(m) for m in attention_maps(model, asked)]


def random_heatmaps(model: LvlmModel, asked: Asked) -> list[Tensor]:
    rng = np.random.RandomState(0)
    noise = [torch.from_numpy(rng.rand(1, 10, 10)).float() for _ in asked]
    return [heatmap(Attribution(n, (Geometry.whole(*a.scene.image.size),))) for a, n in zip(asked, noise, strict=True)]


def heatmap(attribution: Attribution) -> Tensor:
    """In [0, 1] over the image, (1, H, W); a cell passes its value on to its neighbours, as objects span several."""
    spread = F.max_pool2d(attribution.values, 3, stride=1, padding=1)
    return to_pixels(attribution.with_values(minmax(spread)))


HEATMAPS: dict[str, Callable[[LvlmModel, Asked], list[Tensor]]] = {
    "oracle: the object's box as a map": oracle_maps,
    "oracle: the object's box, cut out": oracle_heatmaps,
    "Ψcls of the demo CLIP": clip_heatmaps,
    "its own attention": own_heatmaps,
    "Ψcls of another object": partial(clip_heatmaps, of_another=True),
    "random": random_heatmaps,
}


# ------------------------------------------------------------------ strategies


def strategies(model: LvlmModel, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Questions about colours and shapes as the strategies put them; annotation is by the true box."""
    asked = [a for kind in ("colour", "shape") for a in cases(args, kind, "as trained", targeted=True)]
    heatmaps = oracle_heatmaps(model, asked)
    kept = all_annotated(asked, heatmaps, args.strength)
    both = [(a.scene.image, *images) for a, images in zip(asked, kept, strict=True)]
    right = {"the question alone": answers_right(model, asked)}
    for name, text in PROMPTS.items():
        right[name] = answers_right(model, reworded(asked, text))
    right |= {
        "second round after a wrong answer": answers_right(model, [after_wrong_answer(a) for a in asked]),
        "annotated, with the hint": answers_right(model, reworded(asked, HINT), kept),
        "the original and the annotated image": answers_right(model, asked, both),
        "evaluate: T where the box is kept": answers_right(
            model, reworded(asked, EVALUATE, "T"), all_annotated(asked, heatmaps, 1.0)
        ),
        "evaluate: F where it is hidden": answers_right(
            model, reworded(asked, EVALUATE, "F"), all_annotated(asked, [1 - h for h in heatmaps], 1.0)
        ),
    }
    return [{"asked": name, "n": len(asked), "right": interval(found)} for name, found in right.items()]


def reworded(asked: Asked, template: str, answer: str | None = None) -> list[AskedScene]:
    """The same scenes, asked with a template around each question; `answer` is the right one, if it changes."""
    return [
        replace(a, question=replace(q, text=template.format(q=q.text), answer=answer or q.answer))
        for a in asked
        for q in (a.question,)
    ]


def after_wrong_answer(asked: AskedScene) -> AskedScene:
    """The second round of a textual self-reflection; the wrong answer is the next colour or shape of the list."""
    options = tuple(COLOURS) if asked.question.kind == "colour" else SHAPES
    wrong = options[(options.index(asked.question.answer) + 1) % len(options)]
    text = REFLECT.format(q=asked.question.text, previous=wrong)
    return replace(asked, question=replace(asked.question, text=text))


WORD_OR_PHRASE = "{q} Answer the question using a single word or phrase."
HINT = "{q} (Hint: The answer is related to the unmasked visible regions)."
REFLECT = (
    'For the Question "{q}", Your previous answer is "{previous}". Evaluate the quality of the answer and provide a '
    "new answer."
)
EVALUATE = (
    'For this image, the question is "{q}". Evaluate whether the unmasked visible regions of the image alone can '
    "provide an answer to the question. If they suffice to answer the question, respond with letter "
    '"T". If they do not support an answer to the question, reply with the letter "F".'
)
PROMPTS = {
    "single word or phrase": WORD_OR_PHRASE,
    "the same in quotation marks": f'"{WORD_OR_PHRASE}"',
    "step by step": "{q} Let's think step by step.",
}

# ------------------------------------------------------------------ tables


def share(right: Sequence[bool]) -> str:
    return f"{np.mean(right):.2f}"


def interval(right: Sequence[bool]) -> str:
    """A share with its 95 % interval by Wilson."""
    low, high = wilson_interval(sum(right), len(right))
    return f"{np.mean(right):.3f} ({low:.2f} to {high:.2f})"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(v) for v in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


PARTS = {"answers": answers, "attention": attention, "annotation": annotation, "strategies": strategies}


if __name__ == "__main__":
    main()

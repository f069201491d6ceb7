"""Which map points at the object asked for? Every way to draw one, on rendered scenes with known boxes.

    python benchmarks/localization.py                     # the demo model, 500 test scenes, a Markdown table
    python benchmarks/localization.py --json scores.json

It shows that the pipeline is right and how the maps compare on one tiny model, nothing about real ones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from api_graph.bench.localization import Case, MapFunction, Scores, evaluate_maps
from api_graph.bench.statistics import wilson_interval
from api_graph.clip.baselines import BaselineMethod, baseline_map
from api_graph.clip.decompose import encode_image
from api_graph.clip.load import load_clip
from api_graph.clip.maps import Similarity, clip_attribution, psi_cls, psi_comp
from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text
from api_graph.clip.tower import ClsTower
from api_graph.demo.cases import localization_cases
from api_graph.demo.maps import cls_map
from api_graph.demo.scenes import TEST_SEEDS, VALIDATION_SEEDS
from api_graph.geometry import Geometry
from api_graph.pixels.heatmap import normalize, soft_or
from api_graph.sockets import Attribution

SUBSETS = ("same colour", "same shape", "small")
Images = Sequence[Image.Image]
Queries = Sequence[str]
Sharpening = Literal["none", "minmax", "steep", "sigmoid"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="what load_clip takes: a name or a folder")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seeds", choices=("test", "validation"), default="test")
    parser.add_argument("--only", default="", help="only the maps whose name holds this")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="also write the figures to this file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cases = localization_cases(TEST_SEEDS if args.seeds == "test" else VALIDATION_SEEDS, args.cases)
    maps = {name: f for name, f in all_maps(load_clip(args.model, device="cpu")).items() if args.only in name}
    scores = evaluate_maps(cases, maps)
    print(table(cases, scores))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({name: figures(cases, s) for name, s in scores.items()}, file, indent=2)


def all_maps(model: ClipModel) -> dict[str, MapFunction]:
    """Every map by the name it has in the table."""
    if not isinstance(model.tower, ClsTower):
        raise SystemExit(f"{model.name} has no CLS token, whose attention is what is compared here.")
    layers = len(model.tower.blocks)
    maps: dict[str, MapFunction] = {}
    for similarity in ("contribution", "cosine"):
        for last in range(1, layers + 1):
            name = f"Ψcls, last {last}, {similarity}"
            maps[name] = partial(cls_map, model, similarity=similarity, start_layer=-last)
        maps[f"Ψcomp, {similarity}"] = partial(comp_map, model, similarity=similarity)
        for sharpening in ("none", "minmax", "steep", "sigmoid"):
            name = f"soft OR, {similarity}, {sharpening}"
            maps[name] = partial(soft_or_map, model, similarity=similarity, sharpening=sharpening)
    for layer in range(layers):
        maps[f"reference recipe, layer {layer}"] = partial(reference_map, model, layer=layer)
    maps["attention × gradient"] = partial(older_map, model, method="attention_gradient")
    maps["raw CLS attention, last layer"] = partial(older_map, model, method="raw_attention")
    maps["attention rollout"] = partial(older_map, model, method="rollout")
    return maps | {"centre": centre_map, "random": random_map}


def comp_map(model: ClipModel, images: Images, queries: Queries, *, similarity: Similarity) -> Attribution:
    tokens = encode_image(model, list(images))
    return tokens.placed(psi_comp(tokens, encode_text(model, list(queries)), similarity))


def soft_or_map(
    model: ClipModel, images: Images, queries: Queries, *, similarity: Similarity, sharpening: Sharpening
) -> Attribution:
    tokens, text = encode_image(model, list(images)), encode_text(model, list(queries))
    cls = sharpened(psi_cls(tokens, text, similarity), sharpening)
    comp = sharpened(psi_comp(tokens, text, similarity), sharpening)
    return tokens.placed(soft_or(cls, comp))


def sharpened(maps: Tensor, how: Sharpening) -> Tensor:
    """ "steep" is sigmoid(10 (x − ½)) of the min-max map, "sigmoid" that of five times the z-score."""
    if how == "steep":
        return torch.sigmoid(10 * (normalize(maps, "minmax") - 0.5))
    return normalize(maps, how)


def reference_map(model: ClipModel, images: Images, queries: Queries, *, layer: int) -> Attribution:
    return clip_attribution(model, list(images), list(queries), recipe="reference", layer=layer).attribution


def older_map(model: ClipModel, images: Images, queries: Queries, *, method: BaselineMethod) -> Attribution:
    return baseline_map(model, list(images), encode_text(model, list(queries)), method)


def centre_map(images: Images, queries: Queries) -> Attribution:
    axis = 1 - torch.linspace(-1, 1, 11).abs()
    return whole((axis[:, None] * axis).expand(len(images), -1, -1), images)


def random_map(images: Images, queries: Queries) -> Attribution:
    # Seeded by the queries, so that a case meets the same noise however cases are batched.
    seeds = [sum(map(ord, query)) * 1009 + i for i, query in enumerate(queries)]
    return whole(torch.stack([torch.from_numpy(np.random.RandomState(s).rand(10, 10)) for s in seeds]), images)


def whole(values: Tensor, images: Images) -> Attribution:
    """A map over the whole of each image: the demo model squashes."""
    return Attribution(values.float(), tuple(Geometry.whole(*image.size) for image in images))


def figures(cases: Sequence[Case], scores: Scores) -> dict[str, float]:
    """All that the table shows of one map."""
    low, high = wilson_interval(int(scores.pointing.sum()), len(cases))
    result = {"pointing": scores.mean("pointing"), "low": low, "high": high}
    for subset in SUBSETS:
        result[subset] = scores.mean("pointing", np.array([subset in case.tags for case in cases]))
    return result | {metric: scores.mean(metric) for metric in ("swapped", "energy", "iou_otsu", "iou_best")}


def table(cases: Sequence[Case], scores: dict[str, Scores]) -> str:
    """The figures as a Markdown table; 95 % intervals by Wilson."""
    subsets = [f"{subset} ({sum(subset in case.tags for case in cases)})" for subset in SUBSETS]
    columns = [
        f"map ({len(cases)} scenes)",
        "pointing game",
        *subsets,
        "swapped",
        "energy",
        "IoU Otsu / best",
    ]
    rows = [columns, ["---"] * len(columns)]
    for name, score in scores.items():
        f = figures(cases, score)
        pointing = f"{f['pointing']:.3f} ({f['low']:.2f} to {f['high']:.2f})"
        others = [f"{f[column]:.2f}" for column in (*SUBSETS, "swapped", "energy")]
        rows.append([name, pointing, *others, f"{f['iou_otsu']:.2f} / {f['iou_best']:.2f}"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()

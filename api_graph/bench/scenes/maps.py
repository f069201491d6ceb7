"""Which map points at the object asked for? Every attribution method on the same scenes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from api_graph.bench.localization import Case, MapFunction, Scores, evaluate_maps
from api_graph.bench.scenes.cases import localization_cases
from api_graph.bench.scenes.setting import Setting
from api_graph.bench.scenes.table import Item, Part, Row, Shown, scored
from api_graph.bench.scores import Figure, mean_figure
from api_graph.clip.baselines import BaselineMethod, baseline_map
from api_graph.clip.decompose import ImageTokens, encode_image
from api_graph.clip.maps import Similarity, clip_attribution, psi_cls, psi_comp
from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text
from api_graph.clip.tower import ClsTower
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm import LvlmModel, Request, attribute
from api_graph.pixels.heatmap import normalize, soft_or
from api_graph.sockets import Attribution

SUBSETS = ("same colour", "same shape", "small")
MEANS = {"swapped": "swapped", "energy": "energy", "IoU Otsu": "iou_otsu", "IoU best": "iou_best"}
"""Columns by the scores whose means they are."""

Images = Sequence[Image.Image]
Queries = Sequence[str]
Sharpening = Literal["none", "minmax", "steep", "sigmoid"]

SOFT_ORS: dict[Sharpening, str] = {
    "none": "raw (API eq. 7 to the letter)",
    "minmax": "of min-max maps (api_clip)",
    "steep": "after sigmoid(10(x − ½))",
    "sigmoid": "after sigmoid(5 z)",
}


def maps_part(setting: Setting, only: str = "") -> Part:
    """Every map on the scenes that hold two objects whose colour and shape no other one shares."""
    cases = localization_cases(setting.range, setting.sizes.maps)
    items = [Item(f"scene {i}", case.query, case.query) for i, case in enumerate(cases)]
    functions = {name: function for name, function in all_maps(setting).items() if only in name}
    scores = evaluate_maps(cases, functions)
    rows = [Row(name, figures(cases, one), scored(items, one.pointing.tolist())) for name, one in scores.items()]
    tags = {tag: sum(tag in case.tags for case in cases) for tag in SUBSETS}
    columns: dict[str, Shown] = {"pointing game": "interval", "box of the peak": "interval"}
    columns |= dict.fromkeys((*SUBSETS, *MEANS, "AP"), "share")
    return Part(
        "maps",
        "How well each map points",
        f"{len(cases)} scenes of 3 to 5 objects; the question names one of them by its colour and shape. Pointing "
        "game: the middle of the highest cell lies in the object's box. Box of the peak: its IoU with that box is at "
        "least ½. Same colour, same shape, small: the pointing game where another object shares it, or the object is "
        f"small ({tags['same colour']}, {tags['same shape']} and {tags['small']} scenes). Swapped: asked for another "
        "object, the map points at that one. Energy: share of max(Ψ, 0) in the box. AP: average precision of the "
        "pixels for the object's mask.",
        "map",
        columns,
        rows,
        items,
    )


def figures(cases: Sequence[Case], scores: Scores) -> list[Figure]:
    """All that the table shows of one map."""
    found = [mean_figure("pointing game", list(scores.pointing)), mean_figure("box of the peak", list(scores.peak_box))]
    for subset in SUBSETS:
        where = np.array([subset in case.tags for case in cases])
        found += [mean_figure(subset, list(scores.pointing[where]))] if where.any() else []
    means = {**{name: getattr(scores, metric) for name, metric in MEANS.items()}, "AP": scores.precision}
    return found + [Figure(name, float(np.nanmean(values)), len(cases)) for name, values in means.items()]


def all_maps(setting: Setting) -> dict[str, MapFunction]:
    """Every map by the name it has in the table."""
    model = setting.clip
    if not isinstance(model.tower, ClsTower):
        problem = "it has no CLS token, whose attention is what is compared here"
        raise BadInput(problem, input="--clip", value=model.name, hint="Name a CLIP that is pooled by one.")
    layers, encoded = len(model.tower.blocks), _Encoded(model)
    maps: dict[str, MapFunction] = {}
    for similarity in ("cosine", "contribution"):
        for last in range(1, layers + 1):
            name = f"Ψcls, last {last}, {similarity}"
            maps[name] = partial(encoded.cls_map, similarity=similarity, start_layer=-last)
        maps[f"Ψcomp, {similarity}"] = partial(encoded.comp_map, similarity=similarity)
        for sharpening, words in SOFT_ORS.items():
            name = f"soft OR, {similarity}, {words}"
            maps[name] = partial(encoded.soft_or_map, similarity=similarity, sharpening=sharpening)
    for layer in range(layers):
        maps[f"reference recipe, layer {layer}"] = partial(_reference_map, model, layer=layer)
    maps["attention × gradient"] = partial(_older_map, model, method="attention_gradient")
    maps["raw CLS attention, last layer"] = partial(_older_map, model, method="raw_attention")
    maps["attention rollout"] = partial(_older_map, model, method="rollout")
    lvlm = setting.lvlm
    for layer in range(lvlm.layers):
        maps[f"Ψ of the LVLM (eq. 8), layer {layer}"] = partial(_lvlm_map, lvlm, layer=layer)
    return maps | {"centre": _centre_map, "random": random_map}


class _Encoded:
    """A CLIP that encodes each image once for all maps that are made of one start layer."""

    def __init__(self, model: ClipModel) -> None:
        self.model = model
        self._kept: dict[tuple[int | None, tuple[int, ...]], ImageTokens] = {}

    def tokens(self, images: Images, start_layer: int | None = None) -> ImageTokens:
        key = start_layer, tuple(map(id, images))
        if key not in self._kept:
            self._kept[key] = encode_image(self.model, list(images), start_layer=start_layer)
        return self._kept[key]

    def cls_map(self, images: Images, queries: Queries, *, similarity: Similarity, start_layer: int) -> Attribution:
        tokens = self.tokens(images, start_layer)
        return tokens.placed(psi_cls(tokens, encode_text(self.model, list(queries)), similarity))

    def comp_map(self, images: Images, queries: Queries, *, similarity: Similarity) -> Attribution:
        tokens = self.tokens(images)
        return tokens.placed(psi_comp(tokens, encode_text(self.model, list(queries)), similarity))

    def soft_or_map(
        self, images: Images, queries: Queries, *, similarity: Similarity, sharpening: Sharpening
    ) -> Attribution:
        tokens, text = self.tokens(images), encode_text(self.model, list(queries))
        cls = _sharpened(psi_cls(tokens, text, similarity), sharpening)
        comp = _sharpened(psi_comp(tokens, text, similarity), sharpening)
        return tokens.placed(soft_or(cls, comp))


def _sharpened(maps: Tensor, how: Sharpening) -> Tensor:
    """ "steep" is sigmoid(10 (x − ½)) of the min-max map, "sigmoid" that of five times the z-score."""
    if how == "steep":
        return torch.sigmoid(10 * (normalize(maps, "minmax") - 0.5))
    return normalize(maps, how)


def _reference_map(model: ClipModel, images: Images, queries: Queries, *, layer: int) -> Attribution:
    return clip_attribution(list(images), list(queries), model, recipe="reference", layer=layer).attribution


def _older_map(model: ClipModel, images: Images, queries: Queries, *, method: BaselineMethod) -> Attribution:
    return baseline_map(model, list(images), encode_text(model, list(queries)), method)


def _lvlm_map(model: LvlmModel, images: Images, queries: Queries, *, layer: int) -> Attribution:
    """Where the LVLM looks while it answers whether there is such an object."""
    requests = [Request(f"Is there {query}?", (image,)) for image, query in zip(images, queries, strict=True)]
    found = [one.attribution for one in attribute(model, requests, layers=layer)]
    return Attribution(torch.cat([one.values for one in found]), tuple(g for one in found for g in one.geometry))


def _centre_map(images: Images, queries: Queries) -> Attribution:
    axis = 1 - torch.linspace(-1, 1, 11).abs()
    return _whole((axis[:, None] * axis).expand(len(images), -1, -1), images)


def random_map(images: Images, queries: Queries) -> Attribution:
    """Noise, seeded by each query and its place among those that are asked together."""
    seeds = [sum(map(ord, query)) * 1009 + i for i, query in enumerate(queries)]
    return _whole(torch.stack([torch.from_numpy(np.random.RandomState(s).rand(10, 10)) for s in seeds]), images)


def _whole(values: Tensor, images: Images) -> Attribution:
    """A map over the whole of each image: maps that know nothing of the picture."""
    return Attribution(values.float(), tuple(Geometry.whole(*image.size) for image in images))

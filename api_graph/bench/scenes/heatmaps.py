"""Heatmaps of asked scenes: what the methods say, what an oracle would, and the controls that anything must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from api_graph.bench.scenes.answering import attention_maps
from api_graph.bench.scenes.maps import random_map
from api_graph.bench.scenes.setting import Setting
from api_graph.clip.decompose import encode_image
from api_graph.clip.maps import psi_comp
from api_graph.clip.text import encode_text
from api_graph.demo.maps import cls_map
from api_graph.demo.queries import plain_query
from api_graph.demo.questions import AskedScene
from api_graph.geometry import Geometry
from api_graph.lvlm import Request, attribute
from api_graph.lvlm.decoder import text_config
from api_graph.pixels.heatmap import minmax, normalize, soft_or
from api_graph.pixels.resize import to_pixels
from api_graph.sockets import Attribution

Asked = Sequence[AskedScene]
Heatmaps = list[Tensor]
"""One (1, H, W) in [0, 1] for each scene."""

BLANK = "an image"
"""A query that asks for nothing: an empty one is none."""

_BATCH = 25
_CELLS = (10, 10)


def as_heatmap(attribution: Attribution) -> Tensor:
    """In [0, 1] over the image, (1, H, W); a cell passes its value on to its neighbours, as objects span several."""
    spread = F.max_pool2d(attribution.values, 3, stride=1, padding=1)
    return to_pixels(attribution.with_values(minmax(spread)))


def oracle_cut(setting: Setting, asked: Asked) -> Heatmaps:
    """1 in the object's box, 0 elsewhere."""
    found = []
    for a in asked:
        heatmap = torch.zeros(1, a.scene.image.height, a.scene.image.width)
        left, top, right, bottom = a.question.target.box if a.question.target else (0, 0, 0, 0)
        heatmap[:, top:bottom, left:right] = 1
        found.append(heatmap)
    return found


def oracle_map(setting: Setting, asked: Asked) -> Heatmaps:
    """The object's box as a map of 10×10 cells, made a heatmap as every other map is."""
    boxes = F.interpolate(torch.stack(oracle_cut(setting, asked)), _CELLS, mode="area")  # (B, 1, 10, 10)
    return [as_heatmap(_whole(box, a)) for a, box in zip(asked, boxes, strict=True)]


def clip_heatmaps(setting: Setting, asked: Asked, *, query: Callable[[AskedScene], str] | None = None) -> Heatmaps:
    """Ψcls for the question, or for another query; what is negative counts as 0."""
    maps = []
    for batch in _batches(asked):
        queries = [query(a) if query else a.question.text for a in batch]
        found = cls_map(setting.clip, [a.scene.image for a in batch], queries)
        maps += [Attribution(v[None].clamp(min=0), (g,)) for v, g in zip(found.values, found.geometry, strict=True)]
    return [as_heatmap(one) for one in maps]


def another_object(asked: AskedScene) -> str:
    """A query for an object that is not asked about."""
    other = next(o for o in asked.scene.objects if o is not asked.question.target)
    return plain_query(other.colour, other.shape)


def soft_or_heatmaps(setting: Setting, asked: Asked) -> Heatmaps:
    """The paper's soft OR of Ψcls and Ψcomp, as `api_clip` has it."""
    found = []
    for batch in _batches(asked):
        tokens = encode_image(setting.clip, [a.scene.image for a in batch])
        text = encode_text(setting.clip, [a.question.text for a in batch])
        cls = cls_map(setting.clip, [a.scene.image for a in batch], [a.question.text for a in batch])
        both = tokens.placed(soft_or(normalize(cls.values), normalize(psi_comp(tokens, text, "cosine"))))
        found += [as_heatmap(Attribution(v[None], (g,))) for v, g in zip(both.values, both.geometry, strict=True)]
    return found


def own_heatmaps(setting: Setting, asked: Asked) -> Heatmaps:
    """Where the LVLM looks while it answers."""
    return [as_heatmap(one) for one in attention_maps(setting.lvlm, asked)]


def random_heatmaps(setting: Setting, asked: Asked) -> Heatmaps:
    """Noise."""
    noise = random_map([a.scene.image for a in asked], [a.question.text for a in asked])
    return [as_heatmap(Attribution(v[None], (g,))) for v, g in zip(noise.values, noise.geometry, strict=True)]


def centre_heatmaps(setting: Setting, asked: Asked) -> Heatmaps:
    """A Gaussian in the middle of the image, whose standard deviation is a quarter of each side."""
    found = []
    for a in asked:
        across, down = (torch.linspace(-2, 2, side) ** 2 / 2 for side in a.scene.image.size)
        found.append(torch.exp(-(down[:, None] + across))[None])
    return found


def uniform_of(heatmaps: Heatmaps) -> Heatmaps:
    """The same everywhere: each heatmap's mean. What is left is how dark it makes the image."""
    return [h.mean().expand_as(h).contiguous() for h in heatmaps]


def of_the_next(heatmaps: Heatmaps) -> Heatmaps:
    """The heatmap of another scene; all scenes have one size."""
    return [*heatmaps[1:], *heatmaps[:1]]


def head_by_lot(setting: Setting, asked: Asked) -> Heatmaps:
    """The attention of one head of one layer, drawn by lot for each scene."""
    model = setting.lvlm
    heads = int(vars(text_config(model.module))["num_attention_heads"])
    drawn = [divmod(int(n), heads) for n in np.random.RandomState(0).randint(model.layers * heads, size=len(asked))]
    maps: dict[int, Tensor] = {}
    for layer, head in sorted(set(drawn)):
        own = [i for i, one in enumerate(drawn) if one == (layer, head)]
        for batch in (own[i : i + _BATCH] for i in range(0, len(own), _BATCH)):
            requests = [Request(asked[i].question.text, (asked[i].scene.image,)) for i in batch]
            found = attribute(model, requests, layers=layer, heads=[head])
            maps |= {i: as_heatmap(one.attribution) for i, one in zip(batch, found, strict=True)}
    return [maps[i] for i in range(len(asked))]


HeatmapsOf = Callable[[Setting, Asked], Heatmaps]

METHODS: Mapping[str, HeatmapsOf] = {
    "the object's box as a map (oracle)": oracle_map,
    "the object's box, cut out (oracle)": oracle_cut,
    "Ψcls": clip_heatmaps,
    "soft OR of Ψcls and Ψcomp": soft_or_heatmaps,
    "its own attention": own_heatmaps,
}
"""Heatmaps that should help."""

CONTROLS: Mapping[str, HeatmapsOf] = {
    "Ψcls of another object": partial(clip_heatmaps, query=another_object),
    "Ψcls of the next scene": lambda setting, asked: of_the_next(clip_heatmaps(setting, asked)),
    f"Ψcls of a blank question (“{BLANK}”)": partial(clip_heatmaps, query=lambda _: BLANK),
    "uniform, of the mean of Ψcls": lambda setting, asked: uniform_of(clip_heatmaps(setting, asked)),
    "its attention, a head by lot": head_by_lot,
    "a Gaussian in the centre": centre_heatmaps,
    "random": random_heatmaps,
}
"""Heatmaps that know nothing of the object: where they help as much, it was not the map."""


def _whole(values: Tensor, asked: AskedScene) -> Attribution:
    return Attribution(values, (Geometry.whole(*asked.scene.image.size),))


def _batches(asked: Asked) -> list[Asked]:
    return [asked[i : i + _BATCH] for i in range(0, len(asked), _BATCH)]

"""Measure every head of a model over items: each goes through the model once, and all layers are read at its end."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Literal

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from api_graph.arguments import typed
from api_graph.errors import BadInput, warn_of_kind
from api_graph.lvlm.capture import Capture, capture
from api_graph.lvlm.decoder import attention_modules
from api_graph.lvlm.generation import generate_ids
from api_graph.lvlm.heads.items import (
    SCENE_SEEDS,
    HeadItem,
    Item,
    ItemTable,
    OpenItem,
    scene_items,
)
from api_graph.lvlm.heads.profile import HeadProfile, facts_of, head_count
from api_graph.lvlm.heads.record import HeadScores, LayerFacts, MadeFacts, ProfileRecord, SinkFacts
from api_graph.lvlm.layout import TokenLayout, merge, token_layouts
from api_graph.lvlm.load import loaded_lvlm
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.prompt import build_prompt
from api_graph.lvlm.request import Request, Sampling
from api_graph.lvlm.steer.fovea import Fovea
from api_graph.lvlm.steer.sinks import DIMS, inputs_seen, normalized, sink_dims
from api_graph.lvlm.steer.steering import SinkRule
from api_graph.progress import progress_bar

SCENES, BATCH = 200, 8
"""Rendered scenes where no items are given, and items that go through the model at once."""

_PACKAGES = ("api-graph", "torch", "transformers", "numpy")
_DIGITS = 7
_TOUCHING = np.zeros((3, 3, 3), dtype=bool)
_TOUCHING[1] = True  # eight neighbours within a map, none in the map before or after

Found = Callable[[int, int | None], None]
"""Called with the items so far, and how many there are, if that is known."""


@typed("items", name="model")
def find_heads(
    model: LvlmModel | str = "demo",
    items: Iterable[Item] | ItemTable | str | os.PathLike[str] | None = None,
    *,
    device: str | torch.device | None = None,
    scenes: int = SCENES,
    seeds: range = SCENE_SEEDS,
    batch_size: int = BATCH,
    progress: bool | Found | None = None,
) -> HeadProfile:
    """Measure what each head of a model does when it is asked about a place, and keep it as a profile.

    `model` is a loaded one, or a name that `load_lvlm` takes, for `device`. Each item is a picture, a question and the
    boxes of what it asks about: `{"image": ..., "query": ..., "boxes": [[left, top, right, bottom]]}`, a tuple, or a
    `HeadItem`. `items` may be any iterable of these, or a table (.csv, .jsonl) whose pictures lie beside it. Without
    any, the first `scenes` rendered scenes of `seeds` are asked about.

    Each item runs through the model once, `batch_size` at a time. What the prompt's last token attends to is read in
    every layer: its weight on the boxes' tokens (`gaze`) and on the image, the spatial entropy of its map, and the
    share of attention sinks. Nothing is generated but the answer's first token.

    `progress` shows a bar (None: in notebooks alone), or is called with the items so far and how many there are.

    Raises BadInput for an item that cannot be read, and for a model whose attention cannot be.
    """
    model = loaded_lvlm(model, device)
    if batch_size < 1:
        raise BadInput("at least one item goes through the model", input="batch_size", value=batch_size)
    source = _Source.of(items, scenes, seeds)
    sums = _Sums(sorted(attention_modules(model.module)), head_count(model.module))
    opened = (HeadItem.of(one, f"item {number}").opened() for number, one in enumerate(source.items, start=1))
    with progress_bar("find_heads", source.count, False if callable(progress) else progress) as moved_on:
        while batch := list(itertools.islice(opened, batch_size)):
            _measure(model, batch, sums)
            moved_on(len(batch))
            if callable(progress):
                progress(sums.items + sums.unseen, source.count)
    if not sums.items and sums.unseen:
        raise BadInput("no image token shows the boxes of any item", input="items", value=sums.unseen)
    if not sums.items:
        raise BadInput("there are no items", input="items", hint="Leave them out for rendered scenes.")
    return HeadProfile(_record(model, sums, source))


@dataclass(frozen=True)
class _Source:
    """Items and where they are from."""

    items: Iterable[object]
    kind: Literal["scenes", "table", "list"]
    count: int | None = None
    table: str | None = None
    seeds: range | None = None

    @classmethod
    def of(cls, items: object, scenes: int, seeds: range) -> _Source:
        if items is None:
            return cls(scene_items(scenes, seeds), "scenes", scenes, seeds=seeds)
        if isinstance(items, str | os.PathLike):
            items = ItemTable(items)
        if isinstance(items, ItemTable):
            rows = items.items()
            return cls(rows, "table", len(rows), table=items.name[:512])
        if not isinstance(items, Iterable):
            raise BadInput("items are a list, or a table's file", input="items", value=items)
        return cls(items, "list", len(items) if isinstance(items, Sequence) else None)


@dataclass
class _Sums:
    """What is kept of the items: sums over them for each layer and head, not their maps."""

    layers: Sequence[int]
    heads: int
    items: int = 0
    unseen: int = 0
    of: dict[str, Tensor] = field(default_factory=dict)
    largest: dict[int, Counter[int]] = field(default_factory=dict)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, name: str, layer: int, values: Tensor) -> None:
        """Add one item's values (H,) of a layer."""
        if name not in self.of:
            self.of[name] = torch.zeros(len(self.layers), self.heads, dtype=torch.float64)
        self.of[name][self.layers.index(layer)] += values.double()

    def count(self, item: OpenItem | None) -> None:
        """Count an item whose values were added, or one that is not seen."""
        if item is None:
            self.unseen += 1
        else:
            self.items += 1
            self.digest.update(_digest(item))

    def count_dims(self, layer: int, dims: Sequence[int]) -> None:
        self.largest.setdefault(layer, Counter()).update(dims)

    def mean(self, name: str, row: int, head: int) -> float:
        """Rounded: the last bits differ between machines."""
        value = float(self.of[name][row, head]) / self.items
        return float(f"{value:.{_DIGITS}g}")


def _measure(model: LvlmModel, batch: Sequence[OpenItem], sums: _Sums) -> None:
    """Run some items through the model, and add what each layer's heads do at the prompts' last tokens."""
    prompt = build_prompt(model, [Request(item.query, (item.image,)) for item in batch])
    layouts = [images[0] for images in token_layouts(model.config, model.processor, prompt.tensors, prompt.sizes)]
    weights = [_weights(item, layout) for item, layout in zip(batch, layouts, strict=True)]
    columns, rule = [layout.columns for layout in layouts], SinkRule()
    with model.lock:
        sinks = _Sinks(columns, sink_dims(model), rule.threshold, prompt.length)
        with (
            inputs_seen(model.module, dict.fromkeys(sums.layers), sinks.see),
            capture(model, sums.layers, columns) as kept,
        ):
            generate_ids(model, prompt.tensors, Sampling(max_tokens=1))
    for layer in sums.layers:
        _add_layer(kept, layer, layouts, weights, sinks, sums)
    for item, own in zip(batch, weights, strict=True):
        sums.count(item if own is not None else None)


def _weights(item: OpenItem, layout: TokenLayout) -> Tensor | None:
    """Which image tokens show the boxes, 1 or 0 (N,); None where preprocessing has cut them off."""
    try:
        return Fovea(item.boxes.values, True).weights(layout).double()
    except BadInput:  # boxes that lie in the picture can only be unseen
        problem = "no image token shows its boxes: the model's preprocessing cuts them off"
        warn_of_kind("unseen items", f"an item does not count: {problem}")
        return None


def _add_layer(
    kept: Capture,
    layer: int,
    layouts: Sequence[TokenLayout],
    weights: Sequence[Tensor | None],
    sinks: _Sinks,
    sums: _Sums,
) -> None:
    rows = kept.rows(layer)[:, :, 0].double()  # (B, H, N)
    for i, (layout, own) in enumerate(zip(layouts, weights, strict=True)):
        if own is None:
            continue
        row = rows[i, :, : len(layout.columns)]  # (H, n)
        image = row.sum(-1)
        sums.add("gaze", layer, row @ own)
        sums.add("image_share", layer, image)
        sums.add("entropy", layer, spatial_entropy(merge(layout, row)[0]))
        sums.add("sink_share", layer, (row @ sinks.flags[layer][i].double()) / image.clamp(min=1e-12))
        sums.count_dims(layer, sinks.largest[layer][i])


class _Sinks:
    """Which image tokens are sinks in each layer, seen as prompts pass through; and each layer's largest dims there."""

    def __init__(self, columns: Sequence[Tensor], dims: Sequence[int], threshold: float, length: int) -> None:
        self._columns, self._dims, self._threshold, self._length = columns, list(dims), threshold, length
        self.flags: dict[int, list[Tensor]] = {}
        self.largest: dict[int, list[list[int]]] = {}

    def see(self, layer: int, hidden: Tensor) -> None:
        if hidden.shape[1] != self._length:  # a token of the answer
            return
        sizes = [normalized(row[own.to(row.device)]).abs() for row, own in zip(hidden, self._columns, strict=True)]
        self.flags[layer] = [(one[:, self._dims].amax(-1) > self._threshold).cpu() for one in sizes]  # (n,)
        self.largest[layer] = [one.amax(0).topk(DIMS).indices.tolist() for one in sizes]


def spatial_entropy(maps: Tensor) -> Tensor:
    """The spatial entropy of maps (H, gh, gw), float64 (H,): 0 where what is above a map's mean is one patch.

    −Σ p ln p over the patches of cells above the mean, which touch at an edge or a corner; p is a patch's share of
    these cells (localization heads, CVPR 2025). A constant map has no such cells, and gets that of all cells apart.
    """
    values = maps.double().cpu().numpy()
    above = values > values.mean(axis=(1, 2), keepdims=True)
    labels = np.empty(above.shape, dtype=np.int32)
    ndimage.label(above, _TOUCHING, output=labels)
    count = int(labels.max())
    cells = np.bincount(labels.ravel(), minlength=count + 1)[1:]  # of each patch
    owner = np.zeros(count + 1, dtype=np.int64)
    owner[labels.ravel()] = np.repeat(np.arange(len(values)), values[0].size)  # the map in which a patch lies
    totals = above.sum(axis=(1, 2))
    share = cells / totals[owner[1:]]
    found = np.bincount(owner[1:], weights=-share * np.log(share), minlength=len(values))
    return torch.from_numpy(np.where(totals > 0, found, math.log(values[0].size)))


def _digest(item: OpenItem) -> bytes:
    told = repr((item.query, item.image.size, item.boxes.values.tolist())).encode("utf-8", "surrogatepass")
    return hashlib.sha256(told + b"\0" + item.image.tobytes()).digest()


def _record(model: LvlmModel, sums: _Sums, source: _Source) -> ProfileRecord:
    seeds = source.seeds
    made = MadeFacts(
        items=sums.items,
        unseen=sums.unseen,
        source=source.kind,
        table=source.table,
        seeds=None if seeds is None else (seeds[0], seeds[-1]),
        items_digest=sums.digest.hexdigest(),
        versions=_versions(),
    )
    layers = [
        LayerFacts(layer=layer, sink_dims=tuple(sorted(dim for dim, _ in sums.largest[layer].most_common(DIMS))))
        for layer in sums.layers
    ]
    heads = [
        HeadScores(layer=layer, head=head, **{name: sums.mean(name, row, head) for name in sums.of})
        for row, layer in enumerate(sums.layers)
        for head in range(sums.heads)
    ]
    sinks = SinkFacts(dims=sink_dims(model), threshold=SinkRule().threshold)
    return ProfileRecord(model=facts_of(model), made=made, sinks=sinks, layers=tuple(layers), heads=tuple(heads))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)[:64]
        except metadata.PackageNotFoundError:
            continue
    return found

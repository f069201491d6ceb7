"""Foveal CLIP: an image's features under many masks over its patches, without touching a pixel (FALIP)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from api_graph.clip.foveal_pass import Form, Pass, as_gathered, check_form, layer_count, pass_through, rows_at_once
from api_graph.clip.foveal_rows import mask_rows
from api_graph.clip.images import Images, model_input
from api_graph.clip.layers import Layers, layer_set
from api_graph.clip.model import ClipModel
from api_graph.clip.unleash import CleanHeads, Gains, Order, Unleash
from api_graph.errors import BadInput, inputs_named

MOST_IMAGES = 32
"""Images that go through the network together."""


def foveal_features(
    model: ClipModel,
    image: Images | None = None,
    masks: Tensor | Sequence[Tensor] | None = None,
    *,
    pixel_values: Tensor | None = None,
    layers: Layers = "last 4",
    form: Form = "cls",
    unleash: Gains = 0.0,
    heads: Sequence[int] | None = None,
    unleash_layers: Layers | None = None,
    order: Order = "sequential",
    clean: Images | None = None,
    clean_pixel_values: Tensor | None = None,
) -> Tensor:
    """Un-normalised image features under foveal masks: float32 (B, E), softmax(QKᵀ/√d + M)V in the biased layers.

    One image, and `masks` (B, gh, gw) over the model's patches; or n images with one mask each, (n, gh, gw), or a
    list of n tensors (B_i, gh, gw), whose features follow one another. Without masks, or where all are zero: the
    plain features. `image` and `pixel_values` are those of `encode_image`.

    `layers` are biased: "last 4", "from 8" (the official code's constant), "all", or numbers. `form` is the paper's
    ablation: `cls` biases the CLS token's row of the scores (the method), `rows` every row, `diagonal` each token's
    score with itself. A model pooled by attention (SigLIP, CoCa) has one place for the bias, its pooling attention,
    and only the form `cls`; an α that suits four layers may be too small there.

    `unleash` is λ (see `unleash.py`): one number, one per head, or one per layer and head, for `heads` (default all) of
    `unleash_layers` (default: `layers`). Δ is taken to the same image without a mask, or to the `clean` one (one for
    all, or one for each) where the images given are drawn on.

    Raises BadInput for models without such an attention row, and for masks, layers and gains that do not fit.
    """
    tower = model.tower
    with inputs_named(images="image"):
        pixels, _ = model_input(model, image, pixel_values)
    clean_pixels = clean_input(model, clean, clean_pixel_values, len(pixels))
    bias, owner = mask_rows(masks, len(pixels), tower.grid)
    check_form(form, tower)
    biased = layer_set(layers, layer_count(tower))
    louder = biased if unleash_layers is None else layer_set(unleash_layers, layer_count(tower), "unleash_layers")
    amplifier = Unleash.of(unleash, louder, tower, heads, order)
    if amplifier is not None and masks is None and clean_pixels is None:
        cure = "Give masks, or the clean image of which the given ones are drawn copies."
        raise BadInput("there is no prompt that heads could react to", input="unleash", value=unleash, cure=cure)
    biased = frozenset() if bias is None else biased
    drawn = amplifier is not None and clean_pixels is not None
    way = pass_through(tower, biased, biased | louder if drawn else biased, form)
    with torch.no_grad():
        batches = Batches(way, pixels, clean_pixels, owner, bias, rows_at_once(tower))
        return torch.cat(list(batches.features(amplifier)))


@dataclass(frozen=True, eq=False)
class Batches:
    """n images and B masks, some at a time. `owner` (B,) says which image each mask belongs to, in ascending order."""

    way: Pass
    pixels: Tensor
    clean: Tensor | None
    owner: Tensor
    bias: Tensor | None
    rows: int

    def features(self, amplifier: Unleash | None) -> Iterator[Tensor]:
        """(b, E) for some masks after the others."""
        device = self.pixels.device
        for first in range(0, len(self.pixels), MOST_IMAGES):
            images = slice(first, first + MOST_IMAGES)
            entered = self.way.enter(self.pixels[images])
            heads = None if amplifier is None else self._clean_heads(entered, images)
            inside = (self.owner >= images.start) & (self.owner < images.stop)
            for rows in inside.nonzero()[:, 0].split(self.rows):
                owner = (self.owner[rows] - first).to(device)
                bias = None if self.bias is None else self.bias[rows].to(device)
                if amplifier is None or heads is None:
                    token = self.way.token(entered, owner, bias, as_gathered)
                else:
                    token = amplifier.token(self.way, entered, owner, bias, heads)
                yield self.way.head(token).float()

    def _clean_heads(self, entered: object, images: slice) -> CleanHeads:
        """What the heads gather of the clean images, or of these images without a mask."""
        count = len(self.pixels[images])
        if self.clean is not None:
            clean = self.clean if len(self.clean) == 1 else self.clean[images]
            entered, count = self.way.enter(clean), len(clean)
        return CleanHeads.of(self.way, entered, count, self.pixels.device)


def clean_input(
    model: ClipModel, clean: Images | None, clean_pixel_values: Tensor | None, images: int
) -> Tensor | None:
    """The clean images' pixels, one or as many as there are `images`; None where none are given."""
    if clean is None and clean_pixel_values is None:
        return None
    with inputs_named(images="clean", pixel_values="clean_pixel_values"):
        pixels, _ = model_input(model, clean, clean_pixel_values)
    if len(pixels) not in (1, images):
        cure = "Give one for all, or one for each."
        raise BadInput(f"{len(pixels)} clean images do not go with {images} drawn ones", input="clean", cure=cure)
    return pixels

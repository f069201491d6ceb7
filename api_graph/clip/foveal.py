"""Foveal CLIP: an image's features under many masks over its patches, without touching a pixel (FALIP)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from api_graph.clip.foveal_input import FovealInput, Masks
from api_graph.clip.foveal_pass import Form, Pass, as_gathered, check_form, layer_count, pass_through, rows_at_once
from api_graph.clip.images import Images
from api_graph.clip.model import ClipModel
from api_graph.clip.unleash import CleanHeads, Gains, Order, Unleash
from api_graph.models.layers import Layers, layer_set

MOST_IMAGES = 32
"""Images that go through the network together."""


def foveal_features(
    model: ClipModel,
    image: Images | None = None,
    masks: Masks | None = None,
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
    given = FovealInput.of(model, image, pixel_values, masks, clean, clean_pixel_values)
    check_form(form, tower)
    biased = layer_set(layers, layer_count(tower))
    louder = biased if unleash_layers is None else layer_set(unleash_layers, layer_count(tower), "unleash_layers")
    amplifier = Unleash.of(unleash, louder, tower, heads, order)
    if given.bias is None:
        biased = frozenset()
    parting = biased
    if amplifier is not None:
        given.need_prompt("unleash")
        parting = biased if given.clean is None else biased | louder
    way = pass_through(tower, biased, parting, form)
    batches = Batches(way, given, rows_at_once(tower))
    with torch.no_grad():
        if given.bias is None and (amplifier is None or given.clean is None):
            # Once per image, so that what has no prompt ties to the last bit.
            return torch.cat(list(batches.plain()))[given.owner.to(given.pixels.device)]
        return torch.cat(list(batches.features(amplifier)))


@dataclass(frozen=True, eq=False)
class Batches:
    """Images and masks through a pass, `rows` masks at a time."""

    way: Pass
    given: FovealInput
    rows: int

    def features(self, amplifier: Unleash | None) -> Iterator[Tensor]:
        """(b, E) for some masks after the others."""
        given = self.given
        for first in range(0, len(given.pixels), MOST_IMAGES):
            images = slice(first, first + MOST_IMAGES)
            entered = self.way.enter(given.pixels[images])
            heads = None if amplifier is None else self._clean_heads(entered, images)
            inside = (given.owner >= images.start) & (given.owner < images.stop)
            for rows in inside.nonzero()[:, 0].split(self.rows):
                owner, bias = given.rows(rows)
                owner = owner - first
                if amplifier is None or heads is None:
                    token = self.way.token(entered, owner, bias, as_gathered)
                else:
                    token = amplifier.token(self.way, entered, owner, bias, heads)
                yield self.way.head(token).float()

    def plain(self) -> Iterator[Tensor]:
        """The plain features of some images after the others, (n, E), where there is no prompt."""
        for pixels in self.given.pixels.split(MOST_IMAGES):
            images = torch.arange(len(pixels), device=pixels.device)
            yield self.way.head(self.way.token(self.way.enter(pixels), images, None, as_gathered)).float()

    def _clean_heads(self, entered: object, images: slice) -> CleanHeads:
        """What the heads gather of the clean images, or of these images without a mask."""
        count, clean = len(self.given.pixels[images]), self.given.clean
        if clean is not None:
            clean = clean if len(clean) == 1 else clean[images]
            entered, count = self.way.enter(clean), len(clean)
        return CleanHeads.of(self.way, entered, count, self.given.pixels.device)

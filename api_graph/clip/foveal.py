"""Foveal CLIP: an image's features under many masks over its patches, without touching a pixel (FALIP)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from api_graph.arguments import typed
from api_graph.clip.foveal_pass import (
    Form,
    FovealInput,
    Masks,
    Pass,
    check_form,
    layer_count,
    masks_at_once,
    pass_of,
    unchanged,
)
from api_graph.clip.load import loaded_clip
from api_graph.clip.model import ClipModel, PreparedImages
from api_graph.clip.unleash import CleanHeads, Gains, Order, Unleash
from api_graph.deprecation import formerly
from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.models.layers import Layers, layer_set
from api_graph.pixels.given import Images

MOST_IMAGES = 32
"""Images that go through the network together."""


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """B image features in the space of texts, which tasks score: `features` (B, E), float32, not normalised.

    They are of B images, or of one image under B prompts. Raises BadInput for another shape.
    """

    socket: ClassVar[str] = "AP_IMAGE_FEATURES"

    features: Tensor

    def __post_init__(self) -> None:
        if self.features.ndim != 2:
            raise BadInput(f"image features have the shape (B, E), not {tuple(self.features.shape)}", input="features")

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds equal features."""
        return {"features": self.features}, None

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: None) -> ImageFeatures:
        return cls(tensors["features"])


@formerly("model", "image", "masks")
@typed("unleash", images="image", name="model")
def foveal_features(
    image: Images | PreparedImages | None = None,
    masks: Masks | None = None,
    model: ClipModel | str = "demo",
    *,
    device: str | torch.device | None = None,
    pixel_values: Tensor | None = None,
    layers: Layers = "last 4",
    form: Form = "cls",
    unleash: Gains = 0.0,
    heads: Sequence[int] | None = None,
    unleash_layers: Layers | None = None,
    order: Order = "sequential",
    clean: Images | PreparedImages | None = None,
    clean_pixel_values: Tensor | None = None,
) -> Tensor:
    """Un-normalised image features under foveal masks: float32 (B, E), softmax(QKᵀ/√d + M)V in the biased layers.

    One image, and `masks` (B, gh, gw) over the model's patches; or n images with one mask each, (n, gh, gw), or a
    list of n tensors (B_i, gh, gw), whose features follow one another. Without masks, or where all are zero: the
    plain features. `image` and `pixel_values` are those of `encode_image`. `model` is a loaded one, or a name that
    `load_clip` takes, for `device`.

    `layers` are biased: "last 4", "from 8" (the official code's constant), "all", "8..11", or numbers. `form` is the
    paper's ablation: `cls` biases the CLS token's row of the scores (the method), `rows` every row, `diagonal` each
    token's score with itself. A model pooled by attention (SigLIP, CoCa) can be biased in its pooling attention alone,
    with the form `cls`; an α that suits four layers may be too small there.

    `unleash` is λ (see `unleash.py`): one number, one per head, or one per layer and head, for `heads` (default all) of
    `unleash_layers` (default: `layers`). Δ is taken to the same image without a mask, or to the `clean` one (one for
    all, or one for each) where the images given are drawn on.

    Raises BadInput for models without such an attention row, and for masks, layers and gains that do not fit.
    """
    clip = loaded_clip(model, device)
    tower = clip.tower
    given = FovealInput.of(clip, image, pixel_values, masks, clean, clean_pixel_values)
    check_form(form, tower)
    biased = layer_set(layers, layer_count(tower))
    louder = biased if unleash_layers is None else layer_set(unleash_layers, layer_count(tower), "unleash_layers")
    amplifier = Unleash.of(unleash, louder, tower, heads, order)
    if given.bias is None:
        biased = frozenset()
    needed = biased
    if amplifier is not None:
        given.need_prompt("unleash")
        needed = biased if given.clean is None else biased | louder
    batches = _Batches(pass_of(tower, biased, needed, form), given, masks_at_once(tower))
    with torch.no_grad():
        if given.bias is None and (amplifier is None or given.clean is None):
            # Once per image, so that boxes of one image without a prompt tie to the last bit.
            return torch.cat(list(batches.plain()))[given.owner.to(given.pixels.device)]
        return torch.cat(list(batches.features(amplifier)))


@dataclass(frozen=True, eq=False)
class _Batches:
    """Images and masks through a pass, `at_once` masks at a time."""

    tower_pass: Pass
    given: FovealInput
    at_once: int

    def features(self, amplifier: Unleash | None) -> Iterator[Tensor]:
        """Features (b, E) of one batch of masks after the other."""
        given = self.given
        for first in range(0, len(given.pixels), MOST_IMAGES):
            images = slice(first, first + MOST_IMAGES)
            entered = self.tower_pass.enter(given.pixels[images])
            heads = None
            if amplifier is not None and given.clean is None:
                heads = CleanHeads.of(self.tower_pass, entered, len(given.pixels[images]), given.pixels.device)
            elif amplifier is not None and given.clean is not None:
                clean = given.clean if len(given.clean) == 1 else given.clean[images]
                heads = CleanHeads.of(self.tower_pass, self.tower_pass.enter(clean), len(clean), clean.device)
            inside = (given.owner >= images.start) & (given.owner < images.stop)
            for indices in inside.nonzero()[:, 0].split(self.at_once):
                owner, bias = given.batch(indices)
                owner = owner - first
                if amplifier is None or heads is None:
                    token = self.tower_pass.token(entered, owner, bias, unchanged)
                else:
                    token = amplifier.token(self.tower_pass, entered, owner, bias, heads)
                yield self.tower_pass.head(token).float()

    def plain(self) -> Iterator[Tensor]:
        """Features (n, E) of one batch of images after the other, without any prompt."""
        for pixels in self.given.pixels.split(MOST_IMAGES):
            images = torch.arange(len(pixels), device=pixels.device)
            token = self.tower_pass.token(self.tower_pass.enter(pixels), images, None, unchanged)
            yield self.tower_pass.head(token).float()

"""The one expensive step: an image's forward pass, kept as what each patch says in the space of texts.

Neither of the two things kept depends on a query (API section 3.2): a further question on the same image
costs a text encoding and two products of an (N, E) matrix with a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from functools import partial
from typing import ClassVar, Literal, TypedDict, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from api_graph.clip.model import ClipModel, PreparedImages, model_input
from api_graph.clip.pooling import PooledTower, patch_features, pooled
from api_graph.clip.tower import ClsTower, attention_row, norm_moments
from api_graph.errors import BadInput
from api_graph.geometry import Geometry, GeometryFields
from api_graph.json_values import Json
from api_graph.models.layers import layer_index
from api_graph.pixels.given import Images
from api_graph.sockets import Attribution

Recipe = Literal["paper", "reference"]

_PAPER_LAYERS = 4
_REFERENCE_LAYER = 22


class _StoredTokens(TypedDict):
    grid: Sequence[int]
    recipe: Recipe
    geometry: Sequence[GeometryFields]


@dataclass(frozen=True, eq=False)
class ImageTokens:
    """B images as N = gh·gw patches each, all in the space of texts (E) and float32.

    `contributions` ψ (B, N, E): what each patch's values carry into the image feature (API eq. 5). `tokens`
    ℒ(Z_t) (B, N, E): what each patch token itself says (API eq. 6). `features` Î (B, E): the image feature,
    not normalised. `grid` is (gh, gw), and `geometry` that of the `Attribution` of each image. `recipe` says by which
    rule the first two were made.
    """

    socket: ClassVar[str] = "AP_IMAGE_TOKENS"

    contributions: Tensor
    tokens: Tensor
    features: Tensor
    grid: tuple[int, int]
    geometry: tuple[Geometry, ...]
    recipe: Recipe

    def placed(self, values: Tensor) -> Attribution:
        """Maps (n, gh, gw) that lie on these images: n = B, or n maps of the one image."""
        return Attribution(values, self.geometry * (len(values) // len(self.geometry)))

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds equal image tokens."""
        tensors = {"contributions": self.contributions, "tokens": self.tokens, "features": self.features}
        meta = {
            "grid": list(self.grid),
            "recipe": self.recipe,
            "geometry": [astuple(geometry) for geometry in self.geometry],
        }
        return tensors, meta

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: _StoredTokens) -> ImageTokens:
        gh, gw = meta["grid"]
        geometry = tuple(Geometry(*fields) for fields in meta["geometry"])
        return cls(**tensors, grid=(gh, gw), geometry=geometry, recipe=meta["recipe"])


@dataclass(frozen=True)
class LayerChoice:
    """By which rule, and at which layers, image tokens are read: the three settings of `encode_image`."""

    recipe: Recipe = "paper"
    start_layer: int | None = None
    layer: int | None = None

    def span(self, count: int) -> range:
        """The layers whose contributions count, of a tower with `count`. Raises BadInput."""
        if self.recipe not in get_args(Recipe):
            raise BadInput("unknown recipe", input="recipe", value=self.recipe, hint="Use 'paper' or 'reference'.")
        if self.recipe == "paper":
            if self.layer is not None:
                hint = "The paper's recipe sums the layers from `start_layer` on."
                raise BadInput("does not belong to this recipe", input="layer", value=self.layer, hint=hint)
            start = max(0, count - _PAPER_LAYERS)
            return range(
                start if self.start_layer is None else layer_index(self.start_layer, count, "start_layer"), count
            )
        if self.start_layer is not None:
            hint = "The reference recipe looks at the one `layer`."
            raise BadInput("does not belong to this recipe", input="start_layer", value=self.start_layer, hint=hint)
        default = _REFERENCE_LAYER if count > _REFERENCE_LAYER else max(0, count - 2)
        index = default if self.layer is None else layer_index(self.layer, count, "layer")
        return range(index, index + 1)


def encode_image(
    model: ClipModel,
    images: Images | PreparedImages | None = None,
    *,
    pixel_values: Tensor | None = None,
    recipe: Recipe = "paper",
    start_layer: int | None = None,
    layer: int | None = None,
) -> ImageTokens:
    """Run the vision tower once and keep what each patch contributes and says.

    `images` are PIL images, paths or (B, H, W, 3) tensors, or have been prepared; or give `pixel_values` (B, 3, h, w).
    Layers count from 0; negative ones from the end.

    `recipe="paper"`: contributions of the layers `start_layer`..L−1 (API eq. 5; default: the last four), the
    tokens of the last layer, each through its own LayerNorm (eq. 6).
    `recipe="reference"`: both at the one `layer` (default: 22, or the last but one of a shallower model),
    through the affine map of the official code.
    An attention-pooled model (SigLIP, CoCa) has one layer that counts, its pooling attention, and only the
    paper recipe.

    Raises BadInput for a model that cannot be decomposed, a layer out of range, and unreadable images.
    """
    choice = LayerChoice(recipe, start_layer, layer)
    return encode_image_at(model, images, [choice], pixel_values=pixel_values)[0]


def encode_image_at(
    model: ClipModel,
    images: Images | PreparedImages | None,
    choices: Sequence[LayerChoice],
    *,
    pixel_values: Tensor | None = None,
) -> list[ImageTokens]:
    """`encode_image` for several choices of layers, by one run of the vision tower.

    Each comes out as it does alone, to the last bit. Raises BadInput as `encode_image` does, for the first faulty one.
    """
    tower = model.tower
    if isinstance(tower, ClsTower):  # before any picture is read
        for choice in choices:
            choice.span(len(tower.blocks))
    pixels, geometry = model_input(model, images, pixel_values)
    with torch.no_grad():
        kept = _pooled(tower, pixels, choices) if isinstance(tower, PooledTower) else _read(tower, pixels, choices)
    return [
        ImageTokens(*tensors, tower.grid, geometry, choice.recipe)
        for tensors, choice in zip(kept, choices, strict=True)
    ]


_Kept = tuple[Tensor, Tensor, Tensor]
"""Contributions, tokens and features."""


def _read(tower: ClsTower, pixels: Tensor, choices: Sequence[LayerChoice]) -> list[_Kept]:
    """What each choice keeps, of one run.

    All layers are run in one way, whether they are watched or not: the model's own blocks have other last bits, and
    what a choice gets would depend on the others.
    """
    spans = [choice.span(len(tower.blocks)) for choice in choices]
    centred = [choice.recipe == "paper" for choice in choices]
    sums = [ContributionSum(tower, tower.prefix, own) for own in centred]
    states = {span.start: pixels for span, own in zip(spans, centred, strict=True) if not own}  # until they are run

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        context = F.scaled_dot_product_attention(q, k, v)
        for kind in (True, False):
            here = [s for s, span in zip(sums, spans, strict=True) if s.centred is kind and layer in span]
            if here:
                carried = here[0].carried(layer, q, k, v, context)
                for each in here:
                    each.add(carried, layer, k.shape[2])
        return context

    z, _ = tower.run(pixels, attend, range(len(tower.blocks)), states=states)
    features = tower.head(z[:, 0]).float()
    said = tower.head(z[:, tower.prefix :]).float() if True in centred else features
    scale = norm_moments(z[:, 0], tower.head.norm)[1].unsqueeze(1)  # (B, 1, 1)
    return [
        (own.total / scale, said, features)
        if own.centred
        else (*_reference(tower, z, states[span.start], own.total), features)
        for own, span in zip(sums, spans, strict=True)
    ]


def _reference(tower: ClsTower, last: Tensor, tokens: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """(γ(a_t − µ/(KN))/s + β/(KN)) W and (γ(z_t − µ/K)/s + β/K) W, K = 2L − 1, N all tokens (official code).

    `last` is Z^L, `tokens` Z behind the one layer, and `total` what that contributes. Unlike the paper it takes the
    mean off as a share of the final token's µ, not of each term's own.
    """
    mean, scale = (moment.unsqueeze(1) for moment in norm_moments(last[:, 0], tower.head.norm))  # (B, 1, 1)
    terms, scaled = 2 * len(tower.blocks) - 1, tower.head.linear(centred=False)
    shift, constant = mean * scaled.sum(0) / terms, tower.head.constant() / terms
    contributions = (total - shift / last.shape[1]) / scale + constant / last.shape[1]
    return contributions, (tokens[:, tower.prefix :].float() @ scaled - shift) / scale + constant


def _pooled(tower: PooledTower, pixels: Tensor, choices: Sequence[LayerChoice]) -> list[_Kept]:
    """The same of an attention-pooled model, whose one layer is its pooling attention."""
    for choice in choices:
        if choice.recipe == "reference":
            raise BadInput(
                "the reference recipe is the official code's, which knows no attention-pooled models",
                input="recipe",
                value=choice.recipe,
                hint="Use recipe='paper'.",
            )
        choice.span(1)
    whole = pooled(tower, pixels)
    patches = patch_features(tower, whole.values[:, tower.prefix :])
    return [(whole.contributions[:, tower.prefix :], patches, whole.features)] * len(choices)


@dataclass(eq=False)
class ContributionSum:
    """s · Σ_l ℒ_lin(η^l_t) with η^l_t = Σ_h A_{cls,t} V_t W + b/T, gathered while the tower runs.

    `attend` is for the layers that count; `first` is the first token wanted (0 includes CLS). After the run,
    `total` is (B, T − first, E), float32. The output bias is spread evenly over all T tokens (API eq. 4).
    """

    tower: ClsTower
    first: int
    centred: bool = True
    total: Tensor = field(default_factory=partial(torch.zeros, ()))

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend as the model does, and add what this layer's values carry into the CLS token."""
        context = F.scaled_dot_product_attention(q, k, v)
        self.add(self.carried(layer, q, k, v, context), layer, k.shape[2])
        return context

    def carried(self, layer: int, q: Tensor, k: Tensor, v: Tensor, context: Tensor) -> Tensor:
        """What a layer's values carry into the CLS token, without the bias, (B, T − first, E), float32."""
        matrix, _ = self.tower.folded(layer, self.centred)
        attention = attention_row(q[:, :, 0], k)[:, :, self.first :]  # (B, H, T - first)
        most = None
        if v.dtype == torch.float16:  # most patches get so little attention that float16 would round it away
            most = attention.amax(1).clamp_min(torch.finfo(attention.dtype).tiny).unsqueeze(-1)  # (B, T - first, 1)
            attention = attention / most.transpose(1, 2)
        weighted = (
            (attention.to(v.dtype).unsqueeze(-1) * v[:, :, self.first :]).transpose(1, 2).flatten(2)
        )  # A_{cls,t} V_t
        carried = (weighted @ matrix).float()
        carried = carried if most is None else carried * most
        inner_norm = self.tower.blocks[layer].inner_norm
        if inner_norm is not None:
            carried = carried / norm_moments(context[:, :, 0].flatten(1), inner_norm)[1].unsqueeze(1)
        return carried

    def add(self, carried: Tensor, layer: int, tokens: int) -> None:
        """Add a layer that carries so much, with its output bias, which is spread over all `tokens`."""
        self.total = torch.add(carried, self.total).add_(self.tower.folded(layer, self.centred)[1] / tokens)


# ------------------------------------------------------------------------------------------ every term of Î


@dataclass(frozen=True, eq=False)
class FeatureTerms:
    """The terms of Î (B, E), in float32; `total()` is their sum and equals Î (API eq. 1).

    `initial` ℒ_lin(Z⁰_cls) (B, E); `attention` ℒ_lin(η^l_t) (B, L, T, E), CLS and other leading tokens
    included; `mlp` ℒ_lin(MLP^l_cls) (B, L, E); `constant` βW + b (E,), the LayerNorm's shift through the
    projection, which linearising ℒ leaves over: it depends on no token and belongs to no other term.
    `features` is Î as the model itself computes it. An attention-pooled model has one layer, its pooling
    attention with the MLP behind it, and no initial term.
    """

    initial: Tensor
    attention: Tensor
    mlp: Tensor
    constant: Tensor
    features: Tensor

    def total(self) -> Tensor:
        """Σ of all terms, (B, E)."""
        return self.initial + self.attention.sum((1, 2)) + self.mlp.sum(1) + self.constant


def feature_terms(
    model: ClipModel, images: Images | None = None, *, pixel_values: Tensor | None = None
) -> FeatureTerms:
    """Take Î apart into the terms of API eq. 1, over all layers, to look into a model and to test its decomposition.

    The arguments are those of `encode_image`. Memory grows with L·T·E floats per image.
    """
    pixels, _ = model_input(model, images, pixel_values)
    tower = model.tower
    with torch.no_grad():
        return _pooled_terms(tower, pixels) if isinstance(tower, PooledTower) else _cls_terms(tower, pixels)


def _cls_terms(tower: ClsTower, pixels: Tensor) -> FeatureTerms:
    x, rope = tower.embed(pixels)
    initial, attention, mlp = x[:, 0], [], []
    for index, block in enumerate(tower.blocks):
        one_layer = ContributionSum(tower, first=0)
        x = x + block.project(block.gather(x, partial(one_layer.attend, index), rope))
        update = block.feed_forward(x)
        x = x + update
        attention.append(one_layer.total)
        mlp.append(update[:, 0])
    linear, scale = tower.head.linear(), norm_moments(x[:, 0], tower.head.norm)[1]
    return FeatureTerms(
        initial=initial.float() @ linear / scale,
        attention=torch.stack(attention, 1) / scale[:, :, None, None],
        mlp=torch.stack(mlp, 1).float() @ linear / scale.unsqueeze(1),
        constant=tower.head.constant(),
        features=tower.head(x[:, 0]).float(),
    )


def _pooled_terms(tower: PooledTower, pixels: Tensor) -> FeatureTerms:
    whole = pooled(tower, pixels)
    return FeatureTerms(
        initial=torch.zeros_like(whole.features),
        attention=whole.contributions.unsqueeze(1),
        mlp=whole.residual.unsqueeze(1),
        constant=tower.pool.head.constant(),
        features=whole.features,
    )

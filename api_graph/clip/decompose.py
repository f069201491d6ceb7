"""The one expensive step: an image's forward pass, kept as what each patch says in the space of texts.

Neither of the two things kept depends on a query (API section 3.2): a further question on the same image
costs a text encoding and two products of an (N, E) matrix with a vector.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from api_graph.clip.images import Images, model_input
from api_graph.clip.model import ClipModel
from api_graph.clip.pooling import PooledTower, patch_features, pooled
from api_graph.clip.vision import ClsTower, ContributionSum
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.models.layers import layer_index
from api_graph.sockets import Attribution

Recipe = Literal["paper", "reference"]

_PAPER_LAYERS = 4
_REFERENCE_LAYER = 22


@dataclass(frozen=True, eq=False)
class ImageTokens:
    """B images as N = gh·gw patches each, all in the space of texts (E) and float32.

    `contributions` ψ (B, N, E): what each patch's values carry into the image feature (API eq. 5). `tokens`
    ℒ(Z_t) (B, N, E): what each patch token itself says (API eq. 6). `features` Î (B, E): the image feature,
    not normalised. `recipe` says by which rule the first two were made.
    """

    socket: ClassVar[str] = "AP_IMAGE_TOKENS"

    contributions: Tensor
    tokens: Tensor
    features: Tensor
    grid: tuple[int, int]
    geometry: tuple[Geometry, ...]
    recipe: Recipe

    def placed(self, values: Tensor) -> Attribution:
        """Maps (n, gh, gw) of these images where their patches lie: one image's place serves all its queries."""
        return Attribution(values, self.geometry * (len(values) // len(self.geometry)))

    def to_storage(self) -> tuple[dict[str, Tensor], Any]:
        """Tensors and JSON from which `from_storage` builds equal image tokens."""
        tensors = {"contributions": self.contributions, "tokens": self.tokens, "features": self.features}
        meta = {
            "grid": list(self.grid),
            "recipe": self.recipe,
            "geometry": [astuple(g) for g in self.geometry],
        }
        return tensors, meta

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: Any) -> ImageTokens:
        gh, gw = meta["grid"]
        geometry = tuple(Geometry(*g) for g in meta["geometry"])
        return cls(**tensors, grid=(gh, gw), geometry=geometry, recipe=meta["recipe"])


def encode_image(
    model: ClipModel,
    images: Images | None = None,
    *,
    pixel_values: Tensor | None = None,
    recipe: Recipe = "paper",
    start_layer: int | None = None,
    layer: int | None = None,
) -> ImageTokens:
    """Run the vision tower once and keep what each patch contributes and says.

    `images` are PIL images, paths or (B, H, W, 3) tensors; or give `pixel_values` (B, 3, h, w). Layers count
    from 0; negative ones from the end.

    `recipe="paper"`: contributions of the layers `start_layer`..L−1 (API eq. 5; default: the last four), the
    tokens of the last layer, each through its own LayerNorm (eq. 6).
    `recipe="reference"`: both at the one `layer` (default: 22, or the last but one of a shallower model),
    through the affine map of the official code.
    An attention-pooled model (SigLIP, CoCa) has one layer that counts, its pooling attention, and only the
    paper recipe.

    Raises BadInput for a model that cannot be decomposed, a layer out of range, and unreadable images.
    """
    if recipe not in get_args(Recipe):
        raise BadInput("unknown recipe", input="recipe", value=recipe, hint="Use 'paper' or 'reference'.")
    tower = model.tower
    pixels, geometry = model_input(model, images, pixel_values)
    with torch.no_grad():
        if isinstance(tower, PooledTower):
            kept = _from_pool(tower, pixels, recipe, start_layer, layer)
        elif recipe == "paper":
            _refuse(layer, "layer", "The paper's recipe sums the layers from `start_layer` on.")
            kept = _paper(tower, pixels, start_layer)
        else:
            _refuse(start_layer, "start_layer", "The reference recipe looks at the one `layer`.")
            kept = _reference(tower, pixels, layer)
    contributions, tokens, features = kept
    return ImageTokens(contributions, tokens, features, tower.grid, geometry, recipe)


def _paper(tower: ClsTower, pixels: Tensor, start_layer: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """ψ_t = Σ_{l ≥ start} ℒ_lin(η^l_t), ℒ(Z^L_t) and Î (API eq. 1 to 6)."""
    count = len(tower.blocks)
    start = layer_index(start_layer, count, "start_layer", default=max(0, count - _PAPER_LAYERS))
    summed = ContributionSum(tower, range(start, count), tower.prefix)
    z = tower.run(pixels, summed.watch)
    scale = tower.head.moments(z[:, 0])[1].unsqueeze(1)  # (B, 1, 1)
    return summed.total / scale, tower.head(z[:, tower.prefix :]).float(), tower.head(z[:, 0]).float()


def _reference(tower: ClsTower, pixels: Tensor, layer: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """(γ(a_t − µ/(KN))/s + β/(KN)) W and (γ(z_t − µ/K)/s + β/K) W, K = 2L − 1, N all tokens (official code).

    Unlike the paper it takes the mean off as a share of the final token's µ, not of each term's own.
    """
    count = len(tower.blocks)
    default = _REFERENCE_LAYER if count > _REFERENCE_LAYER else max(0, count - 2)
    index = layer_index(layer, count, "layer", default)
    summed = ContributionSum(tower, (index,), tower.prefix, centred=False)
    z = tokens = pixels
    for number, z in enumerate(tower.states(pixels, summed.watch)):
        tokens = z if number == index + 1 else tokens
    mean, scale = (moment.unsqueeze(1) for moment in tower.head.moments(z[:, 0]))  # (B, 1, 1)
    terms, scaled = 2 * count - 1, tower.head.scaled()
    shift, constant = mean * scaled.sum(0) / terms, tower.head.constant() / terms
    contributions = (summed.total - shift / z.shape[1]) / scale + constant / z.shape[1]
    tokens = (tokens[:, tower.prefix :].float() @ scaled - shift) / scale + constant
    return contributions, tokens, tower.head(z[:, 0]).float()


def _from_pool(
    tower: PooledTower, pixels: Tensor, recipe: Recipe, start_layer: int | None, layer: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The same of an attention-pooled model, whose one layer is its pooling attention."""
    if recipe == "reference":
        raise BadInput(
            "the reference recipe is the official code's, which knows no attention-pooled models",
            input="recipe",
            value=recipe,
            hint="Use recipe='paper'.",
        )
    _refuse(layer, "layer", "The paper's recipe sums the layers from `start_layer` on.")
    layer_index(start_layer, 1, "start_layer", default=0)
    whole = pooled(tower, pixels)
    patches = patch_features(tower, whole.values[:, tower.prefix :])
    return whole.parts[:, tower.prefix :], patches, whole.features


def _refuse(value: int | None, name: str, why: str) -> None:
    if value is not None:
        raise BadInput("does not belong to this recipe", input=name, value=value, hint=why)

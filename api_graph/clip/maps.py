"""Ψ from tokens and a query: two products of an (N, E) matrix with a vector (API eq. 5 to 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from api_graph.arguments import typed
from api_graph.clip.decompose import ImageTokens, LayerChoice, Recipe, encode_image_at
from api_graph.clip.load import loaded_clip
from api_graph.clip.model import ClipModel
from api_graph.clip.text import QueryFeatures, encode_text
from api_graph.deprecation import formerly
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.notebook import one_line
from api_graph.pixels.given import Images, as_pictures
from api_graph.pixels.heatmap import soft_or
from api_graph.pixels.reference import merge_mask
from api_graph.pixels.shown import Shown, maps_over, side_by_side
from api_graph.plotting import Panel
from api_graph.sockets import Attribution

Similarity = Literal["cosine", "contribution"]


@dataclass(frozen=True, eq=False)
class ClipAttribution(Shown):
    """Where a CLIP sees a query: n maps, float32 on the CPU.

    `attribution` is the combined map, `cls` and `comp` (n, gh, gw) are Ψcls and Ψcomp, which it was made of. `images`
    are the n images; none where their pixels were given.
    """

    attribution: Attribution
    cls: Tensor
    comp: Tensor
    images: tuple[Image.Image, ...] = ()

    def picture(self) -> Image.Image:
        """The combined maps over their images, side by side."""
        return side_by_side(list(maps_over(self.attribution, self.images)))

    def _panels(self) -> list[list[Panel]]:
        maps = [
            [Panel(name, one, is_map=True) for one in maps_over(self.attribution.with_values(values), self.images)]
            for name, values in (("Ψcls", self.cls), ("Ψcomp", self.comp), ("combined", self.combined))
        ]
        rows = [list(row) for row in zip(*maps, strict=True)]
        if not self.images:
            return rows
        return [[Panel("image", image), *row] for image, row in zip(self.images, rows, strict=True)]

    def __repr__(self) -> str:
        return one_line(self, *self.attribution.facts())

    @property
    def combined(self) -> Tensor:
        """The values of the combined map, (n, gh, gw)."""
        return self.attribution.values

    @property
    def geometry(self) -> tuple[Geometry, ...]:
        """Where the cells of each map lie in its image; the same for all three maps."""
        return self.attribution.geometry


@formerly("model", "image", "query", images="image", queries="query")
@typed(images="image", queries="query", name="model")
def clip_attribution(
    image: Images | None = None,
    query: str | Sequence[str] | None = None,
    model: ClipModel | str = "demo",
    *,
    device: str | torch.device | None = None,
    pixel_values: Tensor | None = None,
    token_ids: Tensor | None = None,
    recipe: Recipe = "paper",
    start_layer: int | None = None,
    layer: int | None = None,
    similarity: Similarity | None = None,
    kernel_size: int = 3,
    contrast: float = 5.0,
) -> ClipAttribution:
    """Attribute queries to image patches, API's first step in one call.

    Images × queries: 1 × n (the image is encoded once), n × 1, or n pairs. `model` is a loaded one, or a name that
    `load_clip` takes, for `device`. `cls` and `comp` are `psi_cls` and `psi_comp`.
    `recipe="paper"`: `combined` is the soft OR of the raw maps (API eq. 7); `kernel_size` and `contrast` play
    no part.
    `recipe="reference"`: `combined` is the official code's mask on the token grid, of the maps at `layer`, sharpened by
    `contrast` and smoothed over `kernel_size` × `kernel_size` tokens (kernel_size is odd).
    The other arguments and what is a BadInput are those of `encode_image`, `encode_text` and `psi_cls`.
    """
    clip = loaded_clip(model, device)
    pictures = () if image is None else tuple(as_pictures(image))
    choice = LayerChoice(recipe, start_layer, layer)
    tokens = encode_image_at(clip, pictures or None, [choice], pixel_values=pixel_values)[0]
    text = encode_text(clip, query, token_ids=token_ids)
    cls = psi_cls(tokens, text, similarity).cpu()
    alike = _similarity(tokens.tokens, tokens, text, similarity).cpu()
    comp = 1 - alike
    if recipe == "paper":
        return ClipAttribution(tokens.placed(soft_or(cls, comp)), cls, comp, _of_each(pictures, len(cls)))
    exact = 1 - alike.double()  # in float32 the complement would round away what small similarities differ by
    merged = tokens.placed(merge_mask(cls, exact, kernel_size, contrast))
    return ClipAttribution(merged, cls, comp, _of_each(pictures, len(cls)))


def _of_each(images: Sequence[Image.Image], count: int) -> tuple[Image.Image, ...]:
    """The image of each of `count` maps, all of one where there is one."""
    return tuple(images) * (count // len(images)) if images else ()


def psi_cls(tokens: ImageTokens, query: QueryFeatures | Tensor, similarity: Similarity | None = None) -> Tensor:
    """Ψcls = sim(ψ_t, T̂): what each patch carries of the query into the image feature (API eq. 5).

    `similarity` "cosine" is the paper's; "contribution" is ⟨ψ_t, T̂⟩ / ‖Î‖, of which the sum over patches is
    their share of the image's score. None takes the recipe's own: cosine for the paper, contribution for the
    reference. Returns float32 (n, gh, gw): n images and one query, one image and n queries, or n pairs;
    BadInput otherwise.
    """
    return _similarity(tokens.contributions, tokens, query, similarity)


def psi_comp(tokens: ImageTokens, query: QueryFeatures | Tensor, similarity: Similarity | None = None) -> Tensor:
    """Ψcomp = 1 − sim(ℒ(Z_t), T̂): high where a patch token itself says something else (API eq. 6).

    Arguments and result as in `psi_cls`.
    """
    return 1 - _similarity(tokens.tokens, tokens, query, similarity)


def _similarity(
    patches: Tensor, tokens: ImageTokens, query: QueryFeatures | Tensor, similarity: Similarity | None
) -> Tensor:
    """How similar what each patch says, (B, N, E), is to the query: (n, gh, gw)."""
    if similarity is None:
        similarity = "cosine" if tokens.recipe == "paper" else "contribution"
    if similarity not in get_args(Similarity):
        hint = "Use 'cosine' or 'contribution'."
        raise BadInput("unknown similarity", input="similarity", value=similarity, hint=hint)
    text = query.features if isinstance(query, QueryFeatures) else query
    if text.ndim != 2 or text.shape[1] != patches.shape[2]:
        raise BadInput(
            f"the query has shape {tuple(text.shape)}, the image tokens have {patches.shape[2]} channels",
            input="query",
            hint="Encode both with the same model.",
        )
    if len(patches) != len(text) and 1 not in (len(patches), len(text)):
        raise BadInput(
            f"{len(patches)} images and {len(text)} queries cannot be paired",
            input="query",
            hint="Give one query, one image, or as many queries as images.",
        )
    text = F.normalize(text.to(patches), dim=-1)  # (Q, E)
    count = max(len(patches), len(text))
    values = torch.matmul(patches.expand(count, -1, -1), text.expand(count, -1).unsqueeze(-1)).squeeze(-1)  # (n, N)
    if similarity == "cosine":
        values = values / patches.norm(dim=-1).clamp_min(torch.finfo(patches.dtype).tiny)
    else:
        values = values / tokens.features.norm(dim=-1, keepdim=True)
    return values.unflatten(-1, tokens.grid)

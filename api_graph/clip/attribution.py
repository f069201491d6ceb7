"""API's first step in one call: which patches of an image matter for a query, by CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from api_graph.clip.decompose import Recipe, encode_image
from api_graph.clip.images import Images
from api_graph.clip.maps import Similarity, psi_cls, similarity_map
from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text
from api_graph.geometry import Geometry
from api_graph.pixels.combine import soft_or
from api_graph.pixels.reference import merge_mask


@dataclass(frozen=True, eq=False)
class ClipAttribution:
    """Ψcls, Ψcomp and their combination: float32 (n, gh, gw) on the CPU; `geometry` says where each map's
    cells lie.
    """

    cls: Tensor
    comp: Tensor
    combined: Tensor
    geometry: tuple[Geometry, ...]


def clip_attribution(
    model: ClipModel,
    images: Images | None = None,
    queries: str | Sequence[str] | None = None,
    *,
    pixel_values: Tensor | None = None,
    token_ids: Tensor | None = None,
    recipe: Recipe = "paper",
    start_layer: int | None = None,
    layer: int | None = None,
    similarity: Similarity | None = None,
    kernel_size: int = 3,
    contrast: float = 5.0,
) -> ClipAttribution:
    """Attribute queries to image patches. Images × queries: 1 × n (the image is encoded once), n × 1, or n
    pairs.

    `recipe="paper"`: `combined` is the soft OR of the raw maps (API eq. 7); `kernel_size` and `contrast` play
    no part.
    `recipe="reference"`: `cls` and `comp` are the official code's raw maps at `layer`; `combined` is its mask
    on the token grid, sharpened by `contrast` and smoothed over `kernel_size` × `kernel_size` tokens
    (kernel_size is odd). The other arguments are those of `encode_image`, `encode_text` and `psi_cls`.
    """
    tokens = encode_image(model, images, pixel_values=pixel_values, recipe=recipe, start_layer=start_layer, layer=layer)
    text = encode_text(model, queries, token_ids=token_ids)
    cls, alike = psi_cls(tokens, text, similarity).cpu(), similarity_map(tokens.tokens, tokens, text, similarity).cpu()
    comp = 1 - alike
    # The complement of a float32 is exact in float64.
    exact = 1 - alike.double()
    combined = soft_or(cls, comp) if recipe == "paper" else merge_mask(cls, exact, kernel_size, contrast)
    return ClipAttribution(cls, comp, combined, tokens.placed(cls).geometry)

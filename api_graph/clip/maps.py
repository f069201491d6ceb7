"""Ψ from tokens and a query: two products of an (N, E) matrix with a vector (API eq. 5 to 7)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from api_graph.clip.decompose import ImageTokens
from api_graph.clip.text import QueryFeatures
from api_graph.errors import BadInput

Similarity = Literal["cosine", "contribution"]


def psi_cls(tokens: ImageTokens, query: QueryFeatures | Tensor, similarity: Similarity | None = None) -> Tensor:
    """Ψcls = sim(ψ_t, T̂): what each patch carries of the query into the image feature (API eq. 5).

    `similarity` "cosine" is the paper's; "contribution" is ⟨ψ_t, T̂⟩ / ‖Î‖, of which the sum over patches is
    their share of the image's score. None takes the recipe's own: cosine for the paper, contribution for the
    reference. Returns float32 (n, gh, gw): n images and one query, one image and n queries, or n pairs;
    BadInput otherwise.
    """
    return similarity_map(tokens.contributions, tokens, query, similarity)


def psi_comp(tokens: ImageTokens, query: QueryFeatures | Tensor, similarity: Similarity | None = None) -> Tensor:
    """Ψcomp = 1 − sim(ℒ(Z_t), T̂): high where a patch token itself says something else (API eq. 6).

    Arguments and result as in `psi_cls`.
    """
    return 1 - similarity_map(tokens.tokens, tokens, query, similarity)


def similarity_map(
    patches: Tensor, tokens: ImageTokens, query: QueryFeatures | Tensor, similarity: Similarity | None = None
) -> Tensor:
    """How similar what is known of each patch, (B, N, E), is to the query: float32 (n, gh, gw), as in `psi_cls`."""
    if similarity is None:
        similarity = "cosine" if tokens.recipe == "paper" else "contribution"
    if similarity not in get_args(Similarity):
        raise BadInput(
            "unknown similarity", input="similarity", value=similarity, hint="Use 'cosine' or 'contribution'."
        )
    text = query.features if isinstance(query, QueryFeatures) else query
    text = F.normalize(text.to(patches), dim=-1)  # (Q, E)
    count = _pairs(patches, text)
    values = torch.matmul(patches.expand(count, -1, -1), text.expand(count, -1).unsqueeze(-1)).squeeze(-1)  # (n, N)
    if similarity == "cosine":
        values = values / patches.norm(dim=-1).clamp_min(torch.finfo(patches.dtype).tiny)
    else:
        values = values / tokens.features.norm(dim=-1, keepdim=True)
    return values.unflatten(-1, tokens.grid)


def _pairs(patches: Tensor, text: Tensor) -> int:
    """How many maps B images and Q queries make."""
    if text.ndim != 2 or text.shape[1] != patches.shape[2]:
        raise BadInput(
            f"the query has shape {tuple(text.shape)}, the image tokens have {patches.shape[2]} channels",
            input="query",
            hint="Encode both with the same model.",
        )
    images, queries = len(patches), len(text)
    if images != queries and 1 not in (images, queries):
        raise BadInput(
            f"{images} images and {queries} queries cannot be paired",
            input="query",
            hint="Give one query, one image, or as many queries as images.",
        )
    return max(images, queries)

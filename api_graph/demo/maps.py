"""Ψcls of images and their queries, in the form that `evaluate_maps` asks for."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from api_graph.clip.decompose import encode_image
from api_graph.clip.maps import Similarity, psi_cls
from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text
from api_graph.sockets import Attribution


def cls_map(
    model: ClipModel,
    images: Sequence[Image.Image],
    queries: Sequence[str],
    *,
    similarity: Similarity = "cosine",
    start_layer: int | None = None,
) -> Attribution:
    """Ψcls (API eq. 5) of B images and their B queries, (B, gh, gw); bind the model with `partial`."""
    tokens = encode_image(model, list(images), start_layer=start_layer)
    return tokens.placed(psi_cls(tokens, encode_text(model, list(queries)), similarity))

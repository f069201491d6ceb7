"""Older ways to draw a map from CLIP's attention, to look at beside Ψ."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api_graph.clip import PreparedImages
from api_graph.clip.baselines import BaselineMethod, baseline_map
from api_graph.sockets import Attribution
from api_graph.spec import node

from .attribution import CATEGORY
from .socket_types import Clip, Picture, Query


@node(
    "APBaselineMap",
    category=CATEGORY,
    title="Baseline map",
    store=True,
    aliases=("attention rollout", "raw attention", "Grad-CAM", "compare"),
)
def baseline(
    model: Clip,
    image: Picture,
    query: Query,
    method: Annotated[
        BaselineMethod,
        Field(
            description="raw_attention: the CLS token's, in the last layer. rollout: through all layers. "
            "attention_gradient: times the score's gradient; it alone reads the query."
        ),
    ] = "raw_attention",
) -> Annotated[Attribution, Field(description="One map for each image.")]:
    """An older way to draw a map from attention, to compare Ψ with. Needs a model with a CLS token.

    Rollout is that of Abnar and Zuidema (2020), attention × gradient that of Chefer et al. (2021, bi-modal).
    """
    return baseline_map(model, PreparedImages.of_batches(model, image), query, method)

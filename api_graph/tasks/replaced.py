"""The paper's ablation of what a drawn prompt changes: its attention, or the values that the attention gathers.

In the last layers, a drawn image's values are replaced by the clean image's ("v": what is left of the prompt is where
the model looks), or its queries and keys are ("qk": what is left is what it finds there). The paper gives no details;
here they come from the clean image's own, untouched pass, and all tokens' are replaced.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from api_graph.clip.model import ClipModel, model_input
from api_graph.clip.tower import ClsTower
from api_graph.errors import BadInput
from api_graph.models.layers import Layers, layer_set
from api_graph.pixels.given import Images

Replaced = Literal["v", "qk"]
"""The values, or the queries and keys."""

_AT_ONCE = 32


def replaced_features(
    model: ClipModel, drawn: Images, clean: Images, what: Replaced, *, layers: Layers = "last 4"
) -> Tensor:
    """Features of B drawn images with `what` is replaced by the clean one's: float32 (B, E), not normalised.

    `clean` is one image, or one for each. Raises BadInput for a model that is not pooled by a CLS token.
    """
    tower = model.tower
    if not isinstance(tower, ClsTower):
        raise BadInput("this model has one attention over patches, its pool; nothing to replace", input="model")
    if what not in get_args(Replaced):
        raise BadInput("there is no such part", input="what", value=what, hint="Use v or qk.")
    chosen = layer_set(layers, len(tower.blocks))
    prompted, _ = model_input(model, drawn, None)
    original, _ = model_input(model, clean, None)
    kept: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def keep(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        kept[layer] = (q, k, v)
        return F.scaled_dot_product_attention(q, k, v)

    def replace(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        clean_q, clean_k, clean_v = (one.expand_as(v) for one in kept[layer])
        if what == "v":
            return F.scaled_dot_product_attention(q, k, clean_v)
        return F.scaled_dot_product_attention(clean_q, clean_k, v)

    with torch.no_grad():
        tower.run(original, keep, chosen)
        behind = [tower.run(some, replace, chosen)[0][:, 0] for some in prompted.split(_AT_ONCE)]
        return tower.head(torch.cat(behind)).float()

"""Which adapter lays open which vision tower."""

from __future__ import annotations

from torch import nn

from api_graph.clip.pooling import PooledTower
from api_graph.clip.vision import ClsTower
from api_graph.errors import BadInput

WHAT_WORKS = (
    "A vision transformer with a CLS token (ViT-B-32, ViT-B-16, ViT-L-14, EVA02-B-16, ...) or an attention-pooled one "
    "(ViT-B-16-SigLIP, coca_ViT-B-32, ...) works."
)


def tower_of(visual: nn.Module) -> ClsTower | PooledTower:
    """The adapter of `visual`, found by the names of its parts; BadInput if there is none."""
    from api_graph.clip.open_clip_tower import open_clip_tower
    from api_graph.clip.timm_tower import timm_tower

    if hasattr(visual, "conv1") and hasattr(visual, "transformer"):
        return open_clip_tower(visual)
    if hasattr(visual, "trunk"):
        return timm_tower(visual)
    raise BadInput(f"a {type(visual).__name__} has no patch tokens to attribute to", input="model", cure=WHAT_WORKS)

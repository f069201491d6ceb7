"""Which adapter lays open which vision tower."""

from __future__ import annotations

from torch import nn

from api_graph.clip.block import WHAT_WORKS
from api_graph.clip.open_clip_tower import open_clip_tower
from api_graph.clip.pooling import PooledTower
from api_graph.clip.timm_tower import timm_tower
from api_graph.clip.vision import ClsTower
from api_graph.errors import BadInput


def tower_of(visual: nn.Module) -> ClsTower | PooledTower:
    """The adapter of `visual`, found by the names of its parts; BadInput if there is none."""
    if hasattr(visual, "conv1") and hasattr(visual, "transformer"):
        return open_clip_tower(visual)
    if hasattr(visual, "trunk"):
        return timm_tower(visual)
    raise BadInput(f"a {type(visual).__name__} has no patch tokens to attribute to", input="model", hint=WHAT_WORKS)

"""CLIP: load it, and decompose what it sees into contributions of patches."""

from api_graph.arguments import typed
from api_graph.clip import load as _load
from api_graph.clip.decompose import ImageTokens, LayerChoice, encode_image, encode_image_at
from api_graph.clip.foveal import ImageFeatures, foveal_features
from api_graph.clip.foveal_masks import foveal_mask
from api_graph.clip.maps import ClipAttribution, clip_attribution, psi_cls, psi_comp
from api_graph.clip.model import ClipModel, PreparedImages
from api_graph.clip.text import QueryFeatures, encode_queries, encode_text
from api_graph.models.device import choose_device, choose_dtype
from api_graph.models.source import clip_identity as checkpoint_identity

# Nodes call the function itself: their inputs have been looked at with the graph.
load_clip = typed()(_load.load_clip)

__all__ = [
    "ClipAttribution",
    "ClipModel",
    "ImageFeatures",
    "ImageTokens",
    "LayerChoice",
    "PreparedImages",
    "QueryFeatures",
    "checkpoint_identity",
    "choose_device",
    "choose_dtype",
    "clip_attribution",
    "encode_image",
    "encode_image_at",
    "encode_queries",
    "encode_text",
    "foveal_features",
    "foveal_mask",
    "load_clip",
    "psi_cls",
    "psi_comp",
]

"""LLaVA 1.5: one view, row-major; CLIP's centre crop or LLaVA's own padding to a square, as the processor is set."""

from __future__ import annotations

from typing import Any

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.places.preprocessing import patched, seen_rectangle
from api_graph.lvlm.places.prompted import Prompted
from api_graph.lvlm.places.view import View


def views(prompted: Prompted) -> list[list[View]]:
    """One view per image, from `pixel_values` (n, 3, H, W); the CLS token, where it is kept, comes first."""
    if "image_sizes" in prompted.inputs:
        raise BadInput(
            "this LLaVA's vision tower takes images of any size (Pixtral), which is not known here",
            input="config",
            value=prompted.config.vision_config.model_type,
            hint="Use a LLaVA with a CLIP or SigLIP tower.",
        )
    pixels = tuple(prompted.fact("pixel_values").shape[-2:])
    before = _leading_tokens(prompted.config)
    return [[_view(prompted, size, pixels, before)] for size in prompted.images]


def _view(prompted: Prompted, size: tuple[int, int], pixels: tuple[int, ...], before: int) -> View:
    area, shown = Geometry.whole(*size), pixels
    if prompted.processor is not None:
        area, shown = seen_rectangle(prompted.processor.image_processor, *size)
    if shown != pixels:
        raise BadInput(
            f"by its settings the processor shows images at {shown}, but pixel_values are {pixels}",
            input="processor",
            hint="Set up the processor itself, not its single calls.",
        )
    grid, area = patched(area, (pixels[0], pixels[1]), prompted.config.vision_config.patch_size)
    return View(grid, area, before)


def _leading_tokens(config: Any) -> int:
    """1 where the CLS token is kept among the image tokens (feature strategy "full" of a CLIP tower)."""
    has_cls = config.vision_config.model_type == "clip_vision_model"
    return int(has_cls and getattr(config, "vision_feature_select_strategy", "default") == "full")

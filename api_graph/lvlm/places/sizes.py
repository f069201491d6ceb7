"""How large the images were, where only the tensors say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api_graph.errors import BadInput
from api_graph.lvlm.places.prompted import Size


def sizes_from_tensors(config: Any, inputs: Mapping[str, Any], prompts: int) -> list[list[Size]]:
    """The source sizes that the tensors themselves give, as many images to each prompt.

    `image_sizes` (n, 2) hold height and width; `image_grid_thw` (n, 3) counts patches; `pixel_values` (n, 3, H, W) are
    the whole images.
    """
    pixels = inputs.get("pixel_values")
    if "image_sizes" in inputs:
        sizes = [(int(width), int(height)) for height, width in inputs["image_sizes"]]
    elif "image_grid_thw" in inputs:
        patch = config.vision_config.patch_size
        sizes = [(int(width) * patch, int(height) * patch) for _, height, width in inputs["image_grid_thw"]]
    elif pixels is not None and pixels.ndim == 4:
        sizes = [(pixels.shape[3], pixels.shape[2])] * len(pixels)
    else:
        raise _unknown("the tensors do not say how large the images were")
    if len(sizes) % prompts:
        raise _unknown(f"{len(sizes)} images cannot be shared out evenly to {prompts} prompts")
    each = len(sizes) // prompts
    return [sizes[i * each : (i + 1) * each] for i in range(prompts)]


def _unknown(problem: str) -> BadInput:
    return BadInput(problem, input="sizes", hint="Give the (width, height) of every image of every prompt.")

"""`annotate`: images and questions in, annotated images out. The whole of API(CLIP) as one function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, get_args

import torch
from PIL import Image as PillowImage
from torch import Tensor

from api_graph.arguments import typed
from api_graph.clip import ClipAttribution, ClipModel, clip_attribution, load_clip
from api_graph.clip.decompose import Recipe
from api_graph.clip.maps import Similarity
from api_graph.errors import BadInput
from api_graph.pixels.blend import alpha_blend, reference_blend
from api_graph.pixels.heatmap import Normalization, mean_filter, normalize, soft_or
from api_graph.pixels.read import Images, as_pictures, to_pil, to_tensor
from api_graph.pixels.resize import Interpolation, to_pixels
from api_graph.sockets import Attribution

Psi = Literal["both", "cls", "comp"]

PAPER_KERNEL = 15
REFERENCE_KERNEL = 3


@dataclass(frozen=True, eq=False)
class Annotated:
    """An annotated image, the heatmap Φ (H, W) float32 in [0, 1] that made it, and the map on the token grid."""

    image: PillowImage.Image
    heatmap: Tensor
    attribution: Attribution


@typed(name="model", mode="normalization")
def annotate(
    images: Images,
    queries: str | Sequence[str],
    model: str | ClipModel = "demo",
    recipe: Recipe = "paper",
    *,
    start_layer: int | None = None,
    layer: int | None = None,
    psi: Psi = "both",
    similarity: Similarity | None = None,
    normalization: Normalization = "minmax",
    contrast: float = 5.0,
    kernel_size: int | None = None,
    interpolation: Interpolation | None = None,
    **blend: Any,
) -> list[Annotated]:
    """Show a model where to look for each question (API section 3).

    `images` are PIL images, paths or (B, H, W, 3) tensors, `queries` one question or several: equal numbers pair up,
    one image takes many questions and one question many images. `recipe="paper"`: Ψcls and Ψcomp are each normalised,
    combined (soft OR; `psi` takes one of them alone), resized with the geometry that the model saw, smoothed over
    `kernel_size` pixels (15) and blended; `blend` goes to `pixels.blend.alpha_blend` (background, strength, ...).
    `recipe="reference"`: as the official code does it, with `kernel_size` in tokens (3) and only `grey` (0 to 255) to
    blend with. Raises BadInput for what cannot be used.
    """
    model = load_clip(model) if isinstance(model, str) else model
    pictures = as_pictures(images)
    maps = clip_attribution(
        model,
        pictures,
        queries,
        recipe=recipe,
        start_layer=start_layer,
        layer=layer,
        similarity=similarity,
        kernel_size=kernel_size or REFERENCE_KERNEL,
        contrast=contrast,
    )
    together = maps.attribution
    if recipe != "reference":
        together = together.with_values(_combined(maps, psi, normalization, contrast))
    pictures = pictures * (len(together.geometry) // len(pictures))
    annotated = []
    with torch.inference_mode():
        for picture, attribution in zip(pictures, together.each(), strict=True):
            pixels = to_tensor(picture, eight_bits=True)[0]
            if recipe == "reference":
                heatmap = to_pixels(attribution, geometry="reference", interpolation=interpolation or "lanczos")
                blended = reference_blend(pixels, heatmap, **blend)
            else:
                heatmap = to_pixels(attribution, interpolation=interpolation or "bicubic")
                heatmap = mean_filter(heatmap, kernel_size or PAPER_KERNEL)
                blended = alpha_blend(pixels, heatmap, **blend)
            annotated.append(Annotated(to_pil(blended)[0], heatmap[0], attribution))
    return annotated


def _combined(maps: ClipAttribution, psi: Psi, normalization: Normalization, contrast: float) -> Tensor:
    """The map (n, gh, gw) that annotates: the soft OR expects both of its maps in [0, 1]."""
    if psi not in get_args(Psi):
        raise BadInput("unknown choice of maps", input="psi", value=psi, hint="Use 'both', 'cls' or 'comp'.")
    wanted = [getattr(maps, name) for name in ("cls", "comp") if psi in ("both", name)]
    return reduce(soft_or, [normalize(values, normalization, contrast) for values in wanted])

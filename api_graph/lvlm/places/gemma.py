"""PaliGemma and Gemma 3: one squashed view; Gemma 3's pan and scan adds crops along the longer side."""

from __future__ import annotations

import math

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.places.llava import views as one_view_each
from api_graph.lvlm.places.prompted import Prompted, Size
from api_graph.lvlm.places.tiles import whole
from api_graph.lvlm.places.view import View


def paligemma_views(prompted: Prompted) -> list[list[View]]:
    """One view per image, as the processor's size says: the whole image, stretched to a square."""
    return one_view_each(prompted)


def gemma3_views(prompted: Prompted) -> list[list[View]]:
    """The whole image, then its crops, where it has any: each view is one run of tokens."""
    side = int(prompted.config.mm_tokens_per_image**0.5)
    found = []
    for prompt, sizes in enumerate(prompted.sizes):
        shown = len(prompted.runs(prompt))
        if shown != len(sizes) and not (shown > 1 and len(sizes) == 1):
            raise BadInput(
                f"prompt {prompt} has {shown} views of {len(sizes)} images, and nothing says which are whose",
                input="inputs",
                hint="Give the size of every image; with do_pan_and_scan, show one image at a time.",
            )
        crops = shown - len(sizes)
        found += [[whole(size, (side, side)), *_crops(size, (side, side), crops)] for size in sizes]
    return found


def _crops(size: Size, grid: tuple[int, int], count: int) -> list[View]:
    """Crops of equal length along the longer side, from the left or the top; the last may be shorter."""
    width, height = size
    along = max(width, height)
    step = math.ceil(along / count) if count else along
    ends = [(i * step, min((i + 1) * step, along)) for i in range(count)]
    if width >= height:
        return [View(grid, Geometry(width, height, start, 0, end, height)) for start, end in ends]
    return [View(grid, Geometry(width, height, 0, start, width, end)) for start, end in ends]

"""Families that show tiles or crops besides the whole image: InternVL, Aya Vision, Idefics3 and SmolVLM, Gemma 3."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.layout.facts import PromptFacts, Size
from api_graph.lvlm.layout.views import ViewSpec

Grid = tuple[int, int]


def whole_view(size: Size, grid: Grid) -> ViewSpec:
    """The whole image in one view of `grid` tokens."""
    return ViewSpec(grid, Geometry.whole(*size))


def tile_views(size: Size, grid: Grid, rows: int, columns: int) -> list[ViewSpec]:
    """The tiles of an image that is stretched over rows × columns of them, row by row; each has `grid` tokens."""
    width, height = size
    return [
        ViewSpec(
            grid,
            Geometry(
                width,
                height,
                column * width / columns,
                row * height / rows,
                (column + 1) * width / columns,
                (row + 1) * height / rows,
            ),
        )
        for row in range(rows)
        for column in range(columns)
    ]


# ---------------------------------------------------------------- InternVL


def internvl_views(facts: PromptFacts) -> list[list[ViewSpec]]:
    """InternVL: tiles row-major over a canvas to which the image is stretched, then a thumbnail of the whole.

    Each image is one run of tokens, whose length says how many tiles there are.
    """
    vision, shuffle = facts.config.vision_config, facts.config.downsample_ratio
    (tile_h, tile_w), (patch_h, patch_w) = _pair(vision.image_size), _pair(vision.patch_size)
    grid = int(tile_h // patch_h * shuffle), int(tile_w // patch_w * shuffle)  # after the pixel shuffle
    found = []
    for prompt, sizes in enumerate(facts.sizes):
        runs = facts.runs(prompt)
        if len(runs) != len(sizes):
            raise BadInput(
                f"prompt {prompt} has {len(runs)} runs of image tokens, but {len(sizes)} image sizes",
                input="sizes",
                value=sizes,
                hint="Give the size of every image of every prompt; videos are not supported.",
            )
        for size, (_, tokens) in zip(sizes, runs, strict=True):
            tiles = tokens // (grid[0] * grid[1]) - 1  # the last one is the thumbnail
            shape = internvl_canvas(size, tiles, tile_h * tile_w) if tiles > 0 else None
            found.append([*(tile_views(size, grid, *shape) if shape else []), whole_view(size, grid)])
    return found


# -------------------------------------------------------------- Aya Vision


def aya_views(facts: PromptFacts) -> list[list[ViewSpec]]:
    """Aya Vision: tiles row-major over a canvas to which the image is stretched, then the whole image.

    Every view is one run of tokens. Between two images stands the token that ends one, if the prompt has several.
    """
    vision = facts.config.vision_config
    side = vision.image_size // vision.patch_size // facts.config.downsample_factor
    found = []
    for prompt, sizes in enumerate(facts.sizes):
        counts = _views_per_image(facts, prompt)
        if len(counts) != len(sizes):
            raise BadInput(
                f"prompt {prompt} shows {len(counts)} images, but {len(sizes)} sizes were given",
                input="sizes",
                value=sizes,
                hint="Give the size of every image of every prompt.",
            )
        for size, views in zip(sizes, counts, strict=True):
            shape = internvl_canvas(size, views - 1, vision.image_size**2) if views > 1 else None
            tiles = tile_views(size, (side, side), *shape) if shape else []
            found.append([*tiles, whole_view(size, (side, side))])
    return found


def _views_per_image(facts: PromptFacts, prompt: int) -> list[int]:
    runs = facts.runs(prompt)
    if len(facts.sizes[prompt]) < 2 or not runs:
        return [len(runs)] if runs else []
    if facts.processor is None:
        raise BadInput(
            "only the processor knows where one image ends and the next begins",
            input="processor",
            hint="Give the model's processor, or show one image at a time.",
        )
    ids = facts.inputs["input_ids"][prompt].tolist()
    end_word: Any = facts.processor  # a name that only this family's processor has
    end = end_word.tokenizer.convert_tokens_to_ids(end_word.end_of_img_token)
    counts = [1]
    for (start, length), (following, _) in itertools.pairwise(runs):
        if end in ids[start + length : following]:
            counts.append(1)
        else:
            counts[-1] += 1
    return counts


def internvl_canvas(size: Size, tiles: int, tile_area: int) -> tuple[int, int]:
    """Rows and columns of a canvas of so many tiles: the one closest to the image's aspect.

    Of two that are equally close, the processor takes the wider where the image has more than half the canvas's pixels.
    """
    width, height = size
    canvases = [(tiles // columns, columns) for columns in range(1, tiles + 1) if tiles % columns == 0]
    off = [abs(width / height - columns / rows) for rows, columns in canvases]
    closest = [canvas for canvas, distance in zip(canvases, off, strict=True) if distance == min(off)]
    return closest[-1] if width * height > 0.5 * tile_area * tiles else closest[0]


def _pair(side: int | list[int] | tuple[int, int]) -> tuple[int, int]:
    return (side, side) if isinstance(side, int) else (side[0], side[1])


# ----------------------------------------------------- Idefics3 and SmolVLM

_TAG = re.compile(r"<row_(\d+)_col_(\d+)>$")

TileTag = tuple[int, int]
"""Row and column of a tile, counted from 1; (0, 0) is the whole image."""


def idefics_views(facts: PromptFacts) -> list[list[ViewSpec]]:
    """Idefics3 and SmolVLM: tiles row by row, each after its tag `<row_i_col_j>`, and the whole image last.

    Every view is one run of tokens; the text before the run says which tile it is.
    """
    vision = facts.config.vision_config
    side = vision.image_size // vision.patch_size // facts.config.scale_factor
    found = []
    for prompt, sizes in enumerate(facts.sizes):
        images = _tiles_by_image(_tile_tags(facts, prompt))
        if len(images) != len(sizes):
            raise BadInput(
                f"prompt {prompt} shows {len(images)} whole images, but {len(sizes)} sizes were given",
                input="sizes",
                value=sizes,
                hint="Give the size of every image of every prompt, and the prompt uncut.",
            )
        for tags, size in zip(images, sizes, strict=True):
            rows, columns = max(tags, default=(0, 0))
            if tags != [(row, column) for row in range(1, rows + 1) for column in range(1, columns + 1)]:
                raise BadInput("the tiles of an image do not fill rows and columns", input="inputs", value=tags)
            tiles = tile_views(size, (side, side), rows, columns)
            found.append([*tiles, whole_view(size, (side, side))])
    return found


def _tile_tags(facts: PromptFacts, prompt: int) -> list[TileTag]:
    runs = facts.runs(prompt)
    if facts.processor is None:
        if len(runs) > len(facts.sizes[prompt]):
            raise BadInput(
                "an image is split into tiles, and only the tokenizer knows where each belongs",
                input="processor",
                hint="Give the model's processor.",
            )
        return [(0, 0)] * len(runs)
    ids = facts.inputs["input_ids"][prompt].tolist()
    tags, end = [], 0
    for start, length in runs:
        match = _TAG.search(facts.processor.tokenizer.decode(ids[end:start]))
        tags.append((int(match[1]), int(match[2])) if match else (0, 0))
        end = start + length
    return tags


def _tiles_by_image(tags: list[TileTag]) -> list[list[TileTag]]:
    """The tags of each image's tiles: its whole view ends an image."""
    images: list[list[TileTag]] = []
    tiles: list[TileTag] = []
    for tag in tags:
        if tag == (0, 0):
            images.append(tiles)
            tiles = []
        else:
            tiles.append(tag)
    if tiles:
        raise BadInput("the prompt ends before its last image does", input="inputs", hint="Give the prompt uncut.")
    return images


# ----------------------------------------------------------------- Gemma 3


def gemma3_views(facts: PromptFacts) -> list[list[ViewSpec]]:
    """Gemma 3: the whole image, squashed, then its crops by pan and scan, if any. A view is one run of tokens."""
    side = int(facts.config.mm_tokens_per_image**0.5)
    found = []
    for prompt, sizes in enumerate(facts.sizes):
        shown = len(facts.runs(prompt))
        if shown != len(sizes) and not (shown > 1 and len(sizes) == 1):
            raise BadInput(
                f"prompt {prompt} has {shown} views of {len(sizes)} images, and nothing says which are whose",
                input="inputs",
                hint="Give the size of every image; with do_pan_and_scan, show one image at a time.",
            )
        crops = shown - len(sizes)
        found += [[whole_view(size, (side, side)), *_crops(size, (side, side), crops)] for size in sizes]
    return found


def _crops(size: Size, grid: Grid, count: int) -> list[ViewSpec]:
    """Crops of equal length along the longer side, from the left or the top; the last may be shorter."""
    width, height = size
    along = max(width, height)
    step = math.ceil(along / count) if count else along
    ends = [(i * step, min((i + 1) * step, along)) for i in range(count)]
    if width >= height:
        return [ViewSpec(grid, Geometry(width, height, start, 0, end, height)) for start, end in ends]
    return [ViewSpec(grid, Geometry(width, height, 0, start, width, end)) for start, end in ends]

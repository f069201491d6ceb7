"""Idefics3 and SmolVLM: tiles row by row, each behind its `<row_i_col_j>`, and the whole image last."""

from __future__ import annotations

import re

from api_graph.errors import BadInput
from api_graph.lvlm.places.prompted import Prompted, Size
from api_graph.lvlm.places.tiles import tiled, whole
from api_graph.lvlm.places.view import View

_TAG = re.compile(r"<row_(\d+)_col_(\d+)>$")

Tag = tuple[int, int]
"""Row and column of a tile, counted from 1; (0, 0) is the whole image."""


def views(prompted: Prompted) -> list[list[View]]:
    """Every view is one run of tokens; the text before it says which tile it is."""
    found = []
    for prompt, sizes in enumerate(prompted.sizes):
        images = _images(_tags(prompted, prompt))
        if len(images) != len(sizes):
            raise BadInput(
                f"prompt {prompt} shows {len(images)} whole images, but {len(sizes)} sizes were given",
                input="sizes",
                value=sizes,
                hint="Give the size of every image of every prompt, and the prompt uncut.",
            )
        found += [_views(prompted, tags, size) for tags, size in zip(images, sizes, strict=True)]
    return found


def _tags(prompted: Prompted, prompt: int) -> list[Tag]:
    runs = prompted.runs(prompt)
    if prompted.processor is None:
        if len(runs) > len(prompted.sizes[prompt]):
            raise BadInput(
                "an image is split into tiles, and only the tokenizer knows where each belongs",
                input="processor",
                hint="Give the model's processor.",
            )
        return [(0, 0)] * len(runs)
    ids = prompted.inputs["input_ids"][prompt].tolist()
    tags, end = [], 0
    for start, length in runs:
        match = _TAG.search(prompted.processor.tokenizer.decode(ids[end:start]))
        tags.append((int(match[1]), int(match[2])) if match else (0, 0))
        end = start + length
    return tags


def _images(tags: list[Tag]) -> list[list[Tag]]:
    """Cut the prompt's views into images: each ends with its whole view."""
    images: list[list[Tag]] = []
    tiles: list[Tag] = []
    for tag in tags:
        if tag == (0, 0):
            images.append(tiles)
            tiles = []
        else:
            tiles.append(tag)
    if tiles:
        raise BadInput("the prompt ends before its last image does", input="inputs", hint="Give the prompt uncut.")
    return images


def _views(prompted: Prompted, tags: list[Tag], size: Size) -> list[View]:
    vision = prompted.config.vision_config
    side = vision.image_size // vision.patch_size // prompted.config.scale_factor
    rows, columns = max(tags, default=(0, 0))
    if tags != [(row, column) for row in range(1, rows + 1) for column in range(1, columns + 1)]:
        raise BadInput("the tiles of an image do not fill rows and columns", input="inputs", value=tags)
    return [*tiled(size, (side, side), rows, columns), whole(size, (side, side))]

"""Bytes that nodes make, told from their inputs before they run, where it may be much more than the inputs have.

Each is a node's `estimate` and is given the inputs that it names. The limits are in `api_graph.settings`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from api_graph.clip import ClipModel
from api_graph.lvlm import WordMaps
from api_graph.pixels.pairing import EVERY, Pairing
from api_graph.segs import Segs
from api_graph.sockets import Attribution
from api_graph.tasks.socket_types import PointClouds

from .socket_types import AnyBoxes, boxes_of, count_of

_FLOAT, _PIXEL = 4, 12
_FEATURE = 2048
"""Bytes of a text's feature, and of the text on its way to it."""
_TEXT = 64
"""Bytes of Python's text, besides its characters."""
_BOX = 256
"""Bytes of a box's four numbers while they are read."""
_CHARACTERS_PER_PIXEL, _LINE = 1 / 6, 18
"""Of a caption."""


def lines(text: str) -> int:
    """A text for each line of a text."""
    return _TEXT * (text.count("\n") + 1) + len(text)


def boxes_in(boxes: str) -> int:
    """Boxes from a text."""
    return _BOX * (boxes.count("\n") + boxes.count("]") + boxes.count(";") + 1)


def drawn(image: Tensor, boxes: AnyBoxes, together: bool, pairing: Pairing) -> int:
    """An image for each box on each image, or each with all of them, and where each box covers the image."""
    return _drawn(image, count_of(boxes), together, pairing)


def drawn_on_masks(image: Tensor, masks: Tensor, together: bool, pairing: Pairing) -> int:
    """The same of masks."""
    return _drawn(image, len(masks), together, pairing)


def _drawn(image: Tensor, regions: int, together: bool, pairing: Pairing) -> int:
    results = len(image) if together or pairing != EVERY else len(image) * regions
    height, width = image.shape[1:3]
    return (results * _PIXEL + regions * _FLOAT) * height * width


def cropped(image: Tensor, boxes: AnyBoxes, enlarge: float, together: bool, pairing: Pairing) -> int:
    """The inside of each box; together, one crop of the image at most."""
    height, width = image.shape[1:3]
    if together or not count_of(boxes):
        return _PIXEL * image.shape[0] * height * width
    found = boxes_of(boxes, image, pairing)
    sides = (found.values[:, 2:] - found.values[:, :2]) * enlarge
    areas = torch.minimum(sides, torch.tensor([width, height], dtype=sides.dtype)).prod(1)
    return int(areas.sum()) * (len(image) if pairing == EVERY else 1) * _PIXEL


def regions_of_segs(segs: object) -> int:
    """A mask of the image for each region."""
    (height, width), regions = cast("Segs", segs)
    return len(regions) * height * width * _FLOAT


def segs_of_boxes(image: Tensor, boxes: AnyBoxes, crop_factor: float) -> int:
    """A crop of the image and of a mask for each box, and the whole mask on the way."""
    height, width = image.shape[1:3]
    found = boxes_of(boxes, image)
    sides = (found.values[:, 2:] - found.values[:, :2]) * crop_factor
    areas = torch.minimum(sides, torch.tensor([width, height], dtype=sides.dtype)).prod(1)
    return int(areas.sum()) * (_PIXEL + _FLOAT)


def segmented(image: Tensor, boxes: AnyBoxes | None, pairing: Pairing) -> int:
    """A mask for each box, and the model's answer for each pixel of it; without boxes, what is found is not known."""
    if boxes is None:
        return 0
    height, width = image.shape[1:3]
    return count_of(boxes) * (len(image) if pairing == EVERY else 1) * height * width * 2 * _FLOAT


def overlaid(image: Tensor, heatmap: Tensor) -> int:
    """An image for each heatmap."""
    return max(len(image), len(heatmap)) * image.shape[1] * image.shape[2] * _PIXEL


def panels(image: Tensor) -> int:
    """Two images for each: a model's tiles, and the whole."""
    return 2 * len(image) * image.shape[1] * image.shape[2] * _PIXEL


def solid(width: int, height: int) -> int:
    """A mask."""
    return width * height * _FLOAT


def scaled(image: Tensor, width: int, height: int) -> int:
    """Each image at another size; a side of 0 follows from the other."""
    old_height, old_width, channels = image.shape[1:4]
    wide, tall = width or old_width * height / old_height, height or old_height * width / old_width
    return int(len(image) * wide * tall) * channels * _FLOAT


def resized(attribution: Attribution) -> int:
    """A heatmap of the source image's size for each map."""
    return sum(one.width * one.height for one in attribution.geometry) * _FLOAT


def foveal_masks(model: ClipModel, boxes: AnyBoxes | None) -> int:
    """A map on the model's patches for each box: first in float64."""
    return 0 if boxes is None else count_of(boxes) * math.prod(model.tower.grid) * 3 * _FLOAT


def sheet(images: Sequence[Tensor], captions: Sequence[str] | None, columns: int, cell: int) -> int:
    """A cell for each picture, and lines for its caption; of the sheet, bytes and floats."""
    count = sum(map(len, images))
    tallest = max((min(1.0, image.shape[1] / image.shape[2]) for image in images), default=1.0)
    text = max((len(c) / (cell * _CHARACTERS_PER_PIXEL) + c.count("\n") for c in captions or ()), default=0.0)
    rows, width = math.ceil(count / columns), min(columns, count) * cell
    return int(rows * (cell * tallest + text * _LINE) * width) * (4 + _PIXEL)


def words_strip(image: Tensor, words: WordMaps, beside: WordMaps | None, columns: int, cell: int) -> int:
    """A picture and its heatmap for each word of either, and of the sheet bytes and floats."""
    count = 1 + len(words.words) + len(beside.words if beside else ())
    side = cell * cell * min(image.shape[1:3]) / max(image.shape[1:3])
    return int((count + columns) * side) * (4 + _FLOAT + 2 * _PIXEL)


def projected(points: PointClouds, side: int) -> int:
    """Six pictures and masks of each cloud."""
    return len(points.points) * 6 * side * side * 2 * (_PIXEL + _FLOAT)


def label_features(labels: str, templates: str) -> int:
    """A feature for each label in each template."""
    return (labels.count("\n") + 1) * (templates.count("\n") + 1) * _FEATURE


def caption_features(captions: str, count: int) -> int:
    """A feature for each of the captions that are drawn."""
    return min(captions.count("\n") + 1, count) * _FEATURE


def encoded(model: ClipModel, image: Tensor) -> int:
    """Two vectors, at the least of 512 numbers, for each patch of each image."""
    return len(image) * math.prod(model.tower.grid) * 2 * 512 * _FLOAT

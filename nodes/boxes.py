"""Boxes of other packs and of ComfyUI itself: what nodes take beside our own, and what they hand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from api_graph.bounding_boxes import BoundingBoxes, boxes_of_all
from api_graph.pixels.pairing import EVERY
from api_graph.regions import Boxes


def boxes_of(given: Boxes | BoundingBoxes, image: Tensor, pairing: object = EVERY) -> Boxes:
    """The boxes that were linked to a node, whichever of its two sockets they came through.

    BOUNDING_BOX is read for images (B, H, W, 3), and what reaches beyond them is cut off. `Boxes` stay as they are: who
    takes them looks at their size.
    """
    if not isinstance(given, Mapping | Sequence):
        return given
    one_each = pairing == "box i on image i"
    return boxes_of_all(given, (image.shape[2], image.shape[1]), len(image), one_each=one_each)

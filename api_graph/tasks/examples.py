"""Examples with their truth, on which the tasks are scored; `api_graph.bench.readers` reads them from benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from api_graph.regions import boxes_around
from api_graph.tasks.record import Box


@dataclass(frozen=True)
class ReferringExample:
    """An image, the candidate `boxes`, the gold `targets`, and the `captions` that refer to them."""

    image: Path
    boxes: tuple[Box, ...]
    targets: tuple[Box, ...]
    captions: tuple[str, ...]

    def candidates(self, size: tuple[int, int], *, area_threshold: float = 0.0) -> tuple[Box, ...]:
        """The boxes to choose among in an image of `size` = (width, height) pixels.

        Without any detection that is the whole image. Boxes whose share of the image is not above
        `area_threshold` are left out, unless none would be left.
        """
        width, height = size
        boxes = self.boxes or ((0.0, 0.0, float(width), float(height)),)
        area = float(width * height)
        large = tuple(box for box in boxes if (box[2] - box[0]) * (box[3] - box[1]) / area > area_threshold)
        return large or boxes


@dataclass(frozen=True)
class LabelledImage:
    """A picture, the index of its label, and where the object is.

    The region is `boxes` (none: the whole picture), or `mask`, which decodes a bool (H, W) array when asked. `group`
    names the part of the benchmark that is scored on its own.
    """

    image: Path
    label: int
    boxes: tuple[Box, ...] = ()
    mask: Callable[[], NDArray[np.bool_]] | None = None
    group: str = ""

    def region(self) -> tuple[Box, ...]:
        """The boxes; for a mask its bounding rectangle, and nothing for an empty one."""
        if self.mask is None:
            return self.boxes
        mask = torch.from_numpy(self.mask()[None])
        if not bool(mask.any()):
            return ()
        left, top, right, bottom = boxes_around(mask).values[0].tolist()
        return ((left, top, right, bottom),)


@dataclass(frozen=True)
class Benchmark:
    """Pictures to classify, and the names that their labels stand for."""

    name: str
    labels: tuple[str, ...]
    examples: tuple[LabelledImage, ...]


@dataclass(frozen=True, eq=False)
class LabelledClouds:
    """A benchmark of n clouds: `points` float32 (n, N, 3), `targets` int64 (n,) into `labels`."""

    name: str
    labels: tuple[str, ...]
    points: Tensor
    targets: Tensor

"""What the readers of classification benchmarks give: pictures with a label and a region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from api_graph.bench.readers.record import Box
from api_graph.regions import boxes_around


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

"""What the readers of classification benchmarks give: pictures with a label and a region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api_graph.tasks.readers.record import Box


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
        return self.boxes if self.mask is None else bounding_box(self.mask())


@dataclass(frozen=True)
class Benchmark:
    """Pictures to classify, and the names that their labels stand for."""

    name: str
    labels: tuple[str, ...]
    examples: tuple[LabelledImage, ...]


def bounding_box(mask: NDArray[np.bool_]) -> tuple[Box, ...]:
    """The smallest box around a mask (H, W), right and bottom exclusive; () if nothing is in it."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return ()
    return ((float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)),)

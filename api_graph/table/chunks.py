"""How many rows go together: enough to fill a model's batches, few enough for what they hold at once to fit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from api_graph.table.row import Row

FIRST = 8
MOST = 128
_GROWTH = 4


class Chunks:
    """Cuts a stream of rows into chunks. The first ones are small; `learn` says what a row has cost in memory.

    `at_once` chunks share `memory` bytes. `fixed` is a size that the user has set, None leaves it to memory.
    """

    def __init__(self, rows: Iterator[Row], memory: int, at_once: int, fixed: int | None = None) -> None:
        self._rows, self._budget, self._fixed = rows, memory // at_once, fixed
        self.size = fixed or FIRST

    def take(self) -> list[Row]:
        """The next rows; none when there are no more."""
        return list(islice(self._rows, self.size))

    def learn(self, bytes_per_row: int) -> None:
        """A chunk has run, whose rows held this much each."""
        if self._fixed is None:
            fitting = self._budget // max(bytes_per_row, 1)
            self.size = max(1, min(fitting, MOST, self.size * _GROWTH))

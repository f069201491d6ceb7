"""How many rows go together: enough to fill a model's batches, few enough for what they hold at once to fit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from api_graph.table.row import Row

FIRST = 8
MOST = 128
LAST = 16
_GROWTH = 4


class Chunks:
    """Cuts a stream of rows into chunks. The first ones are small; `learn` says what a row has cost in memory. So are
    the last, down to LAST rows, for all who are at work to have some until the end.

    `at_once` chunks share `memory` bytes. `fixed` is a size that the user has set, None leaves it to memory.
    """

    def __init__(self, rows: Iterator[Row], memory: int, at_once: int, fixed: int | None = None) -> None:
        self._rows, self._budget, self._at_once, self._fixed = rows, memory // at_once, at_once, fixed
        self._ahead: deque[Row] = deque()
        self.size = FIRST

    def take(self) -> list[Row]:
        """The next rows; none when there are no more."""
        if self._fixed is not None:
            return list(islice(self._rows, self._fixed))
        size = self._size_now()
        return [self._ahead.popleft() for _ in range(min(size, len(self._ahead)))]

    def learn(self, bytes_per_row: int) -> None:
        """A chunk has run, whose rows held this much each."""
        if self._fixed is None:
            fitting = self._budget // max(bytes_per_row, 1)
            self.size = max(1, min(fitting, MOST, self.size * _GROWTH))

    def _size_now(self) -> int:
        """Look ahead: where fewer rows are left than fill two chunks for each hand, they are shared out."""
        enough = 2 * self._at_once * self.size
        self._ahead.extend(islice(self._rows, max(0, enough - len(self._ahead))))
        if len(self._ahead) >= enough:
            return self.size
        return min(self.size, max(LAST, -(-len(self._ahead) // (2 * self._at_once))))

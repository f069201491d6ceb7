"""Chunks of a table: how many rows go together, and when the results that rows share can be dropped."""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from api_graph.table.rows import Row

FIRST = 8
MOST = 128
LAST = 16
_GROWTH = 4


class Chunks:
    """Cuts a stream of rows into chunks, large enough to fill a model's batches and small enough for the memory.

    The first chunks are small; then `learn` says how much memory a row takes. `at_once` chunks run at the same time and
    may hold `memory` bytes together. The last chunks are small too, down to LAST rows, so that there are enough of them
    to the end. `fixed` is a size that the user has set; None derives it from the memory.
    """

    def __init__(self, rows: Iterator[Row], memory: int, at_once: int, fixed: int | None = None) -> None:
        self._rows, self._budget, self._at_once, self._fixed = rows, memory // at_once, at_once, fixed
        self._ahead: deque[Row] = deque()
        self.size = FIRST

    def take(self) -> list[Row]:
        """The next chunk; empty when no rows are left."""
        if self._fixed is not None:
            return list(islice(self._rows, self._fixed))
        enough = 2 * self._at_once * self.size
        self._ahead.extend(islice(self._rows, max(0, enough - len(self._ahead))))
        size = self.size
        if len(self._ahead) < enough:  # the rows are coming to their end: share them out
            size = min(size, max(LAST, -(-len(self._ahead) // (2 * self._at_once))))
        return [self._ahead.popleft() for _ in range(min(size, len(self._ahead)))]

    def learn(self, bytes_per_row: int) -> None:
        """Adapt the size of the next chunks, after a chunk whose rows held this much memory each."""
        if self._fixed is None:
            fitting = self._budget // max(bytes_per_row, 1)
            self.size = max(1, min(fitting, MOST, self.size * _GROWTH))


@dataclass(frozen=True)
class _Group:
    """Nodes that depend on the same `columns`. `left` counts the rows to come, by digest of their values there."""

    columns: tuple[str, ...]
    nodes: tuple[str, ...]
    digests: NDArray[np.int64]  # sorted, without duplicates
    left: NDArray[np.int32]


class ReferenceCounts:
    """Counts how many rows to come need each shared result, so that the last of them can drop it.

    The counts are made from the table beforehand and take 12 bytes for each distinct value, or combination of values,
    that rows share. `nodes` are ids of nodes by the columns that they depend on. `transient` are the nodes of which no
    two rows share a result: their results need not be kept at all.
    """

    def __init__(self, nodes: Mapping[frozenset[str], Collection[str]], rows: Iterable[Row]) -> None:
        self._lock = threading.Lock()
        self._groups: list[_Group] = []
        found = [(tuple(sorted(columns)), tuple(ids), array("q")) for columns, ids in nodes.items()]
        for row in rows:
            for columns, _, digests in found:
                digests.append(_digest(row, columns))
        transient: set[str] = set()
        for columns, ids, digests in found:
            distinct, counts = np.unique(np.asarray(digests, dtype=np.int64), return_counts=True)
            if len(distinct) == len(digests):
                transient.update(ids)
            else:
                self._groups.append(_Group(columns, ids, distinct, counts.astype(np.int32)))
        self.transient = frozenset(transient)

    def finish(self, row: Row) -> list[str]:
        """Count a finished row. Returns the ids of the nodes whose results for it no row to come needs."""
        unneeded: list[str] = []
        with self._lock:
            for group in self._groups:
                index = int(np.searchsorted(group.digests, _digest(row, group.columns)))
                group.left[index] -= 1
                if not group.left[index]:
                    unneeded += group.nodes
        return unneeded


def _digest(row: Row, columns: Iterable[str]) -> int:
    """A hash of 64 bits. Should two values share it, results are dropped late, or early and made again."""
    return hash(tuple(repr(row.values.get(column)) for column in columns))

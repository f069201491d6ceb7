"""How many rows will still read what they share, so that it is let go with the last of them and memory stays flat."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api_graph.table.row import Row


@dataclass(frozen=True)
class _Group:
    """Nodes that depend on these columns alone; `left` counts the rows to come, by digest of their values there."""

    columns: tuple[str, ...]
    nodes: tuple[str, ...]
    digests: NDArray[np.int64]  # sorted, each once
    left: NDArray[np.int32]


class ReferenceCounts:
    """Counted from the table beforehand: 12 bytes for each different value, or set of values, that rows share.

    `nodes` are ids of nodes by the columns that they depend on. `transient` are those whose results no two rows have in
    common: they need not be held at all.
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
            different, counts = np.unique(np.asarray(digests, dtype=np.int64), return_counts=True)
            if len(different) == len(digests):
                transient.update(ids)
            else:
                self._groups.append(_Group(columns, ids, different, counts.astype(np.int32)))
        self.transient = frozenset(transient)

    def finish(self, row: Row) -> list[str]:
        """The row is done. Ids of the nodes whose results for it no row to come will read."""
        unread: list[str] = []
        with self._lock:
            for group in self._groups:
                place = int(np.searchsorted(group.digests, _digest(row, group.columns)))
                group.left[place] -= 1
                if not group.left[place]:
                    unread += group.nodes
        return unread


def _digest(row: Row, columns: Iterable[str]) -> int:
    """64 bits; two values that share them are let go too late, or too early and made again."""
    return hash(tuple(repr(row.values.get(column)) for column in columns))

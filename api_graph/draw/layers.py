"""Layers of a drawing from left to right, and the order within each (Sugiyama, Tagawa & Toda, 1981)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_LONGEST_LANE = 40
"""A longer link gets no lane of its own, so that the work stays linear in a graph's size."""
_SWEEPS = 12


@dataclass(frozen=True)
class Lane:
    """Where the links of node `source` pass through layer `layer` on their way to a later one."""

    source: str
    layer: int


Item = str | Lane
"""What takes room in a layer: a node, or a link that passes."""


def layers_of(feeding: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Layer of each node: the length of the longest way to it. What nothing feeds stands just before its first reader.

    `feeding` holds the nodes that feed each node, in an order in which each node stands after all that feed it.
    """
    layer: dict[str, int] = {}
    for node, sources in feeding.items():
        layer[node] = max((layer[source] + 1 for source in sources), default=0)
    first_reader: dict[str, int] = {}
    for node, sources in feeding.items():
        for source in sources:
            first_reader[source] = min(first_reader.get(source, layer[node]), layer[node])
    return {node: layer[node] if feeding[node] else first_reader.get(node, 1) - 1 for node in feeding}


class Layers:
    """The layers, each from top to bottom in an order that lets few links cross.

    An edge that spans several layers is cut into pieces that pass through Lanes; the edges of one source share them.
    `before` and `after` hold what each item is joined with in the layer before and after its own.
    """

    def __init__(self, feeding: Mapping[str, Sequence[str]]) -> None:
        self._layer = layer = layers_of(feeding)
        self.columns: list[list[Item]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
        self.before: dict[Item, list[Item]] = {}
        self.after: dict[Item, list[Item]] = {}
        for node in feeding:
            self._add(node, layer[node])
        for node, sources in feeding.items():
            for source in sources:
                self._join(source, node, layer[source], layer[node])
        self._place = {item: i for column in self.columns for i, item in enumerate(column)}
        self._reduce_crossings()

    def lanes(self, source: str, reader: str) -> list[Lane]:
        """What the edge between two nodes passes through."""
        start, end = self._layer[source], self._layer[reader]
        return [Lane(source, layer) for layer in range(start + 1, end)] if end - start <= _LONGEST_LANE else []

    def crossings(self) -> int:
        """How many pairs of edges cross."""
        count = 0
        for column in self.columns:
            ends: list[int] = []  # of the edges that start further up
            for item in column:
                own = sorted(self._place[reader] for reader in self.after[item])
                count += sum(len(ends) - bisect_right(ends, end) for end in own)
                ends = sorted(ends + own)
        return count

    def _add(self, item: Item, layer: int) -> None:
        self.columns[layer].append(item)
        self.before[item], self.after[item] = [], []

    def _join(self, source: str, reader: str, start: int, end: int) -> None:
        if end - start > _LONGEST_LANE:
            return
        previous: Item = source
        for passed in range(start + 1, end):
            lane = Lane(source, passed)
            if lane not in self.before:
                self._add(lane, passed)
                self._edge(previous, lane)
            previous = lane
        self._edge(previous, reader)

    def _edge(self, source: Item, reader: Item) -> None:
        self.after[source].append(reader)
        self.before[reader].append(source)

    def _reduce_crossings(self) -> None:
        """Sort layers by barycentre, forth and back; keep the order with the fewest crossings."""
        best, fewest = [list(column) for column in self.columns], self.crossings()
        for sweep in range(_SWEEPS):
            if not fewest:
                break
            forth = sweep % 2 == 0
            for column in self.columns if forth else self.columns[::-1]:
                self._sort(column, self.before if forth else self.after)
            crossings = self.crossings()
            if crossings < fewest:
                best, fewest = [list(column) for column in self.columns], crossings
        self.columns = best

    def _sort(self, column: list[Item], neighbours: Mapping[Item, Sequence[Item]]) -> None:
        """Sort a layer by the mean place of its items' neighbours; an item without any keeps its own place."""

        def barycentre(item: Item) -> float:
            near = neighbours[item]
            return sum(self._place[one] for one in near) / len(near) if near else self._place[item]

        column.sort(key=barycentre)
        self._place.update((item, i) for i, item in enumerate(column))

"""Where the nodes of a drawing stand: links run from left to right, and no two nodes touch.

Nodes stand in layers, each with an order that lets few links cross (Sugiyama, Tagawa & Toda, 1981). A link that spans
several layers passes the layers between as a dummy node, which keeps room for it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

Size = tuple[float, float]
Point = tuple[float, float]
Passage = tuple[Point, Point]
"""Where a link enters and leaves the gap that a column of nodes leaves for it."""

COLUMN_GAP = 80.0
ROW_GAP = 50.0
DUMMY_GAP = 16.0
DUMMY_HEIGHT = 4.0
_LONGEST_LINK = 40
"""A longer link has no dummy nodes, so that the work stays linear in a graph's size."""
_SWEEPS_OF_ORDERS, _SWEEPS_OF_HEIGHTS = 12, 6
_GRID = 10


@dataclass(frozen=True)
class Layout:
    """`corners` are the upper left corners of the nodes. `passages` are what a link from one node to another passes.

    Links between neighbouring columns pass nothing, and have none.
    """

    corners: Mapping[str, Point]
    passages: Mapping[tuple[str, str], Sequence[Passage]]


def layout(feeding: Mapping[str, Sequence[str]], sizes: Mapping[str, Size]) -> Layout:
    """Corners of all nodes, from (0, 0) on, in the unit of `sizes` (width, height).

    `feeding` holds the nodes that feed each node, each once, in an order in which each node stands after all that feed
    it. The same graph is always drawn alike. Connected components are drawn below each other.
    """
    corners: dict[str, Point] = {}
    passages: dict[tuple[str, str], list[Passage]] = {}
    bottom = 0
    for component in _components(feeding):
        drawn = _component_layout(component, sizes)
        down = bottom - min(y for _, y in drawn.corners.values())
        corners |= {node: _moved(corner, down) for node, corner in drawn.corners.items()}
        for link, passed in drawn.passages.items():
            passages[link] = [(_moved(enter, down), _moved(leave, down)) for enter, leave in passed]
        bottom = _on_grid(max(corners[node][1] + sizes[node][1] for node in component) + ROW_GAP)
    return Layout(corners, passages)


def _moved(point: Point, down: float) -> Point:
    return point[0], point[1] + down


def _on_grid(value: float) -> int:
    return _GRID * round(value / _GRID)


def _components(feeding: Mapping[str, Sequence[str]]) -> list[dict[str, Sequence[str]]]:
    """The connected components, in the order of their first nodes."""
    joined: dict[str, list[str]] = {node: list(sources) for node, sources in feeding.items()}
    for node, sources in feeding.items():
        for source in sources:
            joined[source].append(node)
    number_of: dict[str, int] = {}
    for number, first in enumerate(feeding):
        waiting = [first]
        while waiting:
            node = waiting.pop()
            if node not in number_of:
                number_of[node] = number
                waiting.extend(joined[node])
    components: dict[int, dict[str, Sequence[str]]] = {}
    for node, sources in feeding.items():
        components.setdefault(number_of[node], {})[node] = sources
    return list(components.values())


def _component_layout(feeding: Mapping[str, Sequence[str]], sizes: Mapping[str, Size]) -> Layout:
    layers = Layers(feeding)
    middles = _middles(layers, sizes)
    corners: dict[str, Point] = {}
    passage_of: dict[DummyNode, Passage] = {}
    left = 0
    for column in layers.columns:
        nodes = [item for item in column if not isinstance(item, DummyNode)]
        width = max((sizes[node][0] for node in nodes), default=0.0)
        for node in nodes:
            corners[node] = (left, _on_grid(middles[node] - sizes[node][1] / 2))
        for dummy in column:
            if isinstance(dummy, DummyNode):
                passage_of[dummy] = ((left, middles[dummy]), (left + width, middles[dummy]))
        left += _on_grid(width + COLUMN_GAP)
    passages = {
        (source, node): [passage_of[dummy] for dummy in layers.dummies(source, node)]
        for node, sources in feeding.items()
        for source in sources
    }
    return Layout(corners, {link: passed for link, passed in passages.items() if passed})


# ----------------------------------------------------------------------------------------------------- layers


@dataclass(frozen=True)
class DummyNode:
    """Where the links of node `source` pass through layer `layer` to a later one."""

    source: str
    layer: int


Item = str | DummyNode
"""What needs room in a layer: a node, or links that pass."""


def layers_of(feeding: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Layer of each node: the length of the longest path to it. What nothing feeds stands just before its first reader.

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

    The links of one source share its dummy nodes. `before` and `after` hold what each item is joined with in the layer
    before and after its own.
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
                self._join(source, node)
        self._position = {item: i for column in self.columns for i, item in enumerate(column)}
        self._reduce_crossings()

    def dummies(self, source: str, reader: str) -> list[DummyNode]:
        """The dummy nodes of the link between two nodes."""
        start, end = self._layer[source], self._layer[reader]
        return [DummyNode(source, layer) for layer in range(start + 1, end)] if end - start <= _LONGEST_LINK else []

    def crossings(self) -> int:
        """How many pairs of edges cross."""
        count = 0
        for column in self.columns:
            ends: list[int] = []  # of the edges that start further up
            for item in column:
                own = sorted(self._position[reader] for reader in self.after[item])
                count += sum(len(ends) - bisect_right(ends, end) for end in own)
                ends = sorted(ends + own)
        return count

    def _add(self, item: Item, layer: int) -> None:
        self.columns[layer].append(item)
        self.before[item], self.after[item] = [], []

    def _join(self, source: str, reader: str) -> None:
        if self._layer[reader] - self._layer[source] > _LONGEST_LINK:
            return
        previous: Item = source
        for dummy in self.dummies(source, reader):
            if dummy not in self.before:
                self._add(dummy, dummy.layer)
                self._edge(previous, dummy)
            previous = dummy
        self._edge(previous, reader)

    def _edge(self, source: Item, reader: Item) -> None:
        self.after[source].append(reader)
        self.before[reader].append(source)

    def _reduce_crossings(self) -> None:
        """Sort layers by barycentre, forward and back; keep the order with the fewest crossings."""
        best, fewest = [list(column) for column in self.columns], self.crossings()
        for sweep in range(_SWEEPS_OF_ORDERS):
            if not fewest:
                break
            forward = sweep % 2 == 0
            for column in self.columns if forward else self.columns[::-1]:
                self._sort(column, self.before if forward else self.after)
            crossings = self.crossings()
            if crossings < fewest:
                best, fewest = [list(column) for column in self.columns], crossings
        self.columns = best

    def _sort(self, column: list[Item], neighbours: Mapping[Item, Sequence[Item]]) -> None:
        """Sort a layer by the mean position of its items' neighbours; an item without any keeps its own position."""

        def barycentre(item: Item) -> float:
            near = neighbours[item]
            return sum(self._position[one] for one in near) / len(near) if near else self._position[item]

        column.sort(key=barycentre)
        self._position.update((item, i) for i, item in enumerate(column))


# ---------------------------------------------------------------------------------------------------- heights


def _middles(layers: Layers, sizes: Mapping[str, Size]) -> dict[Item, float]:
    """Vertical middle of each item: level with its neighbours, as far as the others of its layer let it."""
    distances = [[_distance(a, b, sizes) for a, b in pairwise(column)] for column in layers.columns]
    columns = list(zip(layers.columns, distances, strict=True))
    middles: dict[Item, float] = {}
    for column, apart in columns:
        middles.update(zip(column, _kept_apart([0.0] * len(column), apart), strict=True))
    for sweep in range(_SWEEPS_OF_HEIGHTS):
        forward = sweep % 2 == 0
        neighbours = layers.before if forward else layers.after
        for column, apart in columns if forward else columns[::-1]:
            wanted = [_mean([middles[near] for near in neighbours[item]] or [middles[item]]) for item in column]
            middles.update(zip(column, _kept_apart(wanted, apart), strict=True))
    return middles


def _distance(above: Item, below: Item, sizes: Mapping[str, Size]) -> float:
    """The least distance between the middles of two items of a column."""
    heights = [DUMMY_HEIGHT if isinstance(item, DummyNode) else sizes[item][1] for item in (above, below)]
    gap = DUMMY_GAP if isinstance(above, DummyNode) or isinstance(below, DummyNode) else ROW_GAP
    return sum(heights) / 2 + gap


def _kept_apart(wanted: Sequence[float], apart: Sequence[float]) -> list[float]:
    """The positions closest to the wanted ones, in least squares, of which each is at least `apart` below the last.

    Less each position's least distance from the first, they do not decrease: isotonic regression, whose solution pools
    neighbours that want to pass each other at their mean.
    """
    offsets = list(accumulate(apart, initial=0.0))
    pools: list[tuple[float, int]] = []  # mean, number of positions
    for target, offset in zip(wanted, offsets, strict=True):
        mean, count = target - offset, 1
        while pools and pools[-1][0] >= mean:
            above, above_count = pools.pop()
            mean = (mean * count + above * above_count) / (count + above_count)
            count += above_count
        pools.append((mean, count))
    levels = [mean for mean, count in pools for _ in range(count)]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

"""Where the nodes of a drawing stand: links run from left to right, and no two nodes touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from api_graph.draw.layers import Item, Lane, Layers

Size = tuple[float, float]
Point = tuple[float, float]
Passage = tuple[Point, Point]
"""Where a link enters and leaves the gap that a column of nodes leaves for it."""

COLUMN_GAP = 80.0
ROW_GAP = 50.0
LANE_GAP = 16.0
LANE_HEIGHT = 4.0
_SWEEPS = 6
_GRID = 10


@dataclass(frozen=True)
class Layout:
    """`corners` are the upper left corners of the nodes. `passages` are what a link from one node to another passes.

    Links between neighbouring columns pass nothing, and have no entry.
    """

    corners: Mapping[str, Point]
    passages: Mapping[tuple[str, str], Sequence[Passage]]


def layout(feeding: Mapping[str, Sequence[str]], sizes: Mapping[str, Size]) -> Layout:
    """Places for all nodes, from (0, 0) on, in the unit of `sizes` (width, height).

    `feeding` holds the nodes that feed each node, each once, in an order in which each node stands after all that feed
    it. The same graph is always drawn alike. Parts that nothing joins are drawn below each other.
    """
    corners: dict[str, Point] = {}
    passages: dict[tuple[str, str], list[Passage]] = {}
    bottom = 0
    for part in _parts(feeding):
        placed = _place_part(part, sizes)
        down = bottom - min(y for _, y in placed.corners.values())
        corners |= {node: _moved(corner, down) for node, corner in placed.corners.items()}
        for link, passed in placed.passages.items():
            passages[link] = [(_moved(enter, down), _moved(leave, down)) for enter, leave in passed]
        bottom = _on_grid(max(corners[node][1] + sizes[node][1] for node in part) + ROW_GAP)
    return Layout(corners, passages)


def _moved(point: Point, down: float) -> Point:
    return point[0], point[1] + down


def _on_grid(value: float) -> int:
    return _GRID * round(value / _GRID)


def _parts(feeding: Mapping[str, Sequence[str]]) -> list[dict[str, Sequence[str]]]:
    """The connected parts, in the order of their first nodes."""
    joined: dict[str, list[str]] = {node: list(sources) for node, sources in feeding.items()}
    for node, sources in feeding.items():
        for source in sources:
            joined[source].append(node)
    part_of: dict[str, int] = {}
    for number, first in enumerate(feeding):
        waiting = [first]
        while waiting:
            node = waiting.pop()
            if node not in part_of:
                part_of[node] = number
                waiting.extend(joined[node])
    parts: dict[int, dict[str, Sequence[str]]] = {}
    for node, sources in feeding.items():
        parts.setdefault(part_of[node], {})[node] = sources
    return list(parts.values())


def _place_part(feeding: Mapping[str, Sequence[str]], sizes: Mapping[str, Size]) -> Layout:
    layers = Layers(feeding)
    middles = _middles(layers, sizes)
    corners: dict[str, Point] = {}
    lanes: dict[Lane, Passage] = {}
    left = 0
    for column in layers.columns:
        nodes = [item for item in column if not isinstance(item, Lane)]
        width = max((sizes[node][0] for node in nodes), default=0.0)
        for node in nodes:
            corners[node] = (left, _on_grid(middles[node] - sizes[node][1] / 2))
        for lane in column:
            if isinstance(lane, Lane):
                lanes[lane] = ((left, middles[lane]), (left + width, middles[lane]))
        left += _on_grid(width + COLUMN_GAP)
    passages = {
        (source, node): [lanes[lane] for lane in layers.lanes(source, node)]
        for node, sources in feeding.items()
        for source in sources
    }
    return Layout(corners, {link: passed for link, passed in passages.items() if passed})


def _middles(layers: Layers, sizes: Mapping[str, Size]) -> dict[Item, float]:
    """Vertical middle of each item: level with its neighbours, as far as the others of its layer let it."""
    distances = [[_distance(a, b, sizes) for a, b in pairwise(column)] for column in layers.columns]
    middles: dict[Item, float] = {}
    for column, apart in zip(layers.columns, distances, strict=True):
        middles.update(zip(column, _placed([0.0] * len(column), apart), strict=True))
    columns = list(zip(layers.columns, distances, strict=True))
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        neighbours = layers.before if forth else layers.after
        for column, apart in columns if forth else columns[::-1]:
            wanted = [_mean([middles[near] for near in neighbours[item]] or [middles[item]]) for item in column]
            middles.update(zip(column, _placed(wanted, apart), strict=True))
    return middles


def _distance(above: Item, below: Item, sizes: Mapping[str, Size]) -> float:
    """How far apart the middles of two items of a column are at least."""
    heights = [LANE_HEIGHT if isinstance(item, Lane) else sizes[item][1] for item in (above, below)]
    gap = LANE_GAP if isinstance(above, Lane) or isinstance(below, Lane) else ROW_GAP
    return sum(heights) / 2 + gap


def _placed(wanted: Sequence[float], apart: Sequence[float]) -> list[float]:
    """The places closest to the wanted ones, in least squares, of which each is at least `apart` below the last.

    With each place's least distance from the first taken off, they do not decrease: isotonic regression, whose solution
    pools neighbours that want to pass each other at their mean.
    """
    offsets = list(accumulate(apart, initial=0.0))
    pools: list[tuple[float, int]] = []  # mean, number of places
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

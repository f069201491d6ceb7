"""Where the nodes of a drawing stand: links run from left to right, and no two nodes touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from api_graph.graph.export.layers import Item, Lane, Layers

Size = tuple[float, float]
Point = tuple[float, float]

COLUMN_GAP = 80.0
ROW_GAP = 50.0
LANE_HEIGHT = 10.0
_SWEEPS = 6
_GRID = 10


def layout(feeding: Mapping[str, Sequence[str]], sizes: Mapping[str, Size]) -> dict[str, Point]:
    """Upper left corner of each node, from (0, 0) on, in the unit of `sizes` (width, height).

    `feeding` holds the nodes that feed each node, each once, in an order in which each node stands after all that feed
    it. The same graph is always drawn alike. Parts that nothing joins are drawn below each other.
    """
    places: dict[str, Point] = {}
    bottom = 0.0
    for part in _parts(feeding):
        corners = _place_part(part, sizes)
        top = min(y for _, y in corners.values())
        places |= {node: (x, y - top + bottom) for node, (x, y) in corners.items()}
        bottom = max(places[node][1] + sizes[node][1] for node in part) + ROW_GAP
    return {node: (_on_grid(x), _on_grid(y)) for node, (x, y) in places.items()}


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


def _place_part(feeding: Mapping[str, Sequence[str]], sizes: Mapping[str, Size]) -> dict[str, Point]:
    layers = Layers(feeding)
    middles = _middles(layers, sizes)
    corners: dict[str, Point] = {}
    left = 0.0
    for column in layers.columns:
        nodes = [item for item in column if not isinstance(item, Lane)]
        for node in nodes:
            corners[node] = (left, middles[node] - sizes[node][1] / 2)
        left += max((sizes[node][0] for node in nodes), default=0.0) + COLUMN_GAP
    return corners


def _middles(layers: Layers, sizes: Mapping[str, Size]) -> dict[Item, float]:
    """Vertical middle of each item: level with its neighbours, as far as the others of its layer let it."""
    heights = {item: LANE_HEIGHT if isinstance(item, Lane) else sizes[item][1] for item in layers.before}
    middles: dict[Item, float] = {}
    for column in layers.columns:
        middles.update(zip(column, _apart([0.0] * len(column), [heights[item] for item in column]), strict=True))
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        neighbours = layers.before if forth else layers.after
        for column in layers.columns if forth else layers.columns[::-1]:
            wanted = [_mean([middles[near] for near in neighbours[item]] or [middles[item]]) for item in column]
            placed = _apart(wanted, [heights[item] for item in column])
            middles.update(zip(column, placed, strict=True))
    return middles


def _apart(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """The middles closest to the wanted ones, in least squares, at which the items stand below each other.

    With each item's distance from the first taken off, "below each other" is "not decreasing", and the solution is
    isotonic regression: neighbours that want to pass each other are pooled at their mean.
    """
    offsets = [0.0]
    for above, below in pairwise(heights):
        offsets.append(offsets[-1] + (above + below) / 2 + ROW_GAP)
    pools: list[tuple[float, int]] = []  # mean, number of items
    for target, offset in zip(wanted, offsets, strict=False):
        mean, count = target - offset, 1
        while pools and pools[-1][0] >= mean:
            above, above_count = pools.pop()
            mean = (mean * count + above * above_count) / (count + above_count)
            count += above_count
        pools.append((mean, count))
    levels = [mean for mean, count in pools for _ in range(count)]
    return [level + offset for level, offset in zip(levels, offsets, strict=False)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

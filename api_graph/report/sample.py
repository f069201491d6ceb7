"""An even sample of a table that is too large for the memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")

# 2⁶⁴ / φ, with φ the golden ratio, made odd. No other number has multiples, modulo 2⁶⁴, that are spread more evenly
# (Knuth, The Art of Computer Programming 3, section 6.4).
_GOLDEN = 0x9E3779B97F4A7C15
_RANKS = 1 << 64


class EvenSample(Generic[Item]):
    """At most `most` items, evenly spread over their numbers, from a stream in any order.

    The items kept are those whose number times the golden ratio has the smallest fractional part. The gaps between them
    have at most three lengths. Every n-th item would be as even, but would give the same kind of row each time in a
    table whose kinds of rows repeat.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[tuple[int, int, int, Item]] = []  # a heap: the highest rank first
        self._added = 0

    def wants(self, number: int) -> bool:
        """Whether an item with this number would be kept now."""
        return len(self._kept) < self._most or (self._most > 0 and -_rank(number) > self._kept[0][0])

    def add(self, number: int, item: Item) -> None:
        """Keep an item, if it is wanted."""
        if not self.wants(number):
            return
        self._added += 1
        ranked = (-_rank(number), self._added, number, item)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, ranked)
        else:
            heapq.heapreplace(self._kept, ranked)

    def ranked(self) -> list[Item]:
        """The items in such an order that, for every n, the first n of them are an even sample too."""
        return [item for *_, item in sorted(self._kept, key=lambda kept: (-kept[0], kept[1]))]

    def ordered(self) -> list[Item]:
        """The items in the order of their numbers."""
        return [item for *_, item in sorted(self._kept, key=lambda kept: (kept[2], kept[1]))]


def _rank(number: int) -> int:
    return number * _GOLDEN % _RANKS


def fitting(items: Iterable[Item], size: Callable[[Item], int], budget: int) -> list[Item]:
    """The first of `items`, as many as fit into `budget` together."""
    kept = []
    for item in items:
        budget -= size(item)
        if budget < 0:
            break
        kept.append(item)
    return kept

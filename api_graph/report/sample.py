"""An even sample of a table that nobody holds in memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")

# 2⁶⁴ / φ, φ the golden ratio, made odd: multiples of it, modulo 2⁶⁴, are spread as evenly as multiples of anything can
# be (Knuth, The Art of Computer Programming 3, section 6.4).
_GOLDEN = 0x9E3779B97F4A7C15
_RANKS = 1 << 64


class EvenSample(Generic[Item]):
    """At most `most` items, evenly spread over their numbers, from a stream in any order.

    The items whose number times the golden ratio has the smallest fractional part are kept. They lie evenly (the gaps
    between them have three lengths at most), and, unlike every n-th, they do not fall in step with a table in which the
    same kinds of rows come again and again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[tuple[int, int, int, Item]] = []  # a heap: the highest rank first
        self._added = 0

    def wants(self, number: int) -> bool:
        """Whether the item of this number would be kept, as things stand."""
        return len(self._kept) < self._most or (self._most > 0 and -_rank(number) > self._kept[0][0])

    def add(self, number: int, item: Item) -> None:
        """Take an item, if it is wanted."""
        if not self.wants(number):
            return
        self._added += 1
        entry = (-_rank(number), self._added, number, item)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, entry)
        else:
            heapq.heapreplace(self._kept, entry)

    def ranked(self) -> list[Item]:
        """The items such that the first n of them are an even sample too, for every n."""
        return [item for *_, item in sorted(self._kept, key=lambda entry: (-entry[0], entry[1]))]

    def ordered(self) -> list[Item]:
        """The items by number."""
        return [item for *_, item in sorted(self._kept, key=lambda entry: (entry[2], entry[1]))]


def _rank(number: int) -> int:
    return number * _GOLDEN % _RANKS


def fitting(items: Iterable[Item], size: Callable[[Item], int], budget: int) -> list[Item]:
    """The first of `items`, as many as go into `budget` together."""
    kept = []
    for item in items:
        budget -= size(item)
        if budget < 0:
            break
        kept.append(item)
    return kept

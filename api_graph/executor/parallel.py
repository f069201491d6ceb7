"""Work that needs no model, spread over threads: results come in order, and few items are held at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain, islice
from typing import TypeVar

from api_graph.context import ParallelMap

T = TypeVar("T")
R = TypeVar("R")


def over_threads(count: int) -> ParallelMap:
    """A `ParallelMap` over up to so many threads, which live as long as its iterator does."""

    def parallel_map(function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        items = iter(items)
        first = list(islice(items, 2))
        if len(first) < 2:  # not worth a thread
            yield from map(function, first)
            return
        with ThreadPoolExecutor(count) as threads:
            yield from in_order(lambda item: threads.submit(function, item), chain(first, items), 2 * count)

    return parallel_map


def in_order(submit: Callable[[T], Future[R]], items: Iterable[T], most: int) -> Iterator[R]:
    """The items' results, with at most `most` of them under way. However it ends, nothing is under way any more."""
    under_way: deque[Future[R]] = deque()
    try:
        for item in items:
            under_way.append(submit(item))
            if len(under_way) == most:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        wait(under_way)

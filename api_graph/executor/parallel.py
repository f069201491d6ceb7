"""Work spread over threads: a map whose results come in order, and one without results that stops at a failure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import nullcontext
from itertools import chain, islice
from typing import TypeVar

from api_graph.context import ParallelMap

T = TypeVar("T")
R = TypeVar("R")

_SHARES_PER_THREAD = 2


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
    """The items' results in order, with at most `most` of them under way, and none any more when it ends or raises."""
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


def run_in_threads(
    run: Callable[[T], None],
    items: Sequence[T],
    count: int,
    stop: Callable[[], None],
    threads: ThreadPoolExecutor | None = None,
) -> None:
    """`run` each of the items, `count` at a time, in `threads` or in new ones.

    Raises what one of them raises, once the others have ended, as they do soon after `stop`.
    """

    def run_share(share: Sequence[T]) -> None:
        for item in share:
            run(item)

    with ThreadPoolExecutor(min(count, len(items))) if threads is None else nullcontext(threads) as pool:
        # Some items at a time: handing over one alone takes as long as many of them do.
        shares = min(len(items), _SHARES_PER_THREAD * count)
        futures = [pool.submit(run_share, items[share::shares]) for share in range(shares)]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop()
            for future in futures:
                future.cancel()
            wait(futures)
            raise

"""Items that a run does in threads, and that stop at a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import nullcontext
from typing import TypeVar

T = TypeVar("T")

_SHARES_PER_THREAD = 2


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

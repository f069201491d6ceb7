"""Tasks of a node that waits on files, in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait

from api_graph.executor.options import Options
from api_graph.executor.plan import Task

_SHARES_PER_THREAD = 2

RunEach = Callable[[Sequence[Task]], None]


def run_threaded(tasks: Sequence[Task], run_each: RunEach, stop: Callable[[], None], options: Options) -> None:
    """`run_each` over shares of the tasks, in the threads that runs share, or in some of its own.

    Raises what it raises, once the other shares have ended, as they do soon after `stop`.
    """
    if options.shared is not None and options.shared.threads is not None:
        _run_in(options.shared.threads, tasks, run_each, stop, options.threads)
        return
    with ThreadPoolExecutor(min(options.threads, len(tasks))) as threads:
        _run_in(threads, tasks, run_each, stop, options.threads)


def _run_in(
    threads: ThreadPoolExecutor, tasks: Sequence[Task], run_each: RunEach, stop: Callable[[], None], count: int
) -> None:
    # Some tasks at a time: to hand each over by itself takes as long as many a task does.
    shares = min(len(tasks), _SHARES_PER_THREAD * count)
    futures = [threads.submit(run_each, tasks[share::shares]) for share in range(shares)]
    try:
        for future in as_completed(futures):
            future.result()
    except BaseException:
        stop()
        for future in futures:
            future.cancel()
        wait(futures)
        raise

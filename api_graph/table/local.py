"""The engine of one machine: one chunk computes while others read, write or wait."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from api_graph.table.chunks import Chunks
from api_graph.table.processors import threads_shared
from api_graph.table.row import Row
from api_graph.table.worker import Done, Worker

AT_ONCE = 4
"""Chunks under way: one is read, one computes, two are written."""


def run_local(worker: Worker, rows: Iterator[Row], chunk_size: int | None = None) -> Generator[Done, None, None]:
    """What came of each chunk, in order of completion. Closing the iterator stops what is under way.

    Meanwhile garbage collections leave out what was there before: to walk all of torch takes them 0.15 s each time.
    """
    # The other half of the job's memory is for results that rows share.
    chunks = Chunks(rows, worker.job.memory // 2, AT_ONCE, chunk_size)
    with (
        threads_shared() as worker.model_threads,
        ThreadPoolExecutor(worker.job.threads, thread_name_prefix="row") as worker.threads,
        ThreadPoolExecutor(AT_ONCE, thread_name_prefix="chunk") as threads,
    ):
        under_way: set[Future[Done]] = set()
        loaded = False
        gc.freeze()
        try:
            while True:
                while len(under_way) < AT_ONCE and (chunk := chunks.take()):
                    under_way.add(threads.submit(worker.run, chunk))
                if not under_way:
                    return
                finished, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in finished:
                    done = future.result()
                    if not loaded:  # models, and more libraries, are there by now
                        gc.freeze()
                        loaded = True
                    chunks.learn(done.bytes_per_row)
                    yield done
        finally:
            worker.cancelled.set()
            gc.unfreeze()

"""A worker runs the rows of a job in chunks: one chunk computes while others read, write or wait."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from api_graph.errors import ApiGraphError
from api_graph.executor import DiskCache, Executor, Listener, MemoryCache, RunResult
from api_graph.executor.shared import ComputeLock, SharedResources, torch_threads
from api_graph.folders import Folders
from api_graph.graph import Graph, read_graph
from api_graph.pixels.read import opened, pixels_in
from api_graph.registry import all_nodes
from api_graph.settings import cache_limit
from api_graph.table.binding import Binding
from api_graph.table.chunks import Chunks, ReferenceCounts, bytes_per_pixel
from api_graph.table.embedded import as_files
from api_graph.table.fetched import Fetched, as_here
from api_graph.table.journal import Record
from api_graph.table.maps import as_numbers, write_map_table, write_npz
from api_graph.table.names import FileNames, RowName
from api_graph.table.options import Job
from api_graph.table.output import clear_row_folders, row_folder
from api_graph.table.records import disk_is_full, record_of, record_of_fault
from api_graph.table.rows import Row

CHUNKS_AT_ONCE = 4
"""One chunk is read, one computes, two are written."""

_WORTH_STORING = 0.02
"""Seconds: a result that took less is made again as fast as it is read from disk."""
_SIZES_KEPT = 1024
_M_MMAP_THRESHOLD, _LARGE_ALLOCATION = -3, 4 << 20
_OPERATIONS_AT_ONCE = 4
"""They share the processors, because operations on small tensors gain less by more threads than these cost."""


@dataclass(frozen=True)
class FinishedChunk:
    """The records of a chunk, in the order of its rows, and the most bytes of results that one row held.

    If the disk is full, `disk_full` is set, and the rows that failed for it have no record: nothing is wrong with them.
    """

    records: list[Record]
    bytes_per_row: int = 0
    disk_full: bool = False


class Worker:
    """Runs rows of one job with one executor, so that models and shared results stay between chunks. Thread-safe.

    `executor` is that of another worker whose job has the same limits: its models and results stay, too.
    `references`, if it is set, tells when no row to come needs a shared result. Without it, results stay until their
    memory is needed. An engine may set `threads` and `model_threads`, which all chunks share (see `SharedResources`).
    """

    def __init__(self, job: Job, listener: Listener | None = None, executor: Executor | None = None) -> None:
        registry = all_nodes()
        self.job, self.listener = job, listener
        self.binding = Binding(
            read_graph({"prompt": job.graph}), registry, job.columns, texts=job.texts, grid=job.grid, unused=job.unused
        )
        self.executor = executor or Executor(
            MemoryCache(cpu_bytes=job.memory // 2, gpu_bytes=job.memory // 2),
            None if job.cache is None else DiskCache(job.cache, cache_limit()),
            registry=registry,
            threads=job.threads,
            batch_size=job.batch_size,
        )
        self._folders = Folders(
            inputs=tuple(map(Path, job.inputs)),
            output=Path(job.output),
            temp=Path(job.temp),
            models=tuple(map(Path, job.models)),
            trusted=frozenset(job.trusted),
            answers=None if job.keep_answers else Path(job.output),
        )
        self._names = FileNames(job.names, self.binding, ending=job.formats.image.ending)
        self.cancelled = threading.Event()
        self.references: ReferenceCounts | None = None
        self.threads: ThreadPoolExecutor | None = None
        self.model_threads: int | None = None
        self._compute_lock = ComputeLock()
        self.fetched: Fetched | None = None
        self._pixels: dict[str, int] = {}  # by the name of a picture; many rows may name the same
        self._binding_lock = threading.Lock()  # the binding looks columns up as they come

    def run(self, rows: Sequence[Row]) -> FinishedChunk:
        """Run a chunk. A row that fails has its error in its record. Raises Cancelled."""
        output = self._folders.output
        # A killed run may have left files there. This waits for the file system, so it is done before taking the lock.
        clear_row_folders(output, [row.key for row in rows])
        with as_files(rows, self.job.temp) as inside, self._compute_lock.inside() as turn:
            graphs: dict[str, Graph] = {}  # by the row's key, as are records and results
            records: dict[str, Record] = {}
            with self._binding_lock:
                for row in rows:
                    try:
                        graphs[row.key] = self.binding.graph_of(as_here(row))
                    except ApiGraphError as fault:
                        records[row.key] = record_of_fault(row, fault)
                transient = self.binding.own_nodes() if self.references is None else self.references.transient
            shared = SharedResources(turn, self.threads, self.model_threads, transient, _WORTH_STORING)
            names = {row.key: self._names.of(row, graphs[row.key]) for row in rows if row.key in graphs}
            # No other file has the name of a picture inside the table, which begins with its digest.
            folders = self._with_fetched()
            inputs = folders.inputs if inside is None else (inside, *folders.inputs)
            results = self._run_graphs(graphs, replace(folders, inputs=inputs), names, shared)
            self._drop_unneeded(rows, results)
        if self.fetched is not None:
            self.fetched.done(rows)
        maps = self._write_maps(rows, results, names) if self.job.maps is not None else {}
        for row in rows:  # what was written is hashed, and others compute meanwhile
            if row.key in results and not disk_is_full(results[row.key]):
                records[row.key] = record_of(row, results[row.key], output, self.job.inputs[0], maps.get(row.key))
        done = [records[row.key] for row in rows if row.key in records]
        held = max((result.held for result in results.values()), default=0)
        return FinishedChunk(done, held // max(len(results), 1), disk_full=len(done) < len(rows))

    def pixels_of(self, row: Row) -> int:
        """Pixels of the largest picture that a row's graph reads, as its header says; 0 where there is none."""
        with self._binding_lock:
            names = self.binding.pictures_of(as_here(row))
        folders = self._with_fetched()
        for name in names:
            if name not in self._pixels:
                if len(self._pixels) > _SIZES_KEPT:
                    self._pixels.clear()
                if name in row.pictures:
                    self._pixels[name] = pixels_in(row.pictures[name])
                    continue
                try:
                    with opened(folders.input_file(name)) as picture:
                        self._pixels[name] = picture.width * picture.height
                except ApiGraphError:  # the row will say so
                    self._pixels[name] = 0
        return max((self._pixels[name] for name in names), default=0)

    def picture_columns(self, row: Row) -> list[str]:
        """The columns of a row that name pictures."""
        with self._binding_lock:
            return self.binding.picture_columns(row)

    def _with_fetched(self) -> Folders:
        """The folders, and before them that of fetched pictures: their names begin with a digest, as no others do."""
        folder = None if self.fetched is None else self.fetched.folder
        return self._folders if folder is None else replace(self._folders, inputs=(folder, *self._folders.inputs))

    def _run_graphs(
        self,
        graphs: Mapping[str, Graph],
        folders: Folders,
        names: Mapping[str, RowName | None],
        shared: SharedResources,
    ) -> dict[str, RunResult]:
        """Run graphs by their rows' keys; `names` are those of their files."""
        output = self._folders.output
        results = self.executor.run_rows(
            list(graphs.values()),
            [replace(folders, output=row_folder(output, key), name_of_row=names[key] or str) for key in graphs],
            listener=self.listener,
            cancelled=self.cancelled,
            metadata=self.job.metadata,
            previews=False,
            figures=True,
            maps=self.job.maps is not None,
            run_id=self.job.run_id,
            shared=shared,
            formats=self.job.formats,
        )
        return dict(zip(graphs, results, strict=True))

    def _write_maps(
        self, rows: Sequence[Row], results: Mapping[str, RunResult], names: Mapping[str, RowName | None]
    ) -> dict[str, Path]:
        """Write the maps of the rows that went well; returns their files by the rows' keys. Raises WriteFailed."""
        job = self.job
        done = [row for row in rows if row.key in results and not results[row.key].failures and results[row.key].maps]
        found = {row.key: as_numbers(results[row.key].maps, job.map_precision) for row in done}
        if job.maps == "parquet":
            table = [(row, found[row.key]) for row in done]
            path = write_map_table(Path(job.maps_folder), table, job.map_precision) if table else Path()
            return dict.fromkeys(found, path)
        files: dict[str, Path] = {}
        for key, maps in found.items():
            name = (names[key] or str)("maps")
            files[key] = row_folder(self._folders.output, key) / f"{name}.npz"
            write_npz(files[key], maps)
        return files

    def _drop_unneeded(self, rows: Sequence[Row], results: Mapping[str, RunResult]) -> None:
        """Drop the results for which these rows held the last reference."""
        if self.references is None or self.executor.memory is None:
            return
        for row in rows:
            unneeded = self.references.finish(row)
            if unneeded and row.key in results:
                keys = {step.node: step.key for step in results[row.key].steps}
                for node in unneeded:
                    self.executor.memory.drop(keys.get(node, ""))


def run_local(
    worker: Worker, rows: Iterator[Row], chunk_size: int | None = None, alone: int | None = None
) -> Generator[FinishedChunk, None, None]:
    """Run all rows on this machine. Yields chunks in order of completion; closing the generator cancels the rest.

    The first chunk has at most `alone` rows, and others wait for it: what fails in every row costs no more than these.
    Objects that exist already are frozen, so that garbage collections do not visit them: all of torch takes 0.15 s.
    """
    # Half of the job's memory is for the chunks; the other half is for results that rows share, as far as chunks of one
    # large row leave it to them.
    half, graph = worker.job.memory // 2, worker.binding.graph
    per_pixel = bytes_per_pixel(graph, worker.binding.registry)
    job, columns_of = worker.job, worker.picture_columns
    fetched = Fetched(rows, job.temp, columns_of, base=job.base, allow_private=job.allow_private, room=half)
    worker.fetched, worker.model_threads = fetched, (all_threads := torch.get_num_threads())
    few = max(1, all_threads // _OPERATIONS_AT_ONCE)
    with (
        closing(fetched),
        torch_threads(few),
        # As many rows as processors are read and written at a time: more threads for one would be in others' way.
        ThreadPoolExecutor(worker.job.threads, "row", torch.set_num_threads, (1,)) as worker.threads,
        ThreadPoolExecutor(CHUNKS_AT_ONCE, "chunk", torch.set_num_threads, (few,)) as threads,
    ):
        chunks = Chunks(
            fetched,
            half,
            CHUNKS_AT_ONCE,
            chunk_size,
            worker.pixels_of,
            per_pixel,
            job.settings,
            job.threads,
            fetched.must_wait,
            alone,
        )
        running: dict[Future[FinishedChunk], list[Row]] = {}
        first = True
        gc.freeze()
        try:
            while True:
                while len(running) < CHUNKS_AT_ONCE and (chunk := chunks.take()):
                    if worker.executor.memory is not None and chunks.in_use > half:
                        worker.executor.memory.lend(chunks.in_use - half)
                        _return_freed_memory()
                    running[threads.submit(worker.run, chunk)] = chunk
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    done = future.result()
                    if first:  # by now models are loaded, and more libraries
                        gc.freeze()
                        first = False
                    if worker.executor.memory is not None and chunks.in_use > half:
                        worker.executor.memory.lend(0)
                    chunks.learn(running.pop(future), done.bytes_per_row)
                    yield done
        finally:
            worker.cancelled.set()
            gc.unfreeze()


def _return_freed_memory() -> None:
    """Let the system have what was freed, now and, of pictures, from now on.

    glibc keeps it for each thread by itself, up to 32 MiB at a time, and the next row has other threads.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim"):  # not every libc has them
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_ALLOCATION)
        libc.malloc_trim(0)

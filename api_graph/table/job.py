"""What a run over a table is to do: all of it JSON, so that a process on another machine can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from api_graph.executor import DiskCache, Executor, MemoryCache
from api_graph.folders import Folders
from api_graph.graph import Graph, read_graph
from api_graph.registry import Registry
from api_graph.settings import cache_limit

GIB = 1 << 30
WORTH_STORING = 0.02
"""Seconds: what took less is made again as fast as it is read from disk."""


@dataclass(frozen=True)
class Job:
    """One run over a table, as its workers need to know it.

    `graph` is in API format, with constants applied. `columns` maps names of inputs to columns; `texts` says that the
    rows' values are texts. `memory` is how many bytes of results may be held at one time, models left out. Paths are
    absolute.
    """

    graph: Mapping[str, Any]
    output: str
    inputs: tuple[str, ...]
    models: tuple[str, ...]
    temp: str
    columns: Mapping[str, str]
    texts: bool
    cache: str | None
    run_id: str
    trusted: tuple[str, ...] = ()
    metadata: bool = True
    batch_size: int | None = None
    threads: int = 8
    memory: int = 2 * GIB

    def read_graph(self) -> Graph:
        """The graph whose inputs the rows set."""
        return read_graph({"prompt": self.graph})

    def folders(self) -> Folders:
        """Where rows read and write; each has a folder of its own below this output."""
        paths = [tuple(Path(p) for p in group) for group in (self.inputs, self.models)]
        return Folders(paths[0], Path(self.output), Path(self.temp), paths[1], frozenset(self.trusted))

    def executor(self, registry: Registry) -> Executor:
        """One executor for all rows, so that what they share is done once."""
        disk = DiskCache(self.cache, cache_limit()) if self.cache is not None else None
        memory = MemoryCache(cpu_bytes=self.memory // 2, gpu_bytes=self.memory // 2)
        return Executor(memory, disk, registry=registry, threads=self.threads, batch_size=self.batch_size)

    def to_json(self) -> dict[str, Any]:
        """The job as JSON has it; `Job(**...)` brings it back."""
        return asdict(self)

"""The cache tiers of a run (model pool, memory, disk, receipts), and the results that it holds itself meanwhile.

A receipt is an entry of the disk cache without outputs: it says which files a step saved, and how long and how old
they were then. A step whose receipt still holds need not run again; one of its files changed or gone, and it runs. An
output that shows a text and says `store` is found as other steps are, where the caller wants no text made again.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from api_graph.executor.cache.disk import DiskCache
from api_graph.executor.cache.entry import Entry
from api_graph.executor.cache.memory import MemoryCache, ModelPool
from api_graph.executor.plan import Task
from api_graph.executor.results import Action, shown_files
from api_graph.executor.shared import SharedResources
from api_graph.folders import Folders
from api_graph.json_values import Json
from api_graph.socket_names import ANY
from api_graph.spec.model import PLAIN_SOCKETS

_MARKS = "receipt"
_PREFIX = "x"  # any: files of other names are other files


@dataclass(frozen=True)
class Receipts:
    """Receipts of one run's folders, kept in `disk`. `metadata` says whether its files embed the graph."""

    disk: DiskCache
    folders: Folders
    metadata: bool

    def find(self, task: Task) -> Entry | None:
        """What the step showed when it ran before, if all that it saved still stands."""
        held = self.disk.get(self._key(task), replace(task.spec, outputs=()))
        if held is None:
            return None
        ui = {kind: items for kind, items in held.ui.items() if kind != _MARKS}
        marks = _marks(shown_files(ui, self.folders))
        return Entry((), ui) if marks is not None and marks == held.ui.get(_MARKS) else None

    def keep(self, task: Task, entry: Entry) -> None:
        """Note what the step has saved; one that saved nothing leaves no receipt."""
        files = shown_files(entry.ui, self.folders)
        marks = _marks(files) if files else None
        if marks is not None:
            self.disk.put(self._key(task), Entry((), {**entry.ui, _MARKS: marks}), replace(task.spec, outputs=()))

    def _key(self, task: Task) -> str:
        output, temp = os.path.realpath(self.folders.output), os.path.realpath(self.folders.temp)
        where = f"{task.key}\n{self.metadata}\n{output}\n{temp}"
        named = self.folders.name_of_row(_PREFIX)
        where += f"\n{named}" if named != _PREFIX else ""
        return hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()


def _marks(files: tuple[Path, ...]) -> list[Json] | None:
    """Length and time of change of each file; None when one is gone."""
    with suppress(OSError):
        return [[stat.st_size, stat.st_mtime_ns] for stat in (file.stat() for file in files)]
    return None


@dataclass(frozen=True)
class CacheTiers:
    """Models go to the pool, results to memory, and to disk if the node says so; of saved files there are receipts.

    A result that was found or kept stays in memory until its `LiveResults` release it.
    """

    memory: MemoryCache | None
    disk: DiskCache | None
    pool: ModelPool
    receipts: Receipts | None = None
    shared: SharedResources | None = None
    keeps_texts: bool = False

    def of(self, task: Task) -> tuple[MemoryCache | None, DiskCache | None]:
        """The memory and the disk that may hold the task's result."""
        spec = task.spec
        if spec.model or (spec.output and not (self.keeps_texts and spec.store)):
            return None, None
        # What is linked where anything may be says of itself what it likes, such as on which device it lies.
        if spec.output and not all(
            task.parents[name].spec.outputs[link.output].socket in PLAIN_SOCKETS
            for name, link in task.node.links().items()
            if (declared := spec.input(name)) is not None and declared.socket == ANY
        ):
            return None, None
        transient = self.shared is not None and task.node.id in self.shared.transient
        # Of a table, what a row does by itself is made again as fast as it is read.
        on_disk = spec.store and not (spec.rowwise and self.shared is not None)
        return None if transient else self.memory, self.disk if on_disk else None

    def find(self, task: Task, *, on_disk: bool = True) -> tuple[Entry, Action] | None:
        """The task's result and where it was, if any tier holds it; without `on_disk` no file is read."""
        spec = task.spec
        if spec.model:
            entry = self.pool.get(task.pool_key)
            return None if entry is None else (entry, "pool")
        if spec.output and not spec.store:
            # A receipt has no outputs to read.
            entry = self.receipts.find(task) if self.receipts is not None and not task.readers else None
            return None if entry is None else (entry, "saved")
        memory, disk = self.of(task)
        entry = memory.get(task.key, pin=True) if memory is not None else None
        if entry is not None:
            return entry, "memory"
        entry = disk.get(task.key, spec) if disk is not None and on_disk else None
        if entry is None:
            return None
        if memory is not None:
            memory.put(task.key, entry, pin=True)
        return entry, "disk"

    def keep(self, task: Task, entry: Entry, seconds: float) -> None:
        """Hold a new result, which took `seconds`, wherever it belongs; a model is in the pool since it was loaded."""
        if task.spec.output and not task.spec.store and self.receipts is not None:
            self.receipts.keep(task, entry)
        memory, disk = self.of(task)
        if memory is not None:
            memory.put(task.key, entry, pin=True)
        # An answer that came fast was paid for all the same.
        if disk is not None and (self.shared is None or seconds >= self.shared.worth_storing or task.asks):
            disk.put(task.key, entry, task.spec)


@dataclass
class LiveResults:
    """The results that one run holds, each at its task until nobody in the run will read it again.

    `bytes` are held now, and `most` were at one time, models left out.
    """

    tiers: CacheTiers
    bytes: int = 0
    most: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)  # rows may run in threads

    def hold(self, task: Task, entry: Entry) -> None:
        """The task's result is there."""
        task.entry = entry
        if task.figures:
            outputs = zip(task.spec.outputs, entry.outputs, strict=True)
            task.plain = {o.name: o.value_of(given) for o, given in outputs if o.socket in PLAIN_SOCKETS}
        if task.keeps_maps:
            from api_graph.sockets import Attribution

            outputs = zip(task.spec.outputs, entry.outputs, strict=True)
            found = [each for _, given in outputs for each in given if isinstance(each, Attribution)]
            task.maps = [one for each in found for one in each.each()]
        task.bytes = 0 if task.spec.model else sum(entry.size)
        with self._lock:
            self.bytes += task.bytes
            self.most = max(self.most, self.bytes)

    def read_parents(self, task: Task) -> None:
        """The task has read what it links to, or never will."""
        unread: list[Task] = []
        with self._lock:
            for parent in task.parents.values():
                parent.readers -= 1
                if parent.readers == 0 and not parent.root:
                    unread.append(parent)
        for parent in unread:
            self.release(parent)

    def release(self, task: Task) -> None:
        """Nobody in this run will read the task's result again."""
        if task.entry is None:
            return
        task.entry = None
        if task.spec.model:
            self.tiers.pool.release(task.pool_key)
            return
        with self._lock:
            self.bytes -= task.bytes
        memory, _ = self.tiers.of(task)
        if memory is not None and task.cacheable:
            memory.unpin(task.key)

"""What saving nodes wrote in earlier runs, for as long as the files stand as they were left.

A receipt is an entry of the disk cache without outputs: it says which files a step saved, and how long and how old
they were then. A step whose receipt still holds need not run again; one of its files changed or gone, and it runs.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from api_graph.executor.cache.disk import DiskCache
from api_graph.executor.cache.entry import Entry
from api_graph.executor.plan import Task
from api_graph.executor.results import shown_files
from api_graph.folders import Folders
from api_graph.json_values import Json

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

"""What the output nodes of a chunk of rows have begun, and what goes on beside it until somebody asks."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from api_graph.context import DeferredWork
from api_graph.executor.call import Steps
from api_graph.executor.plan import Task

_MOST = 8
"""Threads: a graph has few nodes that save."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One node's work for some tasks. `answer` will be what its batched form gives; it took `seconds` to begin."""

    tasks: Sequence[Task]
    steps: Steps
    claims: frozenset[Hashable]
    answer: Future[Sequence[Any]]
    seconds: float


class Beside:
    """A chunk's pieces of work that are not finished, each in a thread of its own."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._threads: ThreadPoolExecutor | None = None

    def begin(self, tasks: Sequence[Task], steps: Steps, later: DeferredWork, seconds: float) -> None:
        """Let the rest of a node's work go on, behind what it would disturb."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_MOST, thread_name_prefix="beside")
        before = [piece.answer for piece in self._pieces if piece.claims & later.claims]

        def work() -> Sequence[Any]:
            wait(before)  # they were submitted first, and so they have their threads
            return later.work()

        self._pieces.append(Piece(tasks, steps, later.claims, self._threads.submit(work), seconds))

    def take(self) -> list[Piece]:
        """All pieces, which are the caller's to finish from now on."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def take_read_by(self, tasks: Sequence[Task]) -> list[Piece]:
        """Likewise those whose results the tasks read."""
        if not self._pieces:
            return []
        read = {id(parent) for task in tasks for parent in task.parents.values()}
        pieces = [piece for piece in self._pieces if any(id(task) in read for task in piece.tasks)]
        self._pieces = [piece for piece in self._pieces if piece not in pieces]
        return pieces

    def close(self) -> None:
        """Wait for what nobody has waited for: after this, nothing goes on."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

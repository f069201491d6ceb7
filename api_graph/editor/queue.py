"""Prompts that wait, the one that runs, and those that are over. One thread runs them, one after the other."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from contextlib import suppress

from api_graph.editor import limits
from api_graph.editor.jobs import Job, now_ms


class QueueFull(Exception):
    """Too many prompts wait, or too large ones."""


class PromptQueue:
    """`run` runs one job and sets its status; `changed` hears whenever a prompt comes, starts or ends; `over` of each
    job that is over, once it stands in the history."""

    def __init__(self, run: Callable[[Job], None], changed: Callable[[], None], over: Callable[[Job], None]) -> None:
        self._run, self._changed, self._over = run, changed, over
        self._pending: list[Job] = []
        self._running: Job | None = None
        self._history: dict[str, Job] = {}
        self._numbers = itertools.count(1)
        self._closed = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="prompts", daemon=True)

    def start(self) -> None:
        """Begin to run what comes."""
        self._thread.start()

    def close(self, patience: float) -> None:
        """Cancel what runs and wait up to `patience` seconds for it to end; what waits never runs."""
        with self._wake:
            self._closed = True
            self._pending.clear()
            if self._running is not None:
                self._running.cancelled.set()
            self._wake.notify_all()
        with suppress(RuntimeError):  # it was never started
            self._thread.join(patience)

    # ------------------------------------------------------------------------------------------ asking and telling

    def next_number(self) -> int:
        """A number for a prompt: lower ones run first."""
        return next(self._numbers)

    def put(self, job: Job) -> None:
        """Let the job wait its turn. Raises QueueFull."""
        with self._wake:
            waiting = sum(each.size for each in self._pending)
            if len(self._pending) >= limits.MOST_PENDING or waiting + job.size > limits.MOST_PENDING_BYTES:
                raise QueueFull
            self._pending.append(job)
            self._pending.sort(key=lambda each: each.number)
            self._wake.notify()
        self._changed()

    @property
    def remaining(self) -> int:
        """How many are not over."""
        with self._wake:
            return len(self._pending) + (self._running is not None)

    def unfinished(self) -> tuple[list[Job], list[Job]]:
        """The job that runs, if one does, and those that wait, in order."""
        with self._wake:
            return [self._running] if self._running else [], list(self._pending)

    def history(self) -> list[Job]:
        """The jobs that are over, oldest first."""
        with self._wake:
            return list(self._history.values())

    def find(self, id: str) -> Job | None:
        """The job of this id, wherever it is."""
        with self._wake:
            unfinished = [*self._pending, *([self._running] if self._running else [])]
            return next((job for job in unfinished if job.id == id), self._history.get(id))

    # ------------------------------------------------------------------------------------------ taking back

    def interrupt(self, id: str | None = None) -> bool:
        """Stop the job that runs, if it is that one."""
        with self._wake:
            job = self._running
            if job is None or id not in (None, job.id):
                return False
            job.cancelled.set()
            return True

    def remove_pending(self, id: str | None = None) -> bool:
        """Forget a job that waits, or all of them; whether there was one."""
        with self._wake:
            kept = [job for job in self._pending if id not in (None, job.id)]
            found, self._pending = len(kept) < len(self._pending), kept
        if found:
            self._changed()
        return found

    def remove_history(self, id: str | None = None) -> None:
        """Forget a job that is over, or all of them."""
        with self._wake:
            if id is None:
                self._history.clear()
            else:
                self._history.pop(id, None)

    # ------------------------------------------------------------------------------------------ working

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._changed()
            try:
                self._run(job)
            finally:
                self._finish(job)

    def _next(self) -> Job | None:
        with self._wake:
            self._wake.wait_for(lambda: self._pending or self._closed)
            if self._closed:
                return None
            job = self._running = self._pending.pop(0)
            job.started, job.status = now_ms(), "in_progress"
            return job

    def _finish(self, job: Job) -> None:
        job.ended = now_ms()
        with self._wake:
            self._running = None
            self._history[job.id] = job
            self._trim()
        self._changed()
        self._over(job)

    def _trim(self) -> None:
        size = sum(job.size for job in self._history.values())
        for id in list(self._history):
            if len(self._history) <= limits.MOST_HISTORY and size <= limits.MOST_HISTORY_BYTES:
                return
            size -= self._history.pop(id).size

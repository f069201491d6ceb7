"""What is going on, while it is: bars on a terminal, plain lines elsewhere. Both listen to an executor's events."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from api_graph.cli.console import is_live, one_line, tell
from api_graph.executor import Event, Listener

_LINE_EVERY = 5.0  # seconds between two lines about one node


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Listener | None]:
    """A listener that shows a run's progress on stderr, or None where none is wanted."""
    if quiet:
        yield None
    elif is_live():
        with _bars() as listener:
            yield listener
    else:
        yield _Lines()


@contextmanager
def _bars() -> Iterator[Listener]:
    """A line with a bar for each node that runs now."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        rows = {}

        def listen(event: Event) -> None:
            key = event.node, event.row
            if event.kind == "started":
                rows[key] = progress.add_task(one_line(event.title), total=None)
            elif event.kind == "progress":
                progress.update(rows[key], completed=event.done, total=event.total)
            elif key in rows:
                progress.remove_task(rows.pop(key))

        yield listen


class _Lines:
    """A line when a node is done, and now and then while it runs."""

    def __init__(self) -> None:
        self._started: dict[tuple[str, int], float] = {}
        self._last: dict[tuple[str, int], float] = {}

    def __call__(self, event: Event) -> None:
        key, now = (event.node, event.row), time.monotonic()
        if event.kind == "started":
            self._started[key] = self._last[key] = now
        elif event.kind == "progress":
            if now - self._last.get(key, now) >= _LINE_EVERY:
                self._last[key] = now
                self._write(event, f"{event.done} of {event.total}")
        elif event.kind == "done":
            self._write(event, f"{now - self._started.pop(key, now):.1f} s")
        else:
            self._write(event, event.kind)

    def _write(self, event: Event, what: str) -> None:
        tell(f"{one_line(event.title)}: {what}")

"""How a run goes: where its images go, then bars on a terminal, and plain lines now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from api_graph.cli.console import complain, human_size, is_live, one_line, tell
from api_graph.errors import BadInput
from api_graph.executor import Event, Listener
from api_graph.graph import Graph

if TYPE_CHECKING:
    from api_graph.table.run import TableRun

_NODE_LINE_EVERY = 5.0  # seconds between two lines about one node
_ROWS_LINE_EVERY = 10.0  # seconds between two lines about all rows
_RATE_OVER = 30.0  # seconds that the shown rate looks back
_REDRAW_EVERY = 0.2
_ROOM_FOR_A_BAR = 60  # columns of a terminal; in a narrower one the words are worth more


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
            if now - self._last.get(key, now) >= _NODE_LINE_EVERY:
                self._last[key] = now
                tell(f"{one_line(event.title)}: {event.done} of {event.total}")
        else:
            what = f"{now - self._started.pop(key, now):.1f} s" if event.kind == "done" else event.kind
            tell(f"{one_line(event.title)}: {what}")


def endpoints_asked(graph: Graph) -> dict[str, str]:
    """The nodes that ask an endpoint for others to read, and its name."""
    from api_graph.lvlm.remote.endpoint import endpoint_in

    answerers = {id: node.inputs.get("answerer") for id, node in graph.nodes.items()}
    named = {id: name for id, text in answerers.items() if isinstance(text, str) and (name := endpoint_in(text))}
    links = [(id, link.node) for id, node in graph.nodes.items() for link in node.links().values()]
    read = {source for _, source in links}
    return {id: named[model] for id, model in links if model in named and id in read}


def say_where_images_go(names: Iterable[str]) -> None:
    """A note for each of these endpoints; what is wrong with one is said when its node runs."""
    from api_graph.lvlm.remote import Endpoint

    for name in dict.fromkeys(names):
        with suppress(BadInput):
            complain(f"images and questions go to {Endpoint.open(name).host} (endpoint {name})", kind="note")


def gpu_bytes() -> int | None:
    """Bytes that this process has on a GPU; None where it uses none. Imports nothing."""
    torch = sys.modules.get("torch")
    return torch.cuda.memory_allocated() if torch is not None and torch.cuda.is_initialized() else None


class ShownRows:
    """Told after every few rows; says where things stand, in words."""

    def __init__(self, run: TableRun) -> None:
        self._run = run
        self._last = time.monotonic()
        self._marks: deque[tuple[float, int]] = deque()  # when how many rows were done; the first waited for a model

    def words(self) -> str:
        """`1,200 of 2,000 rows, 410 rows/s, 2 s left, 3 failed, 46 % from the cache`; and what is on the GPU."""
        run, now = self._run, self._mark()
        while len(self._marks) > 2 and now - self._marks[0][0] > _RATE_OVER:
            self._marks.popleft()
        since, before = self._marks[0]
        rate = (run.totals.rows - before) / max(now - since, 1e-9)
        done = run.finished_before + run.totals.rows
        parts = [f"{done:,} of {run.total:,} rows"]
        if rate > 0:
            parts += [f"{rate:.3g} rows/s", f"{_duration((run.total - done) / rate)} left"]
        if run.failed:
            parts.append(f"{run.failed:,} failed")
        parts.append(f"{run.totals.cache_share:.0%} of the steps shared or from the cache")
        if (used := gpu_bytes()) is not None:
            parts.append(f"{human_size(used)} on the GPU")
        return ", ".join(parts)

    def _mark(self) -> float:
        now = time.monotonic()
        self._marks.append((now, self._run.totals.rows))
        return now

    def update(self) -> None:
        """Some more rows are done."""
        if not self._marks:
            self._mark()
        if time.monotonic() - self._last >= self._every():
            self._last = time.monotonic()
            self._show()

    def _every(self) -> float:
        return _ROWS_LINE_EVERY

    def _show(self) -> None:
        tell(self.words())


class _RowsBar(ShownRows):
    def __init__(self, run: TableRun) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        super().__init__(run)
        console, words = Console(file=sys.stderr), TextColumn("{task.description}", markup=False)
        columns = [BarColumn(bar_width=24), words] if console.width >= _ROOM_FOR_A_BAR else [words]
        self.progress = Progress(*columns, console=console, transient=True)
        self._task = self.progress.add_task("starting", total=None)

    def _every(self) -> float:
        return _REDRAW_EVERY

    def _show(self) -> None:
        done = self._run.finished_before + self._run.totals.rows
        self.progress.update(self._task, total=self._run.total, completed=done, description=self.words())


@contextmanager
def shown_rows(run: TableRun, *, quiet: bool) -> Iterator[ShownRows | None]:
    """Something to `update` as rows are done, or None where nothing is to be shown."""
    if quiet:
        yield None
    elif is_live():
        bar = _RowsBar(run)
        with bar.progress:
            yield bar
    else:
        yield ShownRows(run)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, hours = round(seconds / 60), seconds / 3600
    return f"{minutes} min" if minutes < 60 else f"{int(hours)} h {minutes % 60} min"

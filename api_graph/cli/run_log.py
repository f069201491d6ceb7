"""`map --log FILE`: how a run goes as lines of JSON, for whoever watches many runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from api_graph.cli.progress import gpu_bytes
from api_graph.errors import BadInput
from api_graph.files import expanded

if TYPE_CHECKING:
    from api_graph.table.run import TableRun


@contextmanager
def logged(run: TableRun, file: Path | None, every: float) -> Iterator[None]:
    """Append a line to `file` every so many seconds while the run goes, and one at its end; without a file nothing.

    Raises BadInput for a file that cannot be written.
    """
    if file is None:
        yield
        return
    ended, started = threading.Event(), time.monotonic()
    with _opened(file) as lines:

        def write() -> None:
            lines.write(json.dumps(state_of(run, time.monotonic() - started)) + "\n")
            lines.flush()

        def keep_writing() -> None:
            while not ended.wait(every):
                write()

        thread = threading.Thread(target=keep_writing, name="log", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            write()


def _opened(file: Path) -> IO[str]:
    try:
        return open(expanded(file), "a", encoding="utf-8")
    except OSError as error:
        hint = "Name a file in a folder that is there."
        raise BadInput(f"it cannot be written ({error.strerror})", input="--log", value=str(file), hint=hint) from error


def state_of(run: TableRun, seconds: float) -> dict[str, float | int | str]:
    """Where a run stands after so many seconds: rows of this call and before, failures, the cache, and the GPU."""
    totals = run.totals
    found: dict[str, float | int | str] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(seconds, 3),
        "rows": run.finished_before + totals.rows,
        "rows_now": totals.rows,
        "total": run.total,
        "rows_per_second": round(totals.rows / max(seconds, 1e-9), 3),
        "failed": run.failed,
        "cache_share": round(totals.cache_share, 4),
    }
    if (used := gpu_bytes()) is not None:
        found["gpu_bytes"] = used
    return found

"""What one of the processes beside a run does. Nothing here knows torch, which takes a process seconds to load."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_LOOK_AROUND = 0.2  # seconds


def each(function: Callable[[T], R], parent: int, items: list[T]) -> list[R]:
    """The items' results. Nothing is begun for a parent that is gone, for another may be at it."""
    results = []
    for item in items:
        if _is_orphan(parent):
            os._exit(1)
        results.append(function(item))
    return results


def begin(parent: int) -> None:
    """Ctrl-C is for the parent to hear, and without it there is nothing to do. The parent's own work goes first: all
    else waits for that."""
    if os.name == "posix":
        os.nice(10)
    import PIL.PngImagePlugin  # noqa: F401  # what most of the work needs is there when it comes

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while not _is_orphan(parent):
        time.sleep(_LOOK_AROUND)
    os._exit(1)


def _is_orphan(parent: int) -> bool:
    return os.name == "posix" and os.getppid() != parent

"""Ctrl-C and SIGTERM: one line and an exit code, no traceback, nothing half-written."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from api_graph.cli.console import complain
from api_graph.errors import Cancelled

_SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_ECHO = 1.0  # seconds: shells and wrappers often pass on a Ctrl-C that we have already got ourselves

cancelled = threading.Event()
"""Set as soon as the user wants to stop. A run looks at it between its steps."""

writing = threading.Event()
"""Set while a node writes files: a signal then leaves it to the run to stop, once they are whole."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first signal into Cancelled, so that what is open gets closed, and leave with 128 + its number.

    A second one, from somebody who does not want to wait for that, ends the process at once.
    """
    received: list[tuple[int, float]] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if received:
            if time.monotonic() - received[0][1] > _ECHO:
                os._exit(128 + number)
            return
        received.append((number, time.monotonic()))
        cancelled.set()  # also where a library swallows the exception
        if not writing.is_set():
            raise Cancelled

    for number in _SAID:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup, or a shell's background job, has it
            signal.signal(number, stop)
    try:
        yield
    except Cancelled:
        number = received[0][0]
        complain(_SAID[signal.Signals(number)], kind="api-graph")
        sys.exit(128 + number)
    finally:
        for number in _SAID:  # the work is over: the interpreter may shut down in peace
            signal.signal(number, signal.SIG_IGN)

"""Steps under way: when two runs want the same step at once, one of them takes it and the other waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillUnderWay

from api_graph.executor.entry import Entry

Flight = Future[Entry | None]
_LOOK_EVERY = 0.1  # seconds between two looks at whether the user wants to stop


class InFlight:
    """Futures by key. Whoever takes a key lands it, with its entry or with None, before waiting for anyone else's.

    That order is what keeps two runs from waiting for each other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Flight] = {}

    def take(self, key: str) -> Flight | None:
        """None: the step is yours now, and `land` is yours to call. Else somebody has it, and this is his flight."""
        with self._lock:
            flight = self._under_way.get(key)
            if flight is None:
                self._under_way[key] = Future()
            return flight

    def land(self, key: str, entry: Entry | None) -> None:
        """Hand the entry to all who wait; None when there is none to be had."""
        with self._lock:
            flight = self._under_way.pop(key)
        flight.set_result(entry)


def wait_for(flight: Flight, check_cancelled: Callable[[], None]) -> Entry | None:
    """The entry of another run's step, or None when that came to nothing. Raises what `check_cancelled` raises."""
    while True:
        check_cancelled()
        try:
            return flight.result(_LOOK_EVERY)
        except StillUnderWay:
            continue

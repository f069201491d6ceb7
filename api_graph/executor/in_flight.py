"""Steps in flight: when two runs want the same step at once, one of them does it and the other waits for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from dataclasses import dataclass, field

from api_graph.errors import Cancelled
from api_graph.executor.cache.entry import Entry

_LOOK_EVERY = 0.1  # seconds between two looks at whether the user wants to stop


@dataclass(frozen=True)
class InFlight:
    """The registry of steps that some run does just now: a future of each, by key.

    Whoever claims a key completes it, with its entry or with None, before waiting for anyone else's. That order is what
    keeps two runs from waiting for each other.
    """

    futures: dict[str, Future[Entry | None]] = field(default_factory=dict)

    def claim(self, key: str) -> Future[Entry | None] | None:
        """None: the step is the caller's now, to do and to `complete`. Else another run does it: this is its result."""
        mine: Future[Entry | None] = Future()
        first = self.futures.setdefault(key, mine)  # atomic: the first to come has set it
        return None if first is mine else first

    def complete(self, key: str, entry: Entry | None) -> None:
        """Hand the entry to all who wait; None when there is none to be had."""
        self.futures.pop(key).set_result(entry)


def wait_for(future: Future[Entry | None], is_cancelled: Callable[[], bool]) -> Entry | None:
    """The entry of another run's step, or None when that run has none to give. Raises Cancelled."""
    while True:
        if is_cancelled():
            raise Cancelled
        try:
            return future.result(_LOOK_EVERY)
        except NotDone:
            continue

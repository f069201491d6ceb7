"""One event loop in a thread of its own, for all requests of this process, from whichever thread they come."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import TypeVar

from api_graph.errors import Cancelled
from api_graph.lvlm.remote.client import Client
from api_graph.lvlm.remote.limits import Limits

T = TypeVar("T")

_POLL_S = 0.1
_CLOSING_S = 2.0


class Background:
    """The loop, and the connections and limits that belong to it."""

    def __init__(self) -> None:
        self.client = Client()
        self.limits = Limits()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api-graph endpoints", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[object, object, T]) -> Future[T]:
        """Start `work` on the loop; its result, or its exception, is in the future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Cancel what is under way, close the connections, and end the thread."""
        try:
            self.submit(self._cancel_all()).result(_CLOSING_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CLOSING_S)
            if not self._loop.is_running():
                self._loop.close()

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.client.close()


_lock = threading.Lock()
_current: Background | None = None
_inherited: list[Background] = []


def background() -> Background:
    """This process's own, which is started when it is first needed."""
    global _current
    with _lock:
        if _current is None:
            _current = Background()
        return _current


def wait_for(future: Future[T], is_cancelled: Callable[[], bool] | None) -> T:
    """The result of `future`. As soon as `is_cancelled` says so, the work is cancelled and Cancelled is raised."""
    try:
        while True:
            if is_cancelled is not None and is_cancelled():
                raise Cancelled
            if wait([future], _POLL_S).done:
                return future.result()
    except BaseException:
        future.cancel()
        raise


def _close() -> None:
    global _current
    with _lock:
        closing, _current = _current, None
    if closing is not None:
        closing.close()


def _after_fork() -> None:
    """A forked child has no such thread. The loop is left alone: closing it would close the parent's connections."""
    global _current, _lock
    _lock = threading.Lock()
    if _current is not None:
        _inherited.append(_current)
    _current = None


atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

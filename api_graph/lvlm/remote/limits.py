"""How many requests are sent at once, per minute and per run: counted per profile, over this whole process."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api_graph.lvlm.remote.failure import EndpointError
from api_graph.lvlm.remote.profile import Profile

_WINDOW_S = 60.0
_RUNS_KEPT = 1024


class Limits:
    """The limits of all profiles. Lives on one event loop, and so needs no lock."""

    def __init__(self) -> None:
        self._slots: dict[Profile, asyncio.Semaphore] = {}
        self._rates: dict[Profile, Rate] = {}
        self._sent: OrderedDict[tuple[str, str], int] = OrderedDict()

    @asynccontextmanager
    async def slot(self, profile: Profile) -> AsyncIterator[None]:
        """Wait until one more request may be under way. Inside, it counts as one."""
        async with self._slots.setdefault(profile, asyncio.Semaphore(profile.concurrency)):
            yield

    async def start(self, profile: Profile, run_id: str) -> None:
        """Count one more request of the run, and wait until it may be sent.

        Raises EndpointError where the run has sent as many as it may.
        """
        self._count(profile, run_id)
        if profile.requests_per_minute:
            await self._rates.setdefault(profile, Rate(profile.requests_per_minute)).wait()

    def _count(self, profile: Profile, run_id: str) -> None:
        run = (run_id, profile.name)
        sent = self._sent.get(run, 0)
        if sent >= profile.max_requests:
            problem = f"this run has sent the {profile.max_requests} requests that it may send"
            raise EndpointError(profile, problem, "Raise the profile's `max_requests`, or run less.", kind="setup")
        self._sent[run] = sent + 1
        self._sent.move_to_end(run)
        if len(self._sent) > _RUNS_KEPT:
            self._sent.popitem(last=False)


class Rate:
    """At most `most` starts in any minute, in the order of the calls."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._starts: deque[float] = deque()
        self._queue = asyncio.Lock()

    async def wait(self) -> None:
        """Return when the caller may start."""
        loop = asyncio.get_running_loop()
        async with self._queue:
            if len(self._starts) == self._most:
                await asyncio.sleep(self._starts[0] + _WINDOW_S - loop.time())
                self._starts.popleft()
            self._starts.append(loop.time())

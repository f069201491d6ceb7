"""When a request is sent again, and after how long."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from api_graph.lvlm.remote.failure import EndpointError
from api_graph.lvlm.remote.profile import Profile

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

_FIRST_S = 0.5
_LONGEST_S = 8.0
_JITTER = 0.25  # so that requests that failed together do not come back together
_LONGEST_ASKED_S = 120.0
_PAPER_RETRIES = 1


def retrying(profile: Profile) -> AsyncRetrying:
    """Tries under the profile's policy: only what may pass is tried again. The last error is raised as it is."""
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

    retries = _PAPER_RETRIES if profile.policy == "paper" else profile.retries
    return AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, EndpointError) and error.kind == "passing"),
        stop=stop_after_attempt(1 + retries),
        wait=_pause,
        sleep=asyncio.sleep,
        reraise=True,
    )


def pause_after(attempt: int, asked: float | None) -> float:
    """Seconds to wait after the try number `attempt` (from 1) failed: 0.5 · 2ⁿ up to 8, or as the server asked."""
    if asked is not None:
        return min(asked, _LONGEST_ASKED_S)
    longest = min(_LONGEST_S, _FIRST_S * 2 ** (attempt - 1))
    return longest * (1 - _JITTER * random.random())


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return pause_after(state.attempt_number, error.retry_after if isinstance(error, EndpointError) else None)

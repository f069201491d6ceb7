"""Ask an endpoint: all requests at once, as far as its limits allow; what may pass is tried again."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from asyncio import sleep
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PIL import Image

from api_graph.lvlm.remote.background import Background, background, wait_for
from api_graph.lvlm.remote.chat_completions import ErrorInside, Malformed, chat_body, read_answer, refused
from api_graph.lvlm.remote.client import HttpReply
from api_graph.lvlm.remote.endpoint import Endpoint
from api_graph.lvlm.remote.failure import EndpointError, ServerError, failure_of, one_line, server_error
from api_graph.lvlm.remote.profile import Profile
from api_graph.lvlm.remote.secret import Secret, key_of, redact
from api_graph.lvlm.request import Answer, Request, Sampling

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

_PREPARED = 2  # bodies made for each request that may be under way: no slot waits for a PNG, and few are in memory
_TRIAL = "What colour is this image? Answer with one word."
_TRIAL_SIDE = 64
_TRIAL_TOKENS = 1024  # one word, but some models think first

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
_JITTER = 0.25  # so that requests that failed together do not come back together
_LONGEST_ASKED_S = 120.0
_PAPER_RETRIES = 1


def ask_endpoint(
    endpoint: Endpoint,
    requests: Sequence[Request],
    sampling: Sampling,
    *,
    run_id: str = "",
    is_cancelled: Callable[[], bool] | None = None,
) -> list[Answer | Exception]:
    """Answers in the order of `requests`; a request that failed has its EndpointError or BadInput there.

    `run_id` tells runs apart for the profile's cap on requests; without one, each call is a run. Under the policy
    "paper" a failed request is an empty Answer with the finish reason "error"; faults of the set-up (a wrong key, an
    unknown model) stay exceptions. Raises BadInput where the key is not set, and Cancelled soon after `is_cancelled`
    says so.
    """
    key = key_of(endpoint.profile)
    loop = background()
    asking = _Asking(endpoint, sampling, key, run_id or uuid.uuid4().hex, loop)
    return wait_for(loop.submit(asking.all(requests)), is_cancelled)


def try_endpoint(endpoint: Endpoint) -> Answer:
    """Ask one small question about a red image, once. Raises EndpointError or BadInput."""
    profile = endpoint.profile.model_copy(update={"retries": 0, "policy": "practical"})
    request = Request(_TRIAL, (Image.new("RGB", (_TRIAL_SIDE, _TRIAL_SIDE), "red"),))
    (answer,) = ask_endpoint(replace(endpoint, profile=profile), [request], Sampling(max_tokens=_TRIAL_TOKENS))
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass
class _Asking:
    """One call of `ask_endpoint`. `fault` is the fault of the set-up that a request met: no further one is sent."""

    endpoint: Endpoint
    sampling: Sampling
    key: Secret | None
    run_id: str
    loop: Background
    fault: EndpointError | None = None

    async def all(self, requests: Sequence[Request]) -> list[Answer | Exception]:
        prepared = asyncio.Semaphore(_PREPARED * self.endpoint.profile.concurrency)
        return await asyncio.gather(*(self._one(request, prepared) for request in requests))

    async def _one(self, request: Request, prepared: asyncio.Semaphore) -> Answer | Exception:
        profile, model = self.endpoint.profile, self.endpoint.model
        async with prepared:
            try:
                body = await asyncio.to_thread(chat_body, request, model, self.sampling, profile)
                return await _retrying(profile)(self._try, body)
            except Exception as error:
                if isinstance(error, EndpointError) and error.kind == "setup":
                    self.fault = error
                elif isinstance(error, EndpointError) and profile.policy == "paper":
                    return Answer("", tokens=0, seconds=0.0, model=model, finish_reason="error")
                return error.with_traceback(None)

    async def _try(self, body: bytes) -> Answer:
        profile = self.endpoint.profile
        async with self.loop.limits.slot(profile):
            if self.fault is not None:
                raise self.fault
            await self.loop.limits.start(profile, self.run_id)
            start = time.monotonic()
            reply = await self.loop.client.post(profile, self.key, body)
        return self._answer(reply, time.monotonic() - start)

    def _answer(self, reply: HttpReply, seconds: float) -> Answer:
        profile, model = self.endpoint.profile, self.endpoint.model
        error: ServerError | Malformed
        if 200 <= reply.status < 300:
            try:
                return read_answer(reply.body, model, seconds, self.key, keep_reasoning=profile.keep_reasoning)
            except ErrorInside as inside:
                error = inside.error
            except Malformed as fault:
                error = fault.with_traceback(None)
        else:
            error = server_error(reply.body)
        # Raised outside of `except`: what was caught has the server's own words, and would be the context.
        if isinstance(error, Malformed):
            problem = one_line(redact(str(error), profile, self.key))
            raise EndpointError(profile, problem, error.hint, kind="request")
        if reply.status in (200, 400) and refused(error.code):
            return Answer("", tokens=0, seconds=seconds, model=model, finish_reason="refusal")
        raise failure_of(profile, self.key, reply.status, reply.headers, error)


# ------------------------------------------------------------------ tries


def _retrying(profile: Profile) -> AsyncRetrying:
    """Tries by the profile's policy: only a passing error leads to another try. The last error is raised as it is."""
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

    retries = _PAPER_RETRIES if profile.policy == "paper" else profile.retries
    return AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, EndpointError) and error.kind == "passing"),
        stop=stop_after_attempt(1 + retries),
        wait=_pause,
        sleep=sleep,
        reraise=True,
    )


def pause_after(attempt: int, asked: float | None) -> float:
    """Seconds to wait after the try number `attempt` (from 1) failed: 0.5 · 2ⁿ up to 8, or as the server asked."""
    if asked is not None:
        return min(asked, _LONGEST_ASKED_S)
    longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempt - 1))
    return longest * (1 - _JITTER * random.random())


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return pause_after(state.attempt_number, error.retry_after if isinstance(error, EndpointError) else None)

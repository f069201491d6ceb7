"""Ask an endpoint: all requests at once, as far as its limits allow, each answered in its place."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from api_graph.lvlm.remote.background import Background, background, wait_for
from api_graph.lvlm.remote.client import Reply
from api_graph.lvlm.remote.endpoint import Endpoint
from api_graph.lvlm.remote.failure import EndpointError, failure_of, server_error
from api_graph.lvlm.remote.retry import retrying
from api_graph.lvlm.remote.secret import Secret, key_of
from api_graph.lvlm.remote.wire import Malformed, chat_body, read_answer, refused
from api_graph.lvlm.request import Answer, Request, Sampling

_AHEAD = 2  # requests made ready for each that may be under way: no slot waits for a PNG, and few are held
_TRIAL = "What colour is this image? Answer with one word."
_TRIAL_SIDE = 64
_TRIAL_TOKENS = 64


def ask_endpoint(
    endpoint: Endpoint,
    requests: Sequence[Request],
    sampling: Sampling,
    *,
    run_id: str = "",
    is_cancelled: Callable[[], bool] | None = None,
) -> list[Answer | Exception]:
    """Answers in the order of `requests`; one that failed is there as its exception, an EndpointError or BadInput.

    `run_id` tells runs apart for the profile's cap on requests; without one, each call is a run. Under the policy
    "paper" a failed request is an empty Answer with the finish reason "error"; faults of the set-up (a wrong key, an
    unknown model) stay exceptions. Raises BadInput where the key is not set, and Cancelled soon after `is_cancelled`
    says so.
    """
    key = key_of(endpoint.profile)
    at_work = background()
    asking = _Asking(endpoint, sampling, key, run_id or uuid.uuid4().hex, at_work)
    return wait_for(at_work.submit(asking.all(requests)), is_cancelled)


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
    """One call of `ask_endpoint`. `broken` is the fault of the set-up that a request met: the others are spared it."""

    endpoint: Endpoint
    sampling: Sampling
    key: Secret | None
    run_id: str
    at_work: Background
    broken: EndpointError | None = None

    async def all(self, requests: Sequence[Request]) -> list[Answer | Exception]:
        ahead = asyncio.Semaphore(_AHEAD * self.endpoint.profile.concurrency)
        answers = await asyncio.gather(*(self._one(request, ahead) for request in requests), return_exceptions=True)
        # Cancelling the whole is the only way to a BaseException here, and then gather has raised it.
        return [a.with_traceback(None) if isinstance(a, Exception) else a for a in answers]  # pyright: ignore

    async def _one(self, request: Request, ahead: asyncio.Semaphore) -> Answer:
        profile = self.endpoint.profile
        async with ahead:
            body = await asyncio.to_thread(chat_body, request, self.endpoint.model, self.sampling, profile)
            try:
                return await retrying(profile)(self._try, body)
            except EndpointError as error:
                if error.kind == "setup":
                    self.broken = error
                if error.kind == "setup" or profile.policy == "practical":
                    raise
        return Answer("", tokens=0, seconds=0.0, model=self.endpoint.model, finish_reason="error")

    async def _try(self, body: bytes) -> Answer:
        profile = self.endpoint.profile
        async with self.at_work.limits.slot(profile):
            if self.broken is not None:
                raise self.broken
            await self.at_work.limits.start(profile, self.run_id)
            start = time.monotonic()
            reply = await self.at_work.client.post(profile, self.key, body)
        return self._answer(reply, time.monotonic() - start)

    def _answer(self, reply: Reply, seconds: float) -> Answer:
        profile, model = self.endpoint.profile, self.endpoint.model
        if not 200 <= reply.status < 300:
            if reply.status == 400 and refused(server_error(reply.body)[0]):
                return Answer("", tokens=0, seconds=seconds, model=model, finish_reason="refusal")
            raise failure_of(profile, self.key, reply.status, reply.headers, reply.body)
        try:
            return read_answer(reply.body, model, seconds, self.key)
        except Malformed as error:
            problem = f"the reply is no chat completion: {error}"
        raise EndpointError(profile, problem, "Is this an OpenAI-compatible server? See `base_url`.", kind="request")

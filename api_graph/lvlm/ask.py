"""Asking an LVLM: a local one or one behind an endpoint, through one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api_graph.arguments import typed
from api_graph.lvlm.generate import Progress, generate
from api_graph.lvlm.load import load_lvlm
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.remote import Endpoint, ask_endpoint, profiles
from api_graph.lvlm.request import Answer, Request, Sampling
from api_graph.pixels.read import Images, as_pictures

Answerer = LvlmModel | Endpoint

MOST_PROMPTS = 8
"""The most prompts that a local model reads in one batch."""


@typed(name="model")
def ask(
    model: Answerer | str,
    images: Images | None,
    question: str,
    *,
    system: str = "",
    max_tokens: int = 512,
    temperature: float = 0.0,
    seed: int = 0,
) -> Answer:
    """Ask one question about one image or several, in one request.

    `model` is a loaded model, an endpoint, the name of a profile ("vllm" or "vllm/MODEL"), or else what `load_lvlm`
    takes. `images` are PIL images, paths or float tensors (H, W, 3) or (B, H, W, 3) in [0, 1]; None for none.
    Raises BadInput for what cannot be asked, EndpointError where an endpoint gave no answer.
    """
    pictures = () if images is None else tuple(as_pictures(images))
    request = Request(question, pictures, system)
    answer = ask_all(answerer(model), [request], Sampling(max_tokens, temperature, seed))[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def answerer(model: Answerer | str) -> Answerer:
    """The model or endpoint that `ask` means by `model`: a name is looked up among the profiles first."""
    if not isinstance(model, str):
        return model
    return Endpoint.open(model) if model.partition("/")[0] in profiles() else load_lvlm(model)


def ask_all(
    model: Answerer,
    requests: Sequence[Request],
    sampling: Sampling,
    *,
    run_id: str = "",
    is_cancelled: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> list[Answer | Exception]:
    """Many requests: batched on a local model, all at once (within the profile's limits) at an endpoint.

    Answers come in the order of the requests. Instead of the answer to a request that failed there is its exception;
    the others are answered. An endpoint's caller may stop with `is_cancelled`, a local model's with `progress`.
    """
    if isinstance(model, Endpoint):
        return ask_endpoint(model, requests, sampling, run_id=run_id, is_cancelled=is_cancelled)
    answers: list[Answer | Exception] = []
    for first in range(0, len(requests), MOST_PROMPTS):
        answers += _generated(model, requests[first : first + MOST_PROMPTS], sampling, progress)
    return answers


def _generated(
    model: LvlmModel, requests: Sequence[Request], sampling: Sampling, progress: Progress | None
) -> list[Answer | Exception]:
    """One batch. If it fails, its halves: so only the request at fault fails, and less memory may be enough."""
    try:
        return [*generate(model, requests, sampling, progress=progress)]
    except Exception as error:
        if len(requests) == 1:
            return [error]
    half = len(requests) // 2
    halves = (requests[:half], requests[half:])
    return [answer for part in halves for answer in _generated(model, part, sampling, progress)]

"""Asking an LVLM: a local one or one behind an endpoint, through one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from api_graph.arguments import typed
from api_graph.deprecation import formerly
from api_graph.errors import BadInput
from api_graph.lvlm.contrast import Against, Contrast, contrast_of
from api_graph.lvlm.generation import Progress, generate
from api_graph.lvlm.load import loaded_lvlm
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.remote import Endpoint, ask_endpoint, names_endpoint
from api_graph.lvlm.request import Answer, Request, Sampling
from api_graph.lvlm.steer import AsFovea, Heads, Mode, Rows, Steering, SteerSettings, steering_of
from api_graph.models.layers import Layers
from api_graph.pixels.given import Images, as_pictures

Answerer = LvlmModel | Endpoint

MOST_PROMPTS = 8
"""The most prompts that a local model reads in one batch."""


@formerly("model", "image", "query", images="image", question="query")
@typed("fovea", "schedule", name="model", endpoint="model", images="image", question="query")
def ask(
    image: Images | None,
    query: str,
    model: Answerer | str = "demo",
    *,
    device: str | torch.device | None = None,
    fovea: AsFovea | Steering = None,
    mode: Mode = "boost_suppress",
    strength: float | None = None,
    layers: Layers = "all",
    heads: Heads = "all",
    rows: Rows = "last",
    schedule: Sequence[tuple[int, AsFovea]] = (),
    contrast: Contrast | Against | None = None,
    system: str = "",
    max_tokens: int = 512,
    temperature: float = 0.0,
    seed: int = 0,
) -> Answer:
    """Ask one question about one image or several, in one request.

    `image` is one or a list of them, in any of their forms; None for none. `model` is a loaded model, an endpoint, the
    name of a profile ("vllm" or "vllm/MODEL"; "endpoint:vllm", as in graphs, is the same), or else what `load_lvlm`
    takes, for `device`.

    `fovea` points a local model at a place in the image, by a bias on the attention to its tokens; no pixel changes. It
    is a list of boxes (left, top, right, bottom in pixels), a mask (H, W), an attribution of any model, or "image" for
    all of it; or a list of these, fovea i for image i, where None leaves an image as it is. `mode` is the rule of
    `api_graph.lvlm.steer`, `strength` how strong it is (None: the mode's own, 5 for boost_suppress), `layers`, `heads`
    and `rows` where it falls. `schedule` changes the target: (n, fovea) from the answer's token n on.
    `**steer_preset("PAI")` gives the settings of a published method, and a `Steering` as the fovea holds them all.

    `contrast` sets a local model's answer against what it would say otherwise: without the fovea ("no_fovea"), with it
    on all the rest ("complement"), without the image ("no_image") or with noise in it ("noised_image"). A `Contrast`
    also says how strongly, and `contrast_preset("VCD")` is that of a published method.

    Raises BadInput for what cannot be asked, EndpointError where an endpoint gave no answer.
    """
    against = contrast_of(contrast)
    pictures = () if image is None else tuple(as_pictures(image))
    settings: SteerSettings = {"mode": mode, "strength": strength, "layers": layers, "heads": heads, "rows": rows}
    request = Request(query, pictures, system, steering_of(fovea, schedule, settings), against)
    answer = ask_all(answerer(model, device), [request], Sampling(max_tokens, temperature, seed))[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def answerer(model: Answerer | str, device: str | torch.device | None = None) -> Answerer:
    """The model or endpoint that `ask` means by `model`: a name is looked up among the profiles first.

    Raises BadInput for a `device` that is not the model's own, or that is asked of an endpoint.
    """
    if isinstance(model, str) and names_endpoint(model):
        model = Endpoint.open(model)
    if not isinstance(model, Endpoint):
        return loaded_lvlm(model, device)
    if device is not None:
        problem = f"{model.profile.name} is an endpoint, and computes where its server does"
        raise BadInput(problem, input="device", value=str(device), hint="Leave it out.")
    return model


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
        refusals = [_refusal(model, request) for request in requests]
        asked = [request for request, refusal in zip(requests, refusals, strict=True) if refusal is None]
        replies = iter(ask_endpoint(model, asked, sampling, run_id=run_id, is_cancelled=is_cancelled))
        return [next(replies) if refusal is None else refusal for refusal in refusals]
    answers: list[Answer | Exception] = []
    # One that is decoded by contrast is two prompts.
    step = MOST_PROMPTS // 2 if any(request.contrast for request in requests) else MOST_PROMPTS
    for first in range(0, len(requests), step):
        answers += _generated(model, requests[first : first + step], sampling, progress)
    return answers


def _refusal(endpoint: Endpoint, request: Request) -> BadInput | None:
    """Why an endpoint is not asked this."""
    name = endpoint.profile.name
    if request.steering is not None:
        return BadInput(
            f"{name} is an endpoint, and a fovea changes the attention inside a model, which only a local one lets in",
            input="fovea",
            hint="Load the model with Load LVLM, or show the endpoint an annotated image.",
        )
    if request.contrast is not None:
        return BadInput(
            f"{name} is an endpoint, and a contrast needs the scores of all tokens at every step, which only a local "
            "model gives",
            input="contrast",
            hint="Load the model with Load LVLM.",
        )
    return None


def _generated(
    model: LvlmModel, requests: Sequence[Request], sampling: Sampling, progress: Progress | None
) -> list[Answer | Exception]:
    """One batch. If it fails, its halves: so only the request at fault fails, and less memory may be enough."""
    try:
        return [*generate(model, requests, sampling, progress=progress)]
    except Exception as error:
        if len(requests) == 1:
            return [error]
    if torch.cuda.is_initialized():  # what the whole batch had made is of other sizes than what its halves will
        torch.cuda.empty_cache()
    half = len(requests) // 2
    halves = (requests[:half], requests[half:])
    return [answer for part in halves for answer in _generated(model, part, sampling, progress)]

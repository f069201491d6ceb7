"""What an LVLM is asked, and what it says: the same for a local model and for one behind an endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True, eq=False)
class Request:
    """One question: the images, in the order in which the model is shown them, and the text.

    A local model is shown the images first; for an endpoint its profile says which comes first. `system` is the system
    prompt; empty for none.
    """

    question: str
    images: tuple[Image.Image, ...] = ()
    system: str = ""


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn. `temperature` 0 is greedy: the likeliest token at every step, whatever the `seed`."""

    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """What a model said.

    `tokens` counts what it generated (0 where an endpoint does not say), `seconds` is the wall time of the request,
    `model` the id of the model that really answered. `finish_reason` is "stop" or "length", or why there is no answer:
    "refusal", or "error" where a policy turns errors into empty answers.
    """

    text: str
    tokens: int
    seconds: float
    model: str
    finish_reason: str

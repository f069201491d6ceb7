"""What an LVLM is asked, and what it answers: the same for a local model and for one behind an endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from api_graph.lvlm.contrast import Contrast
from api_graph.lvlm.steer.steering import Steering
from api_graph.notebook import counted, one_line, quoted


@dataclass(frozen=True, eq=False)
class Request:
    """One question to a model: its text, and the images in the order in which the model is shown them.

    A local model is shown the images before the text; an endpoint's profile says which comes first there. `system` is
    the system prompt; empty for none. `steering` points a local model at places in the images, and
    `contrast` says what its answer is set against.
    """

    question: str
    images: tuple[Image.Image, ...] = ()
    system: str = ""
    steering: Steering | None = None
    contrast: Contrast | None = None


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn. `temperature` 0 is greedy: the likeliest token at every step, whatever the `seed`."""

    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """What a model said.

    `tokens` counts what it generated (0 where an endpoint does not say), `seconds` is the wall time, and `model` is the
    id of the model that really answered. `finish_reason` is "stop" or "length", or says why there is no answer:
    "refusal", or "error" where a profile's policy turns errors into empty answers.
    """

    text: str
    tokens: int
    seconds: float
    model: str
    finish_reason: str

    def __repr__(self) -> str:
        stopped = "" if self.finish_reason == "stop" else self.finish_reason
        return one_line(self, quoted(self.text), counted(self.tokens, "token"), self.model, stopped)

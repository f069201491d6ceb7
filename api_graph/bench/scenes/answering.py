"""An LVLM asked about scenes: is it right, and does it look at what it is asked about?"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

from PIL import Image

from api_graph.bench.answers import is_right
from api_graph.bench.localization import pointing_game
from api_graph.demo.questions import AskedScene
from api_graph.errors import ApiGraphWarning
from api_graph.lvlm import LvlmModel, Request, Sampling, attribute, generate
from api_graph.sockets import Attribution

BATCH = 25
MOST_TOKENS = 20


def answers_right(
    model: LvlmModel, asked: Sequence[AskedScene], shown: Sequence[tuple[Image.Image, ...]] | None = None
) -> list[bool]:
    """Whether each question is answered rightly, shown its scene, or the images of `shown` instead."""
    shown = [(a.scene.image,) for a in asked] if shown is None else shown
    requests = [Request(a.question.text, images) for a, images in zip(asked, shown, strict=True)]
    return [is_right(text, a.question.answer) for text, a in zip(answers(model, requests), asked, strict=True)]


def answers(model: LvlmModel, requests: Sequence[Request]) -> list[str]:
    """What the model says to each request. An answer that steering breaks counts as wrong, and no warning says so."""
    sampling = Sampling(max_tokens=MOST_TOKENS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a steered answer repeats", ApiGraphWarning)
        return [a.text for batch in _batches(requests) for a in generate(model, batch, sampling)]


def attention_maps(model: LvlmModel, asked: Sequence[AskedScene], layer: int | None = None) -> list[Attribution]:
    """Where the model looked while it answered (API eq. 8), one map each; `layer`: by default the model's own."""
    requests = [Request(a.question.text, (a.scene.image,)) for a in asked]
    found = (f for batch in _batches(requests) for f in attribute(model, batch, layers=layer))
    return [f.attribution for f in found]


def points_at_target(maps: Sequence[Attribution], asked: Sequence[AskedScene]) -> list[bool]:
    """The pointing game of each map; every question must be about one object."""
    targets = [a.question.target for a in asked]
    return [
        target is not None and pointing_game(m.values[0], target.box, m.geometry[0])
        for m, target in zip(maps, targets, strict=True)
    ]


def _batches(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    return (requests[i : i + BATCH] for i in range(0, len(requests), BATCH))

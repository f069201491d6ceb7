"""Profiles written by hand, and items to find heads over."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from PIL import Image

from api_graph.lvlm import HeadProfile, LvlmModel
from api_graph.lvlm.heads.profile import facts_of
from api_graph.lvlm.heads.record import HeadScores, LayerFacts, MadeFacts, ModelFacts, ProfileRecord, SinkFacts
from tests.lvlm.asked import picture

SOME = hashlib.sha256(b"some").hexdigest()


def record_of(
    gaze: Sequence[Sequence[float]],
    *,
    image: Sequence[Sequence[float]] | None = None,
    entropy: Sequence[Sequence[float]] | None = None,
    sinks: Sequence[Sequence[float]] | None = None,
    layers: Sequence[int] | None = None,
    model: ModelFacts | None = None,
) -> ProfileRecord:
    """Rows are layers, by default from 0. What is left out is one for all heads: .9, 1 and 0."""
    numbers = range(len(gaze)) if layers is None else layers
    facts = model or ModelFacts(
        name="by hand",
        family="llava",
        revision=None,
        dtype="float32",
        layers=max(numbers) + 1,
        heads=len(gaze[0]),
        fingerprint=SOME,
    )

    def at(values: Sequence[Sequence[float]] | None, row: int, head: int, usual: float) -> float:
        return usual if values is None else values[row][head]

    heads = [
        HeadScores(
            layer=layer,
            head=head,
            gaze=gaze[row][head],
            image_share=at(image, row, head, 0.9),
            entropy=at(entropy, row, head, 1.0),
            sink_share=at(sinks, row, head, 0.0),
        )
        for row, layer in enumerate(numbers)
        for head in range(len(gaze[0]))
    ]
    made = MadeFacts(
        items=3, unseen=0, source="list", table=None, seeds=None, items_digest=SOME, versions={"torch": "2"}
    )
    return ProfileRecord(
        model=facts,
        made=made,
        sinks=SinkFacts(dims=(1, 2), threshold=20.0),
        layers=tuple(LayerFacts(layer=layer, sink_dims=(0,)) for layer in numbers),
        heads=tuple(heads),
    )


def profile_of(model: LvlmModel, **settings: Any) -> HeadProfile:
    """A profile of a model whose heads rank from the first layer's first down."""
    facts = facts_of(model)
    from api_graph.lvlm.decoder import attention_modules

    layers = sorted(attention_modules(model.module))
    total = len(layers) * facts.heads
    gaze = [[1 - (row * facts.heads + head) / total for head in range(facts.heads)] for row in range(len(layers))]
    return HeadProfile(record_of(gaze, layers=layers, model=facts), **settings)


def items() -> list[tuple[Image.Image, str, list[list[float]]]]:
    """Pictures of three shapes; questions of three lengths."""
    return [
        (picture(), "What colour?", [[30, 16, 60, 40]]),
        (picture(60, 90, (20, 20, 230)), "Where is the big blue thing, please?", [[15, 18, 30, 45], [0, 60, 9, 80]]),
        (picture(90, 90, (20, 220, 30)), "Green?", [[0, 0, 90, 90]]),
    ]

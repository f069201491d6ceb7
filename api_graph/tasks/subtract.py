"""The "subtract" post-processing: what a box scores for any caption at all is taken off its score (spec 2.3).

    S'_b = S(t, b) − 1/|Q| · Σ_q S(q, b) = scale · ⟨v_b, T(t) − mean_q T(q)⟩

Scores are linear in the text, so the captions Q need one vector: the mean of their unit vectors, itself *not*
normalised.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text
from api_graph.errors import BadInput
from api_graph.tasks.templates import REFERRING, filled, template_texts

REFERENCE_COUNT = 500
"""As many captions the reference draws, from all captions of the file that is evaluated."""

_TEXTS_AT_ONCE = 256


def sample_captions(captions: Sequence[str], count: int = REFERENCE_COUNT, *, seed: int = 0) -> list[str]:
    """`count` captions drawn without replacement, or all where there are fewer; equal seeds draw equal captions."""
    if count < 1:
        raise BadInput("at least one caption must be drawn", input="count", value=count)
    # RandomState, not Generator: NumPy keeps its stream frozen between releases.
    drawn = np.random.RandomState(seed).permutation(len(captions))[:count]
    return [captions[int(i)] for i in sorted(drawn)]


def mean_text(model: ClipModel, captions: str | Sequence[str], template: str = REFERRING) -> Tensor:
    """mean_q T(q): the mean of the captions' unit vectors, float32 (E,). Captions are written as the query is."""
    texts = [caption_text(caption, template) for caption in _lines(captions)]
    if not texts:
        raise BadInput("there is no caption", input="captions", hint="Give at least one, one per line.")
    batches = (texts[i : i + _TEXTS_AT_ONCE] for i in range(0, len(texts), _TEXTS_AT_ONCE))
    return F.normalize(torch.cat([encode_text(model, batch) for batch in batches]), dim=-1).mean(0)


def caption_text(caption: str, template: str = REFERRING) -> str:
    """The text that is encoded for a caption: "a photo of {}", lower-cased, with no full stop of its own added."""
    if not isinstance(caption, str) or not caption.strip():
        raise BadInput("the text is empty", input="text", value=caption, hint="Say which object is meant.")
    return filled(template_texts([template])[0], caption.strip().lower())


def _lines(captions: str | Sequence[str]) -> list[str]:
    given = captions.splitlines() if isinstance(captions, str) else list(captions)
    return [line for line in given if line.strip()]

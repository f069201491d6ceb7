"""From features to a choice: how well each box fits a text (FALIP section 3; ReCLIP's conventions).

    S[m, b] = exp(logit scale) · ⟨V[m, b], T⟩,  V and T of unit length

over representations m (one for each prompt method) and boxes b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from api_graph.clip.model import ClipModel
from api_graph.errors import BadInput
from api_graph.notebook import html_table, one_line
from api_graph.pixels.shown import Shown
from api_graph.plotting import Panel
from api_graph.tasks.outlines import outlined

T = TypeVar("T")

Aggregate = Literal["sum", "max"]

CLIP_LOGIT_SCALE = 100.0
"""What OpenAI's CLIPs ended up with."""


@dataclass(frozen=True, eq=False)
class BoxChoice(Shown):
    """Which box fits a text best: its `index`, the first one of equals.

    `scores` are the boxes' logits (B,) on the CPU. `margin` is how much more probable the box is than the next one,
    in [0, 1]: 0 for a tie, 1 where there is only one box. `choose_box` adds the `query`, and what `show`, `save` and
    `plot` draw: the `image`, and the `boxes` (B, 4) on it, xyxy in its pixels.
    """

    index: int
    scores: Tensor
    margin: float
    query: str = ""
    image: Image.Image | None = None
    boxes: Tensor | None = None

    @property
    def probabilities(self) -> Tensor:
        """Softmax over the boxes, (B,)."""
        return self.scores.softmax(0)

    def __repr__(self) -> str:
        chance = float(self.probabilities[self.index])
        return one_line(self, f"box {self.index} of {len(self.scores)}", f"p={chance:.3f}", f"margin={self.margin:.3f}")

    def _repr_html_(self) -> str:
        rows = zip(self.scores.tolist(), self.probabilities.tolist(), strict=True)
        lines = [(n, f"{score:.3f}", f"{p:.3f}", "✓" * (n == self.index)) for n, (score, p) in enumerate(rows)]
        return html_table(("box", "score", "probability", "chosen"), lines)

    def picture(self) -> Image.Image:
        """The image with all boxes and how probable each is, the chosen one in a colour. BadInput without an image."""
        if self.image is None or self.boxes is None:
            hint = "Use the result of choose_box."
            raise BadInput("the choice was made of scores alone: it has no image to show", input="image", hint=hint)
        names = [f"{index}: {p:.2f}" for index, p in enumerate(self.probabilities.tolist())]
        return outlined(self.image, self.boxes, names, (self.index,))

    def _panels(self) -> list[list[Panel]]:
        return [[Panel(self.query, self.picture())]]

    @classmethod
    def of(cls, scores: Tensor) -> BoxChoice:
        """The choice that the logits (B,) make."""
        scores = scores.detach().float().cpu()
        if scores.ndim != 1 or not len(scores) or not bool(scores.isfinite().all()):
            raise BadInput("a choice needs one finite score per box", input="scores", value=tuple(scores.shape))
        best = scores.softmax(0).topk(min(2, len(scores))).values
        margin = float(best[0] - best[1]) if len(best) > 1 else 1.0
        return cls(int((scores == scores.max()).nonzero()[0]), scores, margin)


def score_boxes(
    features: Tensor | Sequence[Tensor],
    text: Tensor | Sequence[Tensor],
    logit_scale: float | Sequence[float] = CLIP_LOGIT_SCALE,
    *,
    aggregate: Aggregate = "sum",
    negatives: Tensor | Sequence[Tensor] | None = None,
) -> Tensor:
    """How well each of B boxes fits a text, as logits.

    `features`: (B, E), or (M, B, E) for M representations of each box. `text`: (E,), or (Q, E) for Q texts at once.
    Neither needs to be normalised. With several models give lists: one `features`, `text` and `logit_scale` each;
    their logits are summed. `negatives` is the mean of other texts' unit vectors (`mean_text`), one per model:
    subtracted before representations are aggregated (sum or max).

    Returns float32 (B,), or (Q, B). Relations between objects ("left of") are read by no one: the text is taken as a
    whole, and ReCLIP's parsing of relations and superlatives is left out.
    """
    models = [features] if isinstance(features, Tensor) else list(features)
    texts = _per_model(text, len(models), "text")
    scales = _per_model(logit_scale, len(models), "logit_scale")
    bases = [None] * len(models) if negatives is None else _per_model(negatives, len(models), "negatives")
    logits = sum(
        (_logits(f, t, s, n) for f, t, s, n in zip(models, texts, scales, bases, strict=True)), torch.zeros(())
    )
    return aggregated(logits, aggregate)


def aggregated(logits: Tensor, aggregate: Aggregate = "sum") -> Tensor:
    """Representations as one: (..., M, B) -> (..., B)."""
    if aggregate not in get_args(Aggregate):
        raise BadInput("unknown aggregation", input="aggregate", value=aggregate, hint="Use sum or max.")
    return logits.sum(-2) if aggregate == "sum" else logits.amax(-2)


def stacked(scores: Sequence[Tensor], aggregate: Aggregate = "sum") -> Tensor:
    """Scores of several models or representations, each (B,), as one (B,)."""
    return aggregated(torch.stack([one.float().to(scores[0].device) for one in scores]), aggregate)


def logit_scale(model: ClipModel) -> float:
    """The model's own exp(logit scale); CLIP's 100 where it has none."""
    scale = getattr(model.module, "logit_scale", None)
    return CLIP_LOGIT_SCALE if scale is None else float(scale.detach().float().exp())


def _logits(features: Tensor, text: Tensor, scale: float, negatives: Tensor | None) -> Tensor:
    """(M, B), or (Q, M, B) for texts (Q, E)."""
    if features.ndim not in (2, 3) or 0 in features.shape or features.shape[-1] != text.shape[-1]:
        raise BadInput(
            f"features (B, E) or (M, B, E) are needed that share their last axis with the text's {tuple(text.shape)}",
            input="features",
            value=tuple(features.shape),
            hint="Use features and texts of the same model.",
        )
    shown = features if features.ndim == 3 else features.unsqueeze(0)
    said = F.normalize(text.float(), dim=-1)
    if negatives is not None:
        said = said - negatives.float().to(said.device)
    visual = F.normalize(shown.float(), dim=-1).to(said.device)
    # Not a matrix product, which rounds each row its own way: boxes that are shown alike must tie.
    return scale * (visual * said[..., None, None, :]).sum(-1)


def _per_model(value: T | Sequence[T], count: int, name: str) -> list[T]:
    values = [*value] if isinstance(value, list | tuple) else [value]
    if len(values) != count:
        raise BadInput(f"there are {count} models, so give {count} of these", input=name, value=len(values))
    return values

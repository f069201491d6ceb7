"""Batches: several questions about the same pictures in one sequence, none of which sees another.

A sequence is prefix (system prompt, images), question 1, answer 1, question 2, answer 2, … Every token sees the
prefix and its own question alone, and is counted on from the prefix: to the model these are so many
conversations, at the price of one encoding of the images.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from demo_lvlm_data import Pools, Shown, View
from demo_lvlm_model import IMAGE_ID, IMAGE_TOKENS
from demo_lvlm_prompts import EVALUATE, SYSTEM, wrap
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from api_graph.demo.questions import KINDS, UNANSWERABLE, Question, ask
from api_graph.demo.scenes import COLOURS
from api_graph.demo.shapes import SHAPES

ABOUT_ONE = ("colour", "shape", "exists", "side")
SHARES = {"colour": 4, "shape": 5, "exists": 6, "count": 5, "describe": 1, "unanswerable": 2, "side": 2}
IGNORED = -100
TRIES = 30


@dataclass
class Sequence:
    """Token by token: id, label (the token itself where it is to be learnt), conversation (0 is the prefix).

    `looks`: whether the token may see the images.
    """

    ids: list[int]
    labels: list[int]
    segment: list[int]
    position: list[int]
    looks: list[bool]


@dataclass(frozen=True)
class Batch:
    """ids, labels and positions (B, T); mask bool (B, 1, T, T); the images' rows of the features (B, n)."""

    ids: Tensor
    labels: Tensor
    positions: Tensor
    mask: Tensor
    rows: Tensor


@dataclass
class Batches:
    """Draws batches; `blind` is the share of conversations whose question cannot see the images itself."""

    pools: Pools
    tokenizer: PreTrainedTokenizerFast
    rng: np.random.RandomState
    questions: int = 8
    blind: float = 0.5
    _known: dict[str, list[int]] = field(default_factory=dict)

    def draw(self, size: int, pool: str, images: int, *, plain: bool = False) -> Batch:
        """`size` scenes of a pool; two `images` are a scene and the same scene annotated, or annotated twice."""
        system = "" if plain else SYSTEM[self.rng.randint(len(SYSTEM))]
        prefix = [self.tokenizer.bos_token_id, *self._encode(f"{system} USER:")]
        image = [IMAGE_ID] * IMAGE_TOKENS
        sequences, rows = [], []
        for i in self.rng.randint(len(self.pools.scenes[pool]), size=size):
            shown = self.pools.scenes[pool][i]
            views = self._views(shown, images)
            rows.append([view.row for view in views])
            sequences.append(self._sequence(prefix + image * images, shown, views, plain))
        return collate(sequences, torch.tensor(rows))

    def _views(self, shown: Shown, images: int) -> list[View]:
        if len(shown.views) == 1:
            return list(shown.views)
        if images == 1:
            return [shown.views[self.rng.randint(1, len(shown.views))]]
        first = shown.views[0] if self.rng.rand() < 0.6 else shown.views[1]
        return [first, shown.views[2]]

    def _sequence(self, prefix: list[int], shown: Shown, views: list[View], plain: bool) -> Sequence:
        n = len(prefix)
        sequence = Sequence(list(prefix), [IGNORED] * n, [0] * n, list(range(n)), [True] * n)
        for number in range(1, self.questions + 1):
            text, answer = self._conversation(shown, views, plain)
            question, end = self._encode(text), self._encode("ASSISTANT:")
            learnt = [*self._encode(answer), self.tokenizer.eos_token_id]
            looks = self.rng.rand() >= self.blind
            ids = [*question, *end, *learnt]
            sequence.ids += ids
            sequence.labels += [IGNORED] * (len(question) + len(end)) + learnt
            sequence.segment += [number] * len(ids)
            sequence.position += range(n, n + len(ids))
            sequence.looks += [looks] * len(question) + [True] * (len(end) + len(learnt))
        return sequence

    def _conversation(self, shown: Shown, views: list[View], plain: bool) -> tuple[str, str]:
        """A prompt that the views allow an answer to, and the answer."""
        annotated = views[0].row != shown.views[0].row
        if annotated and len(views) == 1 and self.rng.rand() < 0.12 and (judged := self._evaluate(shown, views[0])):
            return judged
        question = self._question(shown, np.max([view.seen for view in views], axis=0), plain)
        if plain:
            return question.text, question.answer
        return wrap(self.rng, question, self._wrong(question), annotated=annotated), question.answer

    def _question(self, shown: Shown, seen: np.ndarray, plain: bool) -> Question:
        for _ in range(TRIES):
            kind = self.rng.choice(KINDS, p=_shares())
            question = ask(self.rng, shown.objects, shown.size, kind, plain=plain and self.rng.rand() < 0.7)
            if question and _answerable(question, shown, seen):
                return question
        # So little is left to be seen that only what never was there can be asked for.
        question = ask(self.rng, shown.objects, shown.size, UNANSWERABLE)
        assert question is not None
        return question

    def _evaluate(self, shown: Shown, view: View) -> tuple[str, str] | None:
        """Can what is left of the picture answer? Only where that is plain."""
        question = ask(self.rng, shown.objects, shown.size, ABOUT_ONE[self.rng.randint(len(ABOUT_ONE))])
        if question is None or question.target is None:
            return None
        kept = view.kept[shown.objects.index(question.target)]
        if 0.25 < kept < 0.6:
            return None
        return EVALUATE.format(question=question.text), "T" if kept >= 0.6 else "F"

    def _wrong(self, question: Question) -> str:
        """Another answer to a question of this kind."""
        options = {"exists": ("yes", "no"), "count": tuple("012345"), "side": ("left", "right", "top", "bottom")}
        options |= {"colour": tuple(COLOURS), "shape": SHAPES}
        others = [a for a in options.get(question.kind, ("red", "star", "yes")) if a != question.answer]
        return others[self.rng.randint(len(others))]

    def _encode(self, text: str) -> list[int]:
        if text not in self._known:
            self._known[text] = self.tokenizer(text, add_special_tokens=False).input_ids
        return self._known[text]


def collate(sequences: list[Sequence], rows: Tensor) -> Batch:
    """Padded on the right to one length; padding sees the prefix, and nothing sees padding."""
    ids = _padded([s.ids for s in sequences], 0)
    segment, looks = _padded([s.segment for s in sequences], -1), _padded([s.looks for s in sequences], 1).bool()
    order = torch.arange(ids.shape[1])
    mask = order[:, None] >= order
    mask = mask & ((segment[:, None, :] == 0) | (segment[:, :, None] == segment[:, None, :]))
    mask = mask & (looks[:, :, None] | (ids != IMAGE_ID)[:, None, :])  # (B, T, T)
    labels = _padded([s.labels for s in sequences], IGNORED)
    return Batch(ids, labels, _padded([s.position for s in sequences], 0), mask[:, None], rows)


def _padded(rows: list, value: int) -> Tensor:
    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)


def _answerable(question: Question, shown: Shown, seen: np.ndarray) -> bool:
    if question.target is not None:
        return bool(seen[shown.objects.index(question.target)] > 0.35)
    return bool(seen.min() > 0.35)


@cache
def _shares() -> np.ndarray:
    weights = np.array([SHARES[kind] for kind in KINDS], dtype=float)
    return weights / weights.sum()

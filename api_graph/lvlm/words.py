"""The words of an answer, and a map for each: where the model looked while it said this word."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import ClassVar, Literal, TypedDict

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry, GeometryFields
from api_graph.json_values import Json
from api_graph.lvlm.layout import TokenLayout, merge
from api_graph.lvlm.protocols import Tokenizer
from api_graph.lvlm.steps import decoded_whole, token_spans
from api_graph.sockets import Attribution

Method = Literal["attention", "activation"]
"""Where the model looked while it said a token (API eq. 8), or which image tokens support the token (TAM)."""

Span = tuple[int, int]
"""First and last + 1 of some characters."""

_SPACELESS = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai, and Chinese and Japanese characters: no space parts their words."""

_JOINERS = "'’-‐‑"  # within a word; between digits these too:
_DIGIT_JOINERS = ".,:/"


@dataclass(frozen=True, eq=False)
class Word:
    """One word of an answer: `start` and `end` are its characters there, `steps` its tokens, from 0 in the answer.

    `attribution` is the mean of what its tokens looked at, (1, gh, gw).
    """

    text: str
    start: int
    end: int
    steps: tuple[int, ...]
    attribution: Attribution

    @property
    def map(self) -> Tensor:
        """Where the model looked while it said the word, (gh, gw)."""
        return self.attribution.values[0]


class WordFields(TypedDict):
    """`WordMaps` as JSON, but for its maps."""

    answer: str
    question: str
    method: Method
    words: list[tuple[str, int, int, list[int]]]
    geometry: list[GeometryFields]


@dataclass(frozen=True, eq=False)
class WordMaps:
    """An answer about one image, with a map for each of its words; the question, and how the maps were made."""

    socket: ClassVar[str] = "AP_WORD_MAPS"

    answer: str
    words: tuple[Word, ...]
    question: str = ""
    method: Method = "attention"

    def about(self, phrase: str = "", *, each: bool = False) -> Attribution:
        """The mean map of the words that a phrase of the answer touches, or of all for "", (1, gh, gw); or `each` map.

        As the answer has it, or else in other upper and lower case. Raises BadInput where it is not in the answer, and
        for an answer without words.
        """
        phrase = phrase.strip()
        start = self.answer.find(phrase)
        start = start if start >= 0 else self.answer.lower().find(phrase.lower())
        end = start + len(phrase)
        words = [one for one in self.words if not phrase or (start >= 0 and one.start < end and one.end > start)]
        if not words:
            raise BadInput(
                f"the answer {self.answer!r} has no such words",
                input="phrase",
                value=phrase,
                hint="Take words of the answer, or leave it empty for all words.",
            )
        maps = Attribution.joined([one.attribution for one in words])
        return maps if each else words[0].attribution.with_values(maps.values.mean(0, keepdim=True))

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds an equal one."""
        maps = [one.attribution for one in self.words]
        words: list[Json] = [[one.text, one.start, one.end, list(one.steps)] for one in self.words]
        geometry: list[Json] = [list(astuple(one.geometry[0])) for one in maps]
        texts: dict[str, Json] = {"answer": self.answer, "question": self.question, "method": self.method}
        values = torch.cat([one.values for one in maps]) if maps else torch.empty(0, 1, 1)
        return {"values": values}, {**texts, "words": words, "geometry": geometry}

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: WordFields) -> WordMaps:
        maps = Attribution(tensors["values"], tuple(Geometry(*fields) for fields in meta["geometry"])).each()
        words = [
            Word(text, start, end, tuple(steps), own)
            for (text, start, end, steps), own in zip(meta["words"], maps, strict=True)
        ]
        return cls(meta["answer"], tuple(words), meta["question"], meta["method"])


def words_of(
    tokenizer: Tokenizer | None, tokens: Sequence[int], steps: Sequence[int], step_maps: Tensor, layout: TokenLayout
) -> tuple[Word, ...]:
    """The words of the answer `tokens`, in order; none without a tokenizer.

    `step_maps` (M, N) are the rows of the tokens `steps`, at the image tokens of `layout`. A word's map is the mean of
    its tokens' rows, of those that are among the steps; a word with none of them is left out.
    """
    if tokenizer is None:
        return ()
    text, spans = decoded_whole(tokenizer, tokens), token_spans(tokenizer, tokens)
    row_of = {step: row for row, step in enumerate(steps)}
    lead = len(text) - len(text.lstrip())  # the answer is given without it
    found = []
    for start, end in word_spans(text, spans):
        own = tuple(
            step
            for step, (first, last) in enumerate(spans)
            if step in row_of and first < last and first < end and last > start
        )
        if own:
            rows = step_maps[torch.tensor([row_of[step] for step in own])]
            values, geometry = merge(layout, rows.mean(dim=0))
            found.append(Word(text[start:end], start - lead, end - lead, own, Attribution(values[None], (geometry,))))
    return tuple(found)


def word_spans(text: str, tokens: Sequence[Span]) -> list[Span]:
    """The characters of each word of `text`, whose tokens have the characters `tokens`.

    A word is letters, digits, marks and symbols in a row, with apostrophes and hyphens between them, and full stops,
    commas, colons and slashes between digits. Spaces and other punctuation are no part of a word. Where a script does
    not part its words (Chinese, Japanese, Thai, ...), a word is what the model said at once: one token's characters.
    """
    starts = {first for first, last in tokens if first < last}
    spans: list[Span] = []
    for start, end, spaceless in _runs(text):
        cuts = [start, *(i for i in range(start + 1, end) if i in starts and not _is_mark(text[i])), end]
        spans += itertools.pairwise(cuts) if spaceless else [(start, end)]
    return spans


def _runs(text: str) -> Iterator[tuple[int, int, bool]]:
    """Unbroken runs of characters of words, and whether they are of a script without spaces."""
    kinds = [_kind(text, i) for i in range(len(text))]
    start = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or kinds[i] != kinds[start]:
            if kinds[start] is not None:
                yield start, i, kinds[start] == "spaceless"
            start = i


def _kind(text: str, i: int) -> str | None:
    """ "spaced" or "spaceless" for a character of a word; None for one between words."""
    character = text[i]
    if _in_word(character):
        if _is_mark(character) and i and _in_word(text[i - 1]):
            return _kind(text, i - 1)
        return "spaceless" if _SPACELESS.match(character) else "spaced"
    before, after = text[i - 1 : i], text[i + 1 : i + 2]
    if character in _DIGIT_JOINERS:
        return "spaced" if before.isdigit() and after.isdigit() else None
    joins = character in _JOINERS and all(
        side and _in_word(side) and not _SPACELESS.match(side) for side in before + after
    )
    return "spaced" if joins and before and after else None


def _in_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LNMS" or category in ("Cf", "Pc")  # joiners of scripts and emoji, and "_"


def _is_mark(character: str) -> bool:
    """Whether it belongs to the character before it: an accent, a vowel sign, a joiner."""
    category = unicodedata.category(character)
    return category[0] == "M" or category == "Cf"

"""Which of an answer's tokens count: all, the first, a range of them, or those of a phrase in the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from api_graph.errors import BadInput
from api_graph.lvlm.protocols import Tokenizer

Steps: TypeAlias = "str | range | slice | tuple[int | None, int | None]"
"""`"all"`, `"first"`, a range, a slice, a pair (start, stop), or any other text, which is a phrase of the answer."""


def chosen_steps(steps: Steps, tokens: Sequence[int], tokenizer: Tokenizer | None = None) -> list[int]:
    """The chosen steps of an answer: numbers from 0 among its `tokens`. Step m predicts token m.

    A phrase is looked for as it is written, else without regard to case; where it is found several times, the first
    time counts. Raises BadInput for a phrase that the answer does not contain, and when nothing is chosen.
    """
    numbers = range(len(tokens))
    if isinstance(steps, str):
        chosen = {"all": list(numbers), "first": list(numbers[:1])}.get(steps)
        return _steps_of_phrase(steps, tokens, tokenizer) if chosen is None else chosen
    if isinstance(steps, range):
        found = [step for step in steps if step in numbers]
    elif isinstance(steps, slice):
        found = list(numbers[steps])
    elif isinstance(steps, tuple) and len(steps) == 2:
        found = list(numbers[slice(*steps)])
    else:
        raise BadInput(
            "steps are 'all', 'first', a range, a pair (start, stop), or a phrase of the answer",
            input="steps",
            value=steps,
        )
    if not found:
        raise BadInput(f"no step is chosen: the answer has {len(tokens)}", input="steps", value=steps)
    return found


def _steps_of_phrase(phrase: str, tokens: Sequence[int], tokenizer: Tokenizer | None) -> list[int]:
    if tokenizer is None:
        raise BadInput("without a tokenizer there is no text to look in", input="steps", value=phrase)
    if not phrase.strip():
        raise BadInput("the phrase is empty", input="steps", value=phrase, hint="Write 'all' to take every token.")
    text = decoded_whole(tokenizer, tokens)
    start = text.find(phrase)
    start = start if start >= 0 else text.lower().find(phrase.lower())
    if start < 0:
        raise BadInput(
            f"the answer does not contain it; it is {text.strip()!r}",
            input="steps",
            value=phrase,
            hint="Take a phrase of the answer, 'all' or 'first'; if the answer was cut, allow more tokens.",
        )
    spans = token_spans(tokenizer, tokens)
    return [step for step, (first, last) in enumerate(spans) if first < start + len(phrase) and last > start]


def token_spans(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[tuple[int, int]]:
    """First and last + 1 of each token's characters in `decoded_whole`.

    Tokens that make up one character together share it. A special token has no character: its first is its last + 1.
    """
    text = decoded_whole(tokenizer, tokens)
    edges = [_agreement(decoded_whole(tokenizer, tokens[:i]), text) for i in range(len(tokens) + 1)]
    ends = [next((later for later in edges[i + 1 :] if later > edge), edge) for i, edge in enumerate(edges[:-1])]
    return list(zip(edges[:-1], ends, strict=True))


def _agreement(beginning: str, text: str) -> int:
    """How many characters of `beginning` are those of `text`: half a character's bytes decode to another character."""
    pairs = enumerate(zip(beginning, text, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(beginning), len(text)))


def decoded_whole(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    """The text of an answer with the spaces at its ends, without special tokens."""
    return tokenizer.decode(list(tokens), skip_special_tokens=True)

"""Questions with options: MMMU, and sets of VLMEvalKit's form, HR-Bench, MMVP and V*."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence

from api_graph.errors import BadInput

_STRIPPED = ",.!?;:'"
_LONG = 5
"""A response of more words than this may hold an option's text rather than its letter."""

_LETTER_ALONE = re.compile(r"\W*([A-Za-z])\W*")
_LETTER_FIRST = re.compile(r"\(?([A-Za-z])[).:]\s")

_KEYS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_NO_ANSWER = {":", ",", ".", "!", "?", ";", "'"}

_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
)
"""With commas between thousands, with an exponent, and plain."""


def parse_multiple_choice(response: str, choices: Sequence[str], index_to_answer: Mapping[str, str]) -> str | None:
    """The letter that a response means, or None where MMMU's official parser draws one.

    Looked for are "(B)", else " B ", else, in a response of more than five words, the options' texts; of several the
    one that comes last. `choices` are the letters, `index_to_answer` their options. "A. red", "b" and "**C**" mean
    nothing to it. `draw_choice` draws in its place.
    """
    for mark in _STRIPPED:
        response = response.strip(mark)
    response = f" {response} "
    for form in ("({})", " {} "):
        last = {letter: response.rfind(form.format(letter)) for letter in choices}
        if any(at >= 0 for at in last.values()):
            return _last(last)
    if len(response.split()) > _LONG:
        lower = response.lower()
        last = {letter: lower.rfind(option.lower()) for letter, option in index_to_answer.items()}
        if any(at >= 0 for at in last.values()):
            return _last(last)
    return None


def _last(last: Mapping[str, int]) -> str:
    """The letter that is found furthest on, the first of equals."""
    return max(last, key=lambda letter: last[letter])


def read_letter(response: str, choices: Mapping[str, str]) -> str | None:
    """The letter that a response means, to a reader who draws none: None where nobody could tell.

    Read are a letter by itself ("b", "(B)", "B."), one that begins the response ("B. red", "(b) red"), an option's text
    word for word, and then what `parse_multiple_choice` reads. `choices` are the options by letter.
    """
    said = response.strip()
    match = _LETTER_ALONE.fullmatch(said) or _LETTER_FIRST.match(said)
    if match and match[1].upper() in choices:
        return match[1].upper()
    plain = said.rstrip(".").casefold()
    same = [letter for letter, option in choices.items() if option.strip().rstrip(".").casefold() == plain]
    return same[0] if len(same) == 1 else parse_multiple_choice(response, list(choices), choices)


def draw_choice(choices: Sequence[str], item: str, seed: int = 0) -> str:
    """A letter for a response that means none, as the official parser draws one; the same for an `item` and `seed`.

    Raises BadInput where there is nothing to draw from.
    """
    if not choices:
        raise BadInput("there is no letter to draw from", input="choices")
    return random.Random(f"{seed}:{item}").choice(list(choices))


def parse_open(response: str) -> list[str | float]:
    """What a free response may mean: texts in lower case and numbers, each once (MMMU's official parser).

    Of each line the shortest part after a word such as "is" or "answer", and every number in those parts. Numbers are
    rounded to two decimals; a single letter comes with a blank before and with one behind, so that it is no part of a
    word.
    """
    keys = _key_parts(response)
    numbers = [number for key in keys for pattern in _NUMBERS for number in pattern.findall(key)]
    return list(dict.fromkeys(form for text in [*keys, *numbers] for form in _normalized(text)))


def open_answer_correct(response: str, answer_or_answers: str | Sequence[str]) -> bool:
    """Whether a free response gives the answer, or one of several: a text is contained in it, a number equals one."""
    answers = [answer_or_answers] if isinstance(answer_or_answers, str) else answer_or_answers
    right = [form for answer in answers for form in _normalized(answer)]
    texts = [form for form in right if isinstance(form, str)]
    return any(
        any(text in said for text in texts) if isinstance(said, str) else said in right for said in parse_open(response)
    )


def _key_parts(response: str) -> list[str]:
    """The part of each line that says the answer; all of the response where no line has one."""
    response = response.strip().strip(".").lower()
    lines = response.split("\n")
    parts: list[str] = []
    for number, line in enumerate(lines, start=1):
        shortest = ""
        for key in (*_KEYS, "=") if number == len(lines) else _KEYS:
            if key in line:
                part = line.split(key)[-1].strip()
                if not shortest or len(part) < len(shortest):
                    shortest = part
        if shortest and shortest not in _NO_ANSWER:
            parts.append(shortest)
    return parts or [response]


def _normalized(text: str) -> list[str | float]:
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        text = text.lower()
        return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def vstar_correct(losses: Sequence[float]) -> bool:
    """V*: whether the first option, which is the right one, has the least mean loss of its tokens; the first of equals.

    Raises BadInput for less than two options and for a loss that is NaN.
    """
    if len(losses) < 2 or any(math.isnan(loss) for loss in losses):
        raise BadInput("each option needs a loss", input="losses", value=list(losses), hint="Give two or more numbers.")
    return min(range(len(losses)), key=lambda option: losses[option]) == 0


MMVP_SWAPPED = frozenset({99, 100, 279, 280})
"""Rows whose labels are swapped in the original file."""


def mmvp_pairs(right: Mapping[int, bool]) -> float:
    """MMVP: the share of pairs (rows 2k − 1 and 2k, counted from 1) in which both answers are right.

    Raises BadInput where a row lacks its other half.
    """
    lone = sorted(row for row in right if (row + 1 if row % 2 else row - 1) not in right)
    if lone or not right:
        raise BadInput(
            "the rows of a pair go together",
            input="right",
            value=lone[:10],
            hint="Score whole pairs: rows 1 and 2, 3 and 4, and so on.",
        )
    firsts = [row for row in right if row % 2]
    return sum(right[row] and right[row + 1] for row in firsts) / len(firsts)


def hr_bench_scores(items: Iterable[Mapping[str, object]]) -> dict[str, float]:
    """HR-Bench: the mean over the four rotations of the share of right answers, for each category and for "all".

    Items have `cycle_category`, `category` and `correct`. Raises BadInput where there are none.
    """
    rows = list(items)
    if not rows:
        raise BadInput("there is nothing to score", input="items")
    categories = list(dict.fromkeys(str(row["category"]) for row in rows))
    return {
        category: _mean_over_rotations([row for row in rows if category in ("all", str(row["category"]))])
        for category in [*categories, "all"]
    }


def _mean_over_rotations(rows: Sequence[Mapping[str, object]]) -> float:
    by_rotation: dict[str, list[bool]] = {}
    for row in rows:
        by_rotation.setdefault(str(row["cycle_category"]), []).append(bool(row["correct"]))
    shares = [sum(right) / len(right) for right in by_rotation.values()]
    return sum(shares) / len(shares)

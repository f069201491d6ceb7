"""Are short answers right, and is one way of asking better than another on the same questions?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from api_graph.errors import BadInput


def is_right(answer: str, truth: str) -> bool:
    """Whether an answer says what is true, letter case and punctuation aside; a number's sign and decimals count.

    Raises BadInput for a truth without a word, which an empty answer would match.
    """
    if not _words(truth):
        raise BadInput("there is no word in it", input="truth", value=truth)
    return _words(answer) == _words(truth)


def mcnemar_p(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Exact two-sided p-value that two ways of asking the same questions are equally often right (McNemar 1947).

    Only the questions count that one of them gets right and the other one wrong; under the null hypothesis each
    of the two is right in half of them. 1.0 where there is no such question.
    """
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    trials = only_first + only_second
    tail = sum(math.comb(trials, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, tail / 2 ** (trials - 1)) if trials else 1.0


def _words(text: str) -> list[str]:
    return re.findall(r"(?:(?<![\w.])-(?=\d))?\w+(?:\.\d+)*", text.lower().replace("\u2212", "-"))

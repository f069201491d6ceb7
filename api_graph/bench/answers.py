"""Are short answers right?"""

from __future__ import annotations

import re

from api_graph.bench.statistics import mcnemar_p as mcnemar_p  # where it was in version 0.1
from api_graph.errors import BadInput


def is_right(answer: str, truth: str) -> bool:
    """Whether an answer says what is true, letter case and punctuation aside; a number's sign and decimals count.

    Raises BadInput for a truth without a word, which an empty answer would match.
    """
    if not _words(truth):
        raise BadInput("there is no word in it", input="truth", value=truth)
    return _words(answer) == _words(truth)


def _words(text: str) -> list[str]:
    return re.findall(r"(?:(?<![\w.])-(?=\d))?\w+(?:\.\d+)*", text.lower().replace("\u2212", "-"))

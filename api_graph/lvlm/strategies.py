"""The prompting strategies that the paper compares, as texts: what is asked, and how an answer is read.

Wordings are the paper's (API section 9 and its appendix); "reference" is what the official scripts send instead.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from api_graph.errors import BadInput
from api_graph.lvlm.quotes import unquoted

Suffix = Literal["none", "word_or_phrase", "yes_or_no", "option_letter", "unanswerable"]
Strategy = Literal["question", "step_by_step", "hint", "evaluate", "reflect"]
Wording = Literal["paper", "reference"]

SUFFIXES: dict[str, str] = {
    "none": "",
    "word_or_phrase": "Answer the question using a single word or phrase.",
    "yes_or_no": "Please answer yes or no",
    "option_letter": "Answer with the option's letter from the given choices directly.",
    "unanswerable": (
        "When the provided information is insufficient, respond with 'Unanswerable'. "
        "Answer the question using a single word or phrase."
    ),
}
"""What a benchmark adds to its questions: TextVQA, MME, MMMU (multiple choice) and VisWiz, in this order."""

_TEMPLATES: dict[tuple[str, str], str] = {
    ("question", "paper"): "[Q]",
    ("question", "reference"): '"[Q]"',
    ("step_by_step", "paper"): "[Q] Let's think step by step.",
    ("step_by_step", "reference"): '"[Q]" Let\'s think again step by step.',
    ("hint", "paper"): "[Q] (Hint: The answer is related to the unmasked visible regions).",
    ("evaluate", "paper"): (
        'For this image, the question is "[Q]". Evaluate whether the unmasked visible regions of the image alone can '
        "provide an answer to the question. If they suffice to answer the question, respond with letter "
        '"T". If they do not support an answer to the question, reply with the letter "F".'
    ),
    ("reflect", "paper"): (
        'For the Question "[Q]", Your previous answer is "[A]". Evaluate the quality of the answer and provide a new '
        "answer."
    ),
    ("reflect", "reference"): (
        '"[Q]" \n Your previous answer is [A]. Evaluate the quality of the answer and provide a new answer.'
    ),
}
_SLOT = re.compile(r"\[([QA])\]")

_MARKERS = re.compile(
    r"(?:\b(?:new|final|revised|improved|better|correct)\s+)?\banswer\s*(?:is|would\s+be|should\s+be)?\s*:[\s*]*"
    r"|\b(?:new|final|revised|improved|better|correct)\s+answer\s+(?:is|would\s+be|should\s+be)\s+",
    re.IGNORECASE,
)
_VERDICT = re.compile(r"\b(?:(?P<true>T|[Tt]rue|TRUE)|(?P<false>F|[Ff]alse|FALSE))\b")


def with_suffix(question: str, suffix: Suffix = "none") -> str:
    """The question and, after one space, what its benchmark adds to it. A question that ends with it already stays."""
    text = _of(SUFFIXES, suffix, "suffix")
    question = question.strip()
    said = not text or question.rstrip(".").endswith(text.rstrip("."))
    return question if said else f"{question} {text}".strip()


def strategy_prompt(
    question: str, strategy: Strategy = "question", answer: str = "", wording: Wording = "paper"
) -> str:
    """The text that is sent to the LVLM for a (formatted) question.

    `answer` is the answer of round 1, which only `reflect` contains. In the wording "reference" there are `question`,
    `step_by_step` and `reflect`. Raises BadInput for other strategies there, for an unknown one, and for `reflect`
    without an answer.
    """
    _of(dict.fromkeys(get_args(Strategy)), strategy, "strategy")
    template = _TEMPLATES.get((strategy, wording))
    if template is None:
        raise BadInput(
            f"the official scripts have no wording for {strategy!r}",
            input="wording",
            value=wording,
            hint="Use 'paper'.",
        )
    if strategy == "reflect" and not answer.strip():
        raise BadInput("reflecting needs an answer to reflect on", input="answer", hint="Link round 1's answer to it.")
    # One pass: a question that itself contains "[A]" stays as it is.
    return _SLOT.sub(lambda slot: {"Q": question, "A": answer}[slot[1]], template)


def extract_answer(text: str) -> str:
    """The new answer in a reflection, without the sentences that judge the old one.

    The paper's authors removed those by hand. Here the new answer is what follows the last "Answer:", "new answer is"
    or the like, up to a blank line; without such words it is the whole text. Quotation marks around it, or at one end
    of it, are taken off.
    """
    ends = [match.end() for match in _MARKERS.finditer(text)]
    found = text[ends[-1] :].strip() if ends else ""
    answer = re.split(r"\n\s*\n", found)[0] if found else text
    return unquoted(answer) or text.strip()


def says_true(text: str) -> bool | None:
    """The verdict of an `evaluate` answer: True for "T", False for "F", whichever comes first; None for neither."""
    found = _VERDICT.search(text)
    return None if found is None else found["true"] is not None


def _of(known: dict[str, str] | dict[str, None], name: str, input: str) -> str:
    if name not in known:
        raise BadInput("there is none of that name", input=input, value=name, hint=f"Use one of {', '.join(known)}.")
    return known[name] or ""

"""Short answers against those of ten people: TextVQA, VizWiz, and every set that is scored like VQA."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api_graph.errors import BadInput

UNANSWERABLE = "unanswerable"

_PUNCTUATION = ';/[]"{}()=+\\_-><@`!'
"""What is taken out of an answer; its commas and question marks have gone before."""

_FULL_STOP = re.compile(r"\.(?!\d)")
_MOST_FULL_STOPS = 32
"""The official code hands a flag over where the count belongs, and every harness has kept that."""

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: str(number) for number, word in enumerate(_DIGITS)} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}

_CONTRACTIONS = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
he's how'd how'll how's I'd've I'm I've isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've
needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll
somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd
there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll
what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't
would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""

_SPELT_OUT = {
    word[:at] + word[at + 1 :]: word
    for word in _CONTRACTIONS.split()
    for at, letter in enumerate(word)
    if letter == "'"
} | {"somebody'd": "somebodyd"}
"""A contraction that lacks one of its apostrophes, and the contraction. The last entry is the official table's own."""


def normalize_vqa(text: str) -> str:
    """An answer as the official evaluation of VQA compares it.

    Lower case, without punctuation and articles, numbers up to ten as digits, apostrophes put back. An option letter
    "A" is an article, and vanishes.
    """
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    text = text.replace("\n", " ").replace("\t", " ").strip()
    plain = text
    for mark in _PUNCTUATION:
        stands_apart = f"{mark} " in text or f" {mark}" in text
        plain = plain.replace(mark, "" if stands_apart else " ")
    plain = _FULL_STOP.sub("", plain, count=_MOST_FULL_STOPS)
    words = (_NUMBERS.get(word, word) for word in plain.lower().split())
    return " ".join(_SPELT_OUT.get(word, word) for word in words if word not in _ARTICLES)


def vqa_accuracy(prediction: str, answers: Sequence[str], *, normalize_answers: bool = True) -> float:
    """The mean over the people of min(1, how many of the *others* say what is predicted / 3), in [0, 1].

    With ten people, 0, .3, .6, .9 and then 1 for 0, 1, 2, 3 and more that agree. VizWiz's own code normalises the
    prediction alone (`normalize_answers=False`). Raises BadInput where there is nobody to compare with.
    """
    if isinstance(answers, str) or len(answers) < 2:
        raise BadInput(
            "the accuracy compares with the other people's answers",
            input="answers",
            value=answers,
            hint="Give all answers to the question, usually ten.",
        )
    said = normalize_vqa(prediction)
    agrees = [said == (normalize_vqa(answer) if normalize_answers else answer) for answer in answers]
    return sum(min(1.0, (sum(agrees) - own) / 3) for own in agrees) / len(answers)


@dataclass(frozen=True)
class UnanswerableScores:
    """How questions without an answer are met, in both readings of the paper's "unanswerable accuracy".

    `recall` is the share of the unanswerable questions at which the prediction is "unanswerable"; `accuracy` the mean
    VQA accuracy of those whose `answer_type` is "unanswerable". `false_positives` is the share of the answerable
    questions at which the prediction is "unanswerable": an image that shows nothing raises the recall by itself. None
    where there is no such question.
    """

    recall: float | None
    accuracy: float | None
    false_positives: float | None


def unanswerable_scores(items: Sequence[Mapping[str, object]]) -> UnanswerableScores:
    """VizWiz: items with `prediction`, `answers`, `answerable` (0 or 1) and `answer_type`."""
    says_so = [normalize_vqa(str(item["prediction"])) == UNANSWERABLE for item in items]
    answerable = [bool(item["answerable"]) for item in items]
    typed = [item for item in items if item["answer_type"] == UNANSWERABLE]
    return UnanswerableScores(
        recall=_mean([said for said, can in zip(says_so, answerable, strict=True) if not can]),
        accuracy=_mean([vqa_accuracy(str(item["prediction"]), _texts(item["answers"])) for item in typed]),
        false_positives=_mean([said for said, can in zip(says_so, answerable, strict=True) if can]),
    )


def _texts(answers: object) -> list[str]:
    """Answers as texts, or as VizWiz has them: `{"answer": ..., "answer_confidence": ...}`."""
    if not isinstance(answers, Sequence) or isinstance(answers, str):
        raise BadInput("answers are a list", input="answers", value=answers)
    return [str(answer["answer"]) if isinstance(answer, Mapping) else str(answer) for answer in answers]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None

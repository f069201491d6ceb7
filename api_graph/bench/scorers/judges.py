"""Answers that another model judges: what its reviews say (LLaVA-Bench, MM-Vet)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from api_graph.errors import BadInput

FAILED_REVIEW = (-1.0, -1.0)


def parse_llava_bench_review(review: str) -> tuple[float, float]:
    """The two scores on a review's first line, ours second; `FAILED_REVIEW` where there are not two.

    The official reading: "8 7" is two scores; "8, 7", with two blanks after its comma is taken out, is none.
    """
    words = review.split("\n", maxsplit=1)[0].replace(",", " ").split(" ")
    if len(words) != 2:
        return FAILED_REVIEW
    try:
        return float(words[0]), float(words[1])
    except ValueError:
        return FAILED_REVIEW


@dataclass(frozen=True)
class LlavaBenchScore:
    """100 · mean of our scores / mean of GPT-4's, rounded to one decimal, as officially; can exceed 100.

    `failed` reviews have −1 for both, and stay in the official means; `without_failed` leaves them out.
    """

    score: float
    without_failed: float | None
    reviews: int
    failed: int


def llava_bench_scores(items: Iterable[Mapping[str, object]]) -> dict[str, LlavaBenchScore]:
    """LLaVA-Bench: items with `category` and `review`; a score for each category, and for "all"."""
    by_category: dict[str, list[tuple[float, float]]] = {"all": []}
    for item in items:
        pair = parse_llava_bench_review(str(item["review"]))
        by_category["all"].append(pair)
        by_category.setdefault(str(item["category"]), []).append(pair)
    if not by_category["all"]:
        raise BadInput("there is nothing to score", input="items")
    return {category: _llava_bench(pairs) for category, pairs in by_category.items()}


def _llava_bench(pairs: Sequence[tuple[float, float]]) -> LlavaBenchScore:
    read = [pair for pair in pairs if pair != FAILED_REVIEW]
    score = _ratio(pairs)
    return LlavaBenchScore(
        score=float("nan") if score is None else score,
        without_failed=_ratio(read),
        reviews=len(pairs),
        failed=len(pairs) - len(read),
    )


def _ratio(pairs: Sequence[tuple[float, float]]) -> float | None:
    theirs, ours = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    return round(100 * ours / theirs, 1) if pairs and theirs else None


def parse_mm_vet_score(reply: str) -> float | None:
    """MM-Vet: the number that begins a judge's reply, in [0, 1]; None where it is to be asked again."""
    words = reply.split()
    try:
        score = float(words[0])
    except (IndexError, ValueError):
        return None
    return score if 0 <= score <= 1 else None


def mm_vet_scores(items: Iterable[Mapping[str, object]]) -> dict[str, float]:
    """MM-Vet: items with `capability` (a list, ["ocr", "math"]) and `score` in [0, 1], None for a judge's failure.

    100 · the mean: for "total", for each capability, and for each combination, as "ocr,math". A failure counts 0.
    """
    groups: dict[str, list[float]] = {"total": []}
    for item in items:
        capabilities, score = item["capability"], item["score"]
        if not isinstance(capabilities, Sequence) or isinstance(capabilities, str):
            raise BadInput("the capabilities are a list", input="capability", value=capabilities)
        if score is not None and not (isinstance(score, int | float) and 0 <= score <= 1):
            raise BadInput("a score lies in [0, 1]", input="score", value=score)
        names = [str(name) for name in capabilities]
        joined = [",".join(names)] if len(names) > 1 else []
        for group in ("total", *names, *joined):
            groups.setdefault(group, []).append(float(score or 0.0))
    if not groups["total"]:
        raise BadInput("there is nothing to score", input="items")
    return {group: 100 * sum(scores) / len(scores) for group, scores in groups.items()}

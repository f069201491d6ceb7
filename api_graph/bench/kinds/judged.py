"""MM-Vet and LLaVA-Bench (in the wild): answers that another model judges, as the official evaluations ask it to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from api_graph.bench.declare import Ask, BenchmarkSpec, Judging, Needed, Response, Scored, Verdict
from api_graph.bench.kinds.short_answers import write_json
from api_graph.bench.readers.judged import read_llava_bench, read_mm_vet
from api_graph.bench.readers.questions import Question
from api_graph.bench.scorers.judges import FAILED_REVIEW, parse_llava_bench_review, parse_mm_vet_score
from api_graph.bench.scores import Figure, mean_figure, share_figure
from api_graph.errors import BadInput
from api_graph.files import whole_file

MM_VET_TRIES = 5

_MM_VET_AGAIN = "\nPredict the correctness of the answer (digit): "
_REVIEWER = "You are a helpful and precise assistant for checking the quality of the answer."
_RESAMPLES = 2000


# ------------------------------------------------------------------------------------------------------- MM-Vet


def _ask_mm_vet(question: Question, answer: str, replies: Sequence[str], prompt: str) -> Ask | None:
    """The few-shot table with one more line. A reply that begins with no number is asked for again, up to five times
    in all, each time at a higher temperature.
    """
    if len(replies) >= MM_VET_TRIES or (replies and parse_mm_vet_score(replies[-1]) is not None):
        return None
    truth = question.answers[0].replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
    line = " | ".join([question.text, truth, answer, ""])
    again = _MM_VET_AGAIN if replies else ""
    return Ask(f"{prompt}\n{line}{again}", temperature=0.5 * len(replies), max_tokens=3)


def _mm_vet_score(question: Question, response: Response) -> Verdict:
    """The last reply's number; 0 where none of five begins with one, as officially."""
    if not response.replies:
        return Verdict(None)
    return Verdict(parse_mm_vet_score(response.replies[-1]) or 0.0)


def _mm_vet_figures(scored: Sequence[Scored]) -> list[Figure]:
    """The total, each capability, and each combination of several."""
    groups: dict[str, list[float]] = {}
    for each in scored:
        names = _capabilities(each.question)
        joined = [",".join(names)] if len(names) > 1 else []
        for name in [*names, *joined]:
            groups.setdefault(name, []).append(each.value)
    failed = [parse_mm_vet_score(each.response.replies[-1]) is None for each in scored]
    return [
        mean_figure("total", [each.value for each in scored]),
        *(mean_figure(f"total: {name}", scores) for name, scores in groups.items()),
        share_figure("not judged", failed),
    ]


def _capabilities(question: Question) -> list[str]:
    names = question.facts["capability"]
    return [str(name) for name in names] if isinstance(names, Sequence) and not isinstance(names, str) else []


def _mm_vet_official(scored: Sequence[Scored], folder: Path) -> list[Path]:
    """By id the answer, as MM-Vet's evaluator reads it."""
    return [write_json(folder / "mm_vet_answers.json", {each.question.id: each.response.text for each in scored})]


MM_VET = BenchmarkSpec(
    name="mm-vet",
    title="MM-Vet",
    about="218 questions that need several capabilities at once; a judge gives 0 to 1",
    metric="the judge's mean, of all and by capability",
    paper="API",
    needs=(Needed("mm-vet.json", "MM-Vet's archive"), Needed("images", "MM-Vet's archive")),
    read=lambda data, parts: read_mm_vet(data).questions,
    score=_mm_vet_score,
    figures=_mm_vet_figures,
    category=lambda question: ",".join(_capabilities(question)),
    official=_mm_vet_official,
    judging=Judging(
        Needed("judge_prompt.txt", "the few-shot table that MM-Vet's evaluator has as its prompt, as a text file"),
        _ask_mm_vet,
    ),
)


# -------------------------------------------------------------------------------------------------- LLaVA-Bench


def _ask_llava_bench(question: Question, answer: str, replies: Sequence[str], prompt: str) -> Ask | None:
    """The review of GPT-4's answer and ours, by the rule of the question's category in the official rule.json."""
    if replies:
        return None
    rule = _rule(prompt, str(question.facts["category"]))
    role = rule["role"]
    parts = [
        f"[Context]\n{question.facts['caption']}",
        f"[Question]\n{question.text}",
        f"[{role} 1]\n{question.answers[0]}",
        f"[End of {role} 1]",
        f"[{role} 2]\n{answer}",
        f"[End of {role} 2]",
        f"[System]\n{rule['prompt']}",
    ]
    return Ask("".join(f"{part}\n\n" for part in parts), _REVIEWER, temperature=0.2, max_tokens=1024)


def _rule(content: str, category: str) -> Mapping[str, str]:
    """The rule of a category. Raises BadInput where the file has none."""
    try:
        rule = json.loads(content)[f"llava_bench_{category}"]
        return {"role": str(rule["role"]), "prompt": str(rule["prompt"])}
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        problem = f"rule.json has no rule llava_bench_{category} with a role and a prompt"
        raise BadInput(problem, input="--data", hint="Fetch LLaVA's llava/eval/table/rule.json.") from error


def _llava_bench_score(question: Question, response: Response) -> Verdict:
    """Our points of ten; a review that cannot be read counts for none."""
    if not response.replies:
        return Verdict(None)
    ours = parse_llava_bench_review(response.replies[-1])[1]
    return Verdict(min(max(ours, 0.0) / 10, 1.0))


def _llava_bench_figures(scored: Sequence[Scored]) -> list[Figure]:
    """100 · our points / GPT-4's, in all and by category, with failed reviews as officially, and without them."""
    found = [_ratio("relative score (of 100)", scored)]
    for category in dict.fromkeys(each.score.category for each in scored):
        own = [each for each in scored if each.score.category == category]
        found.append(_ratio(f"relative score (of 100): {category}", own))
    read = [each for each in scored if _points(each) != FAILED_REVIEW]
    found.append(_ratio("relative score (of 100), failed reviews left out", read))
    failed = [_points(each) == FAILED_REVIEW for each in scored]
    return [figure for figure in found if figure is not None] + [share_figure("failed reviews", failed)]


def _points(scored: Scored) -> tuple[float, float]:
    return parse_llava_bench_review(scored.response.replies[-1])


def _ratio(name: str, scored: Sequence[Scored]) -> Figure | None:
    """The official score, to one decimal; its interval is the bootstrap's over the questions."""
    points = np.asarray([_points(each) for each in scored], dtype=float).reshape(len(scored), 2)
    theirs, ours = points.sum(axis=0)
    if theirs <= 0:
        return None
    drawn = np.random.RandomState(0).randint(len(points), size=(_RESAMPLES, len(points)))
    sums = points[drawn].sum(axis=1)  # (_RESAMPLES, 2)
    sums = sums[sums[:, 0] > 0]
    low, high = np.percentile(100 * sums[:, 1] / sums[:, 0], [2.5, 97.5])
    return Figure(name, round(100 * float(ours / theirs), 1), len(points), float(low), float(high))


def _llava_bench_official(scored: Sequence[Scored], folder: Path) -> list[Path]:
    """JSON Lines as answers_gpt4.jsonl has them, for eval_gpt_review_bench.py."""
    path = folder / "answers.jsonl"
    with whole_file(path) as file:
        for each in scored:
            line = {
                "question_id": int(each.question.id),
                "prompt": each.question.text,
                "answer_id": f"{each.question.id}",
                "model_id": "api-graph",
                "metadata": {},
                "text": each.response.text,
            }
            file.write(f"{json.dumps(line)}\n".encode())
    return [path]


LLAVA_BENCH = BenchmarkSpec(
    name="llava-bench",
    title="LLaVA-Bench (in the wild)",
    about="60 questions on 24 pictures; a judge compares with GPT-4's answers",
    metric="points relative to GPT-4's, in all and by category",
    paper="API",
    needs=(
        Needed("questions.jsonl", "LLaVA-Bench (In-the-Wild)"),
        Needed("context.jsonl", "LLaVA-Bench (In-the-Wild)"),
        Needed("answers_gpt4.jsonl", "LLaVA-Bench (In-the-Wild)"),
        Needed("images", "LLaVA-Bench (In-the-Wild)"),
    ),
    read=lambda data, parts: read_llava_bench(data).questions,
    score=_llava_bench_score,
    figures=_llava_bench_figures,
    category=lambda question: str(question.facts["category"]),
    official=_llava_bench_official,
    judging=Judging(Needed("rule.json", "LLaVA's llava/eval/table/rule.json"), _ask_llava_bench),
)

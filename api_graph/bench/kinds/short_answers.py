"""TextVQA and VizWiz: short answers against those of ten people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from api_graph.bench.declare import BenchmarkSpec, Needed, Response, Scored, Verdict, by_category
from api_graph.bench.readers.questions import Question
from api_graph.bench.readers.vqa import read_textvqa, read_vizwiz
from api_graph.bench.scorers.vqa import UNANSWERABLE, normalize_vqa, vqa_accuracy
from api_graph.bench.scores import Figure, mean_figure, share_figure
from api_graph.files import whole_file

ACCURACY = "VQA accuracy"


def score_vqa(question: Question, response: Response) -> Verdict:
    """The mean, over the people, of how far the others agree with the response."""
    return Verdict(vqa_accuracy(response.text, question.answers))


def _vizwiz_score(question: Question, response: Response) -> Verdict:
    """VizWiz's own code normalises the prediction alone."""
    return Verdict(vqa_accuracy(response.text, question.answers, normalize_answers=False))


def _vizwiz_figures(scored: Sequence[Scored]) -> list[Figure]:
    """With both readings of the paper's "unanswerable accuracy", and what a picture that shows nothing would gain."""
    says_so = {True: list[bool](), False: list[bool]()}
    for each in scored:
        answerable = bool(each.question.facts["answerable"])
        says_so[answerable].append(normalize_vqa(each.response.text) == UNANSWERABLE)
    typed = [each.value for each in scored if each.question.facts["answer_type"] == UNANSWERABLE]
    found = by_category(ACCURACY, scored)
    if says_so[False]:
        found.append(share_figure("unanswerable recall", says_so[False]))
    if typed:
        found.append(mean_figure("unanswerable accuracy", typed))
    if says_so[True]:
        found.append(share_figure("unanswerable false positives", says_so[True]))
    return found


def write_json(path: Path, document: object) -> Path:
    """Write a file that an official tool reads."""
    with whole_file(path) as file:
        file.write(json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace"))
    return path


def _textvqa_official(scored: Sequence[Scored], folder: Path) -> list[Path]:
    """For EvalAI: question_id and answer."""
    answers = [{"question_id": int(each.question.id), "answer": each.response.text} for each in scored]
    return [write_json(folder / "textvqa_val_answers.json", answers)]


def _vizwiz_official(scored: Sequence[Scored], folder: Path) -> list[Path]:
    """For EvalAI: image and answer."""
    answers = [{"image": each.question.id, "answer": each.response.text} for each in scored]
    return [write_json(folder / "vizwiz_val_answers.json", answers)]


TEXTVQA = BenchmarkSpec(
    name="textvqa",
    title="TextVQA",
    about="5,000 questions on texts in photographs (val), ten answers each",
    metric="VQA accuracy, leave one out",
    paper="API",
    needs=(
        Needed("TextVQA_0.5.1_val.json", "TextVQA 0.5.1's val questions"),
        Needed("train_images", "the TextVQA train and val images"),
    ),
    read=lambda data, parts: read_textvqa(data).questions,
    score=score_vqa,
    figures=lambda scored: by_category(ACCURACY, scored),
    official=_textvqa_official,
)

VIZWIZ = BenchmarkSpec(
    name="vizwiz",
    title="VizWiz",
    about="4,319 questions that blind people asked on their photographs (val), ten answers each",
    metric="VQA accuracy; unanswerable recall, accuracy and false positives",
    paper="API",
    needs=(
        Needed("val.json", "VizWiz-VQA's annotations of the val split"),
        Needed("val", "VizWiz's val images"),
    ),
    read=lambda data, parts: read_vizwiz(data).questions,
    score=_vizwiz_score,
    figures=_vizwiz_figures,
    category=lambda question: str(question.facts["answer_type"]),
    official=_vizwiz_official,
)

"""MMMU, V*, HR-Bench, MMVP, RealWorldQA, and any TSV of VLMEvalKit: options by letter."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from api_graph.bench.declare import BenchmarkSpec, Needed, Response, Scored, Verdict, by_category, mean_of_groups
from api_graph.bench.kinds.short_answers import write_json
from api_graph.bench.readers.mmmu import read_mmmu
from api_graph.bench.readers.options import VSTAR_PARTS, read_mmvp, read_tsv, read_vstar
from api_graph.bench.readers.questions import Question
from api_graph.bench.scorers.choices import (
    MMVP_SWAPPED,
    draw_choice,
    open_answer_correct,
    parse_multiple_choice,
    read_letter,
)
from api_graph.bench.scorers.vqa import normalize_vqa
from api_graph.bench.scores import Figure, share_figure
from api_graph.errors import BadInput
from api_graph.files import whole_file
from api_graph.tasks.record import bad_record

ACCURACY = "accuracy"


# --------------------------------------------------------------------------------------------------------- MMMU


def _mmmu_letter(question: Question, text: str) -> tuple[str, bool]:
    """The letter that the official parser makes of a response, and whether it was drawn by lot."""
    letters = list(question.choices)
    letter = parse_multiple_choice(text, letters, question.choices)
    return (draw_choice(letters, question.id), True) if letter is None else (letter, False)


def _mmmu_score(question: Question, response: Response) -> Verdict:
    if not question.choices:
        return Verdict(float(open_answer_correct(response.text, question.answers)))
    letter, drawn = _mmmu_letter(question, response.text)
    return Verdict(float(letter in question.answers), drawn)


def _mmmu_official(scored: Sequence[Scored], folder: Path) -> list[Path]:
    """For main_eval_only.py: by id the letter, or the text of a free answer."""
    answers = {
        each.question.id: _mmmu_letter(each.question, each.response.text)[0]
        if each.question.choices
        else each.response.text
        for each in scored
    }
    return [write_json(folder / "mmmu_val_answers.json", answers)]


MMMU = BenchmarkSpec(
    name="mmmu",
    title="MMMU",
    about="900 college questions in 30 subjects (val), with options or free answers",
    metric="accuracy over questions; letters that the official parser draws are counted",
    paper="API",
    needs=(Needed("*/validation-*.parquet", "the hub's dataset MMMU/MMMU"),),
    read=lambda data, parts: read_mmmu(data).questions,
    score=_mmmu_score,
    figures=lambda scored: by_category(ACCURACY, scored),
    category=lambda question: str(question.facts["subject"]),
    official=_mmmu_official,
)


# ----------------------------------------------------------------------------------------------- letters and texts


def score_option(question: Question, response: Response) -> Verdict:
    """Whether the letter that is read is the right one; where there are no options, whether the words are."""
    if not question.answers:
        return Verdict(None)
    if question.choices:
        return Verdict(float(read_letter(response.text, question.choices) in question.answers))
    said = normalize_vqa(response.text)
    return Verdict(float(any(said == normalize_vqa(answer) for answer in question.answers)))


def unread(scored: Sequence[Scored]) -> list[Figure]:
    """The share of responses to questions with options that no letter can be read from: they count as wrong."""
    asked = [each for each in scored if each.question.choices]
    none = [read_letter(each.response.text, each.question.choices) is None for each in asked]
    return [share_figure("without a letter", none)] if none else []


def _letter_figures(scored: Sequence[Scored]) -> list[Figure]:
    return [*by_category(ACCURACY, scored), *unread(scored)]


def _fact(name: str) -> Callable[[Question], str | None]:
    """A question's category, as one of its facts has it."""
    return lambda question: str(question.facts[name]) if name in question.facts else None


def _vstar_questions(data: Path, parts: Sequence[str]) -> list[Question]:
    return [question for question in read_vstar(data).questions if question.facts["category"] in parts]


VSTAR = BenchmarkSpec(
    name="vstar",
    title="V*Bench",
    about="191 questions on small things in large pictures",
    metric="accuracy of the letter, by part",
    needs=tuple(Needed(part, "V*Bench (vstar_bench)") for part in VSTAR_PARTS),
    parts=VSTAR_PARTS,
    read=_vstar_questions,
    score=score_option,
    figures=_letter_figures,
    category=_fact("category"),
)


def _option_lines(question: Question) -> list[str]:
    """The options, each on a line of its own."""
    return [" ".join(option.split()) for option in question.choices.values()]


def _vstar_plain(data: Path, parts: Sequence[str]) -> list[Question]:
    """The questions without the options: each is read as an answer of its own."""
    questions = [replace(question, prompt=question.text) for question in _vstar_questions(data, parts)]
    for question in questions:
        options = _option_lines(question)
        if "" in options or len(set(options)) < len(options):
            problem = f"V*Bench: two options of {question.id} are the same, or one is empty"
            raise BadInput(problem, input="--data", value=options)
    return questions


def _is_first(question: Question, response: Response) -> Verdict:
    """Whether the first option has the least loss: it is the right one."""
    place = response.values.get("place")
    return Verdict(float(place == 0) if isinstance(place, int) else None)


VSTAR_LOSSES = BenchmarkSpec(
    name="vstar-losses",
    title="V*Bench, losses",
    about="191 questions on small things in large pictures: which option is likeliest?",
    metric="accuracy of the least mean token loss, by part: the official score",
    needs=tuple(Needed(part, "V*Bench (vstar_bench)") for part in VSTAR_PARTS),
    parts=VSTAR_PARTS,
    read=_vstar_plain,
    score=_is_first,
    figures=lambda scored: by_category(ACCURACY, scored),
    answer="option",
    category=_fact("category"),
    columns=lambda question: {"options": "\n".join(_option_lines(question))},
)


# --------------------------------------------------------------------------------------------------------- MMVP


def _mmvp_figures(scored: Sequence[Scored]) -> list[Figure]:
    """Pairs with both answers right, by the labels as they are and by the corrected ones; pairs that are not whole
    are left out.
    """
    given = {int(str(each.question.facts["row"])): each.value == 1 for each in scored}
    corrected = {
        int(str(each.question.facts["row"])): _mmvp_corrected(each)
        == read_letter(each.response.text, each.question.choices)
        for each in scored
    }
    found: list[Figure] = []
    for name, right in (("pair accuracy", given), ("pair accuracy, four labels corrected", corrected)):
        pairs = [right[row] and right[row + 1] for row in right if row % 2 and row + 1 in right]
        if pairs:
            found.append(share_figure(name, pairs))
    return [*found, share_figure(ACCURACY, list(given.values())), *unread(scored)]


def _mmvp_corrected(scored: Scored) -> str:
    letter = scored.question.answers[0]
    return {"A": "B", "B": "A"}[letter] if scored.question.facts["row"] in MMVP_SWAPPED else letter


def _mmvp_official(scored: Sequence[Scored], folder: Path) -> list[Path]:
    """JSON Lines for MMVP's gpt_grader.py."""
    path = folder / "mmvp_answers.jsonl"
    with whole_file(path) as file:
        for each in scored:
            line = {
                "question_id": int(str(each.question.facts["row"])),
                "prompt": each.question.prompt,
                "answer": f"({each.question.answers[0].lower()})",
                "response": each.response.text,
            }
            file.write(f"{json.dumps(line)}\n".encode())
    return [path]


MMVP = BenchmarkSpec(
    name="mmvp",
    title="MMVP",
    about="150 pairs of questions on pictures that CLIP takes for the same",
    metric="pairs with both answers right",
    needs=(
        Needed("Questions.csv", "the hub's dataset MMVP/MMVP"),
        Needed("MMVP Images", "the hub's dataset MMVP/MMVP"),
    ),
    read=lambda data, parts: read_mmvp(data).questions,
    score=score_option,
    figures=_mmvp_figures,
    official=_mmvp_official,
)


# ----------------------------------------------------------------------------------------------------- TSV files


def _read_hr_bench(file: str, title: str) -> Callable[[Path, Sequence[str]], list[Question]]:
    def read(data: Path, parts: Sequence[str]) -> list[Question]:
        questions = read_tsv(data / file, title).questions
        for number, question in enumerate(questions, start=1):
            for field in ("category", "cycle_category"):
                if field not in question.facts:
                    raise bad_record(data / file, f"question {number} has none", field=field)
            if not question.answers or not question.choices:
                raise bad_record(data / file, f"question {number} has no options or no answer", field="answer")
        return list(questions)

    return read


def _hr_bench_figures(scored: Sequence[Scored]) -> list[Figure]:
    """The mean over the rotations of the options: of all questions, and of each category."""
    names = [None, *dict.fromkeys(each.score.category for each in scored)]
    found: list[Figure] = []
    for name in names:
        rotations: dict[str, list[float]] = {}
        for each in scored:
            if name in (None, each.score.category):
                rotations.setdefault(str(each.question.facts["cycle_category"]), []).append(each.value)
        found.append(mean_of_groups(f"{ACCURACY}: {name}" if name else ACCURACY, list(rotations.values())))
    return [*found, *unread(scored)]


def _hr_bench(name: str, size: str) -> BenchmarkSpec:
    file, title = f"hr_bench_{size.lower()}.tsv", f"HR-Bench {size}"
    return BenchmarkSpec(
        name=name,
        title=title,
        about=f"200 questions on pictures of {size}, each with its options in four rotations",
        metric="accuracy, the mean over the four rotations",
        needs=(Needed(file, f"HR-Bench's {size} TSV"),),
        read=_read_hr_bench(file, title),
        score=score_option,
        figures=_hr_bench_figures,
        category=_fact("category"),
        vlmevalkit=f"HRBench{size}",
    )


HR_BENCH_4K = _hr_bench("hr-bench-4k", "4K")
HR_BENCH_8K = _hr_bench("hr-bench-8k", "8K")


def _read_any_tsv(data: Path, parts: Sequence[str]) -> list[Question]:
    """The TSV that `data` names, or the only one in that folder."""
    if data.is_dir():
        files = sorted(data.glob("*.tsv"))
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "none"
            raise BadInput(f"there is not one TSV in it: {names}", input="--data", value=str(data), hint="Name a file.")
        data = files[0]
    return list(read_tsv(data).questions)


REAL_WORLD_QA = BenchmarkSpec(
    name="realworldqa",
    vlmevalkit="RealWorldQA",
    title="RealWorldQA",
    about="765 questions on what cars and people see",
    metric="accuracy",
    needs=(Needed("RealWorldQA.tsv", "RealWorldQA's TSV, as VLMEvalKit ships it"),),
    read=lambda data, parts: read_tsv(data / "RealWorldQA.tsv", "RealWorldQA").questions,
    score=score_option,
    figures=_letter_figures,
    category=_fact("category"),
)

TSV = BenchmarkSpec(
    name="tsv",
    title="A TSV of VLMEvalKit's form",
    about="any set with index, question, image or image_path, and perhaps A, B, C .. and answer",
    metric="accuracy of the letter, or of the words where there are no options",
    needs=(Needed("*.tsv", "a TSV, as VLMEvalKit ships them; --data may name the file itself"),),
    read=_read_any_tsv,
    score=score_option,
    figures=_letter_figures,
    category=_fact("category"),
)

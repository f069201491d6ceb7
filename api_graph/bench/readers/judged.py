"""MM-Vet and LLaVA-Bench (in the wild): answers that another model judges."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from api_graph.bench.readers.questions import Question, QuestionSet, needed, picture, question_set
from api_graph.json_values import Json
from api_graph.tasks.record import Record, bad_record, json_file, json_lines

CAPABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")
CATEGORIES = ("conv", "detail", "complex")


def read_mm_vet(data: str | os.PathLike[str]) -> QuestionSet:
    """MM-Vet: mm-vet.json, and its pictures in images/."""
    root = Path(data)
    path = needed(root / "mm-vet.json", "MM-Vet", "MM-Vet's archive")
    pictures = needed(root / "images", "MM-Vet", "MM-Vet's archive")
    document = json_file(path)
    if not isinstance(document, Mapping):
        raise bad_record(path, "an object is needed", value=document)
    questions: list[Question] = []
    for id, fields in document.items():
        if not isinstance(fields, Mapping):
            raise bad_record(path, "an object is needed", field=str(id), value=fields)
        record = Record(path, None, fields, f"{id}.")
        names = record.list("capability")
        unknown = [name for name in names if name not in CAPABILITIES]
        if unknown or not names:
            raise record.fail("capability", f"capabilities are {', '.join(CAPABILITIES)}", names)
        text = record.text("question")
        facts: dict[str, Json] = {"capability": [str(name) for name in names]}
        file = picture(record, "imagename", pictures)
        questions.append(Question(str(id), (file,), text, text, (record.text("answer"),), facts=facts))
    return question_set("MM-Vet", questions, path)


def read_llava_bench(data: str | os.PathLike[str]) -> QuestionSet:
    """LLaVA-Bench (in the wild): questions.jsonl, context.jsonl, answers_gpt4.jsonl, and its pictures in images/.

    The right answer is GPT-4's, which a review compares with; the picture's `caption` is what a judge reads.
    """
    root = Path(data)
    what = "LLaVA-Bench (In-the-Wild)"
    path = needed(root / "questions.jsonl", "LLaVA-Bench", what)
    pictures = needed(root / "images", "LLaVA-Bench", what)
    context = needed(root / "context.jsonl", "LLaVA-Bench", what)
    answers = needed(root / "answers_gpt4.jsonl", "LLaVA-Bench", what)
    captions = {record.text("image"): record.text("caption") for record in json_lines(context)}
    theirs = {record.integer("question_id"): record.text("text") for record in json_lines(answers)}
    questions: list[Question] = []
    for record in json_lines(path):
        number, name, text = record.integer("question_id"), record.text("image"), record.text("text")
        category = record.text("category")
        if category not in CATEGORIES:
            raise record.fail("category", f"categories are {', '.join(CATEGORIES)}", category)
        if name not in captions:
            raise record.fail("image", f"{context.name} has no caption of it", name)
        if number not in theirs:
            raise record.fail("question_id", f"{answers.name} has no answer to it", number)
        facts: dict[str, Json] = {"category": category, "caption": captions[name]}
        file = picture(record, "image", pictures)
        questions.append(Question(str(number), (file,), text, text, (theirs[number],), facts=facts))
    return question_set("LLaVA-Bench", questions, path)

"""TextVQA, VizWiz, POPE and MME, as their owners ship them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from api_graph.bench.readers.questions import Question, QuestionSet, needed, picture, question_set
from api_graph.bench.scorers.yes_no import COGNITION, PERCEPTION
from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.tasks.record import Record, bad_record, json_file, json_lines, read_text, text_lines

WORD_OR_PHRASE = "Answer the question using a single word or phrase."
UNANSWERABLE = (
    "When the provided information is insufficient, respond with 'Unanswerable'. "
    "Answer the question using a single word or phrase."
)
"""The suffixes that the API paper's code joins to a question by one space. MME's questions end in their own; for
POPE the paper gives none."""

PopePart = Literal["random", "popular", "adversarial"]

_IMAGES_APART = ("artwork", "celebrity", "landmark", "posters", "scene")
"""MME's tasks that keep images and questions in folders of their own; others have them side by side."""

_ENDINGS = (".jpg", ".png", ".jpeg")


def read_textvqa(data: str | os.PathLike[str]) -> QuestionSet:
    """TextVQA's val: TextVQA_0.5.1_val.json, and its pictures in train_images/."""
    root = Path(data)
    path = needed(root / "TextVQA_0.5.1_val.json", "TextVQA", "TextVQA 0.5.1's val questions")
    pictures = needed(root / "train_images", "TextVQA", "the TextVQA train and val images")
    questions: list[Question] = []
    for record in _document(path).records("data"):
        text = record.text("question")
        questions.append(
            Question(
                id=str(record.integer("question_id")),
                images=(picture(record, "image_id", pictures, f"{record.text('image_id')}.jpg"),),
                text=text,
                prompt=f"{text} {WORD_OR_PHRASE}",
                answers=_texts(record, "answers", record.list("answers")),
            )
        )
    return question_set("TextVQA", questions, path)


def read_vizwiz(data: str | os.PathLike[str]) -> QuestionSet:
    """VizWiz's val: val.json, and its pictures in val/."""
    root = Path(data)
    path = needed(root / "val.json", "VizWiz", "VizWiz-VQA's annotations of the val split")
    pictures = needed(root / "val", "VizWiz", "VizWiz's val images")
    questions: list[Question] = []
    for record in _objects(path, json_file(path)):
        text = record.text("question")
        name = record.text("image")
        said = [answer.text("answer") for answer in record.records("answers")]
        type = record.text("answer_type")
        if type not in ("yes/no", "number", "other", "unanswerable"):
            raise record.fail("answer_type", "there is no such type of answers", type)
        facts: dict[str, Json] = {"answer_type": type, "answerable": record.integer("answerable", 0, 1)}
        file = picture(record, "image", pictures)
        questions.append(Question(name, (file,), text, f"{text} {UNANSWERABLE}", tuple(said), facts=facts))
    return question_set("VizWiz", questions, path)


def read_pope(data: str | os.PathLike[str], part: PopePart = "random") -> QuestionSet:
    """POPE: coco_pope_PART.json, which is JSON Lines, and COCO's val2014 pictures in val2014/."""
    if part not in get_args(PopePart):
        hint = f"Use one of {', '.join(get_args(PopePart))}."
        raise BadInput("POPE has no such part", input="part", value=part, hint=hint)
    root = Path(data)
    path = needed(root / f"coco_pope_{part}.json", "POPE", "POPE's questions on COCO")
    pictures = needed(root / "val2014", "POPE", "COCO's val2014 images")
    questions: list[Question] = []
    for record in json_lines(path):
        text, label = record.text("text"), record.text("label")
        if label not in ("yes", "no"):
            raise record.fail("label", "the right answer is yes or no", label)
        id, file = str(record.integer("question_id")), picture(record, "image", pictures)
        questions.append(Question(id, (file,), text, text, (label,)))
    return question_set(f"POPE {part}", questions, path)


def read_mme(data: str | os.PathLike[str], tasks: Sequence[str] = PERCEPTION + COGNITION) -> QuestionSet:
    """MME: a folder for each task, in either of its two layouts; two questions an image, one after the other."""
    root = Path(data)
    questions: list[Question] = []
    for task in tasks:
        if task not in PERCEPTION + COGNITION:
            raise BadInput("MME has no such task", input="tasks", value=task)
        folder = needed(root / task, "MME", f"MME_Benchmark_release_version's folder {task}")
        apart = task in _IMAGES_APART and (folder / "questions_answers_YN").is_dir()
        texts, images = (folder / "questions_answers_YN", folder / "images") if apart else (folder, folder)
        files = sorted(texts.glob("*.txt"))
        if not files:
            raise bad_record(texts, "there is no .txt with questions in it", hint="Fetch the whole task.")
        for file in files:
            questions += _mme_file(task, file, images)
    return question_set("MME", questions, root)


def _mme_file(task: str, path: Path, images: Path) -> Iterator[Question]:
    """The two questions on one image."""
    file = next(
        (images / f"{path.stem}{ending}" for ending in _ENDINGS if (images / f"{path.stem}{ending}").is_file()), None
    )
    if file is None:
        raise bad_record(path, f"its picture is not in {images}", value=f"{path.stem}.jpg", hint="Fetch MME's images.")
    lines = [line for line in text_lines(read_text(path)) if line.strip()]
    if len(lines) != 2:
        raise bad_record(path, "an image has two questions", value=len(lines))
    for number, line in enumerate(lines, start=1):
        text, tab, answer = line.partition("\t")
        answer = answer.strip()
        if not tab or answer not in ("Yes", "No"):
            raise bad_record(path, "a question, a tab, and Yes or No are needed", line=number, value=line)
        text = text.strip()
        facts: dict[str, Json] = {"task": task, "image": file.name}
        yield Question(
            f"{task}/{path.stem}/{number}", (file,), text, f"{text} {WORD_OR_PHRASE}", (answer,), facts=facts
        )


def _document(path: Path) -> Record:
    value = json_file(path)
    if not isinstance(value, Mapping):
        raise bad_record(path, "an object is needed", value=value)
    return Record(path, None, value)


def _objects(path: Path, value: object) -> Iterator[Record]:
    yield from Record(path, None, {"questions": value}).records("questions")


def _texts(record: Record, field: str, values: Sequence[object]) -> tuple[str, ...]:
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise record.fail(f"{field}[{index}]", "a text is needed", value)
    return tuple(str(value) for value in values)

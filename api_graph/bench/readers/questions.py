"""What a VQA benchmark asks: a question on one or several images, and what counts as right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.tasks.record import Record, bad_record

Picture = Path | bytes | Callable[[], bytes]
"""A file, the content of one that stands inside a table, or what reads that content when it is wanted."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Question:
    """One question of a benchmark.

    `text` is the question as it stands in the file: what a map is made for. `prompt` is what the model that answers is
    asked: with the options and the benchmark's suffix, as the API paper's code asks it. `answers` are the right ones;
    none where the benchmark keeps them to itself, or where a judge decides. `choices` are the options by letter, empty
    for a free answer. `facts` is what the scorer needs besides, such as a category.
    """

    id: str
    images: tuple[Picture, ...]
    text: str
    prompt: str
    answers: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class QuestionSet:
    """A benchmark's questions, in the order of its file."""

    name: str
    questions: tuple[Question, ...]


def question_set(name: str, questions: list[Question], source: Path) -> QuestionSet:
    """The set. Raises BadInput where there is no question, and where two have one id."""
    if not questions:
        raise bad_record(source, "there is no question in it", hint="Look whether this is the right file.")
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise bad_record(source, "two questions have one id", value=question.id)
        seen.add(question.id)
    return QuestionSet(name, tuple(questions))


def needed(path: Path, benchmark: str, what: str) -> Path:
    """`path`, or a BadInput that names what to fetch and where it goes."""
    if path.exists():
        return path
    raise BadInput(
        f"{benchmark}: {path.name} is missing",
        input="data",
        value=str(path),
        hint=f"Fetch {what}, and put it there.",
    )


def picture(record: Record, field: str, folder: Path, name: str | None = None) -> Path:
    """The file in `folder` that a record names, below it; BadInput where it is not there."""
    name = record.text(field) if name is None else name
    path = folder / name
    inside = Path(name).parts
    if Path(name).is_absolute() or ".." in inside or "\x00" in name:
        raise record.fail(field, "the name leads out of the folder of pictures", name)
    if not path.is_file():
        raise record.fail(field, f"there is no such picture in {folder}", name, "Fetch the benchmark's pictures.")
    return path


def lettered(options: list[str]) -> dict[str, str]:
    """Options by their letters, A first."""
    return dict(zip(LETTERS, options, strict=False))

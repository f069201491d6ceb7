"""MMMU's validation set: a Parquet file for each subject, as the hub has it."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from api_graph.bench.readers.questions import LETTERS, Question, QuestionSet, lettered, needed, question_set
from api_graph.bench.readers.vqa import WORD_OR_PHRASE
from api_graph.json_values import Json
from api_graph.tasks.record import Record, bad_record

OPTION_LETTER = "Answer with the option's letter from the given choices directly."

_COLUMNS = ("id", "question", "options", "answer", "question_type")
_MOST_IMAGES = 7
_PLACE = re.compile(r"<image (\d)>")


def read_mmmu(data: str | os.PathLike[str]) -> QuestionSet:
    """MMMU: SUBJECT/validation-*.parquet below `data`; a question has up to seven images, some of them as options.

    `images` are those that the question or its options name, in that order; where none is named, all. A subject is the
    middle of a question's id.
    """
    root = needed(Path(data), "MMMU", "the hub's dataset MMMU/MMMU")
    files = sorted(root.glob("*/validation-*.parquet"))
    if not files:
        raise bad_record(root, "there is no SUBJECT/validation-*.parquet in it", hint="Fetch the dataset MMMU/MMMU.")
    questions = [_question(record) for file in files for record in _rows(file)]
    return question_set("MMMU", questions, root)


def _rows(path: Path) -> Iterator[Record]:
    import pyarrow.parquet as pq
    from pyarrow import ArrowInvalid

    try:
        table = pq.ParquetFile(path)
        names = table.schema_arrow.names
        missing = [name for name in _COLUMNS if name not in names]
        if missing:
            raise bad_record(path, "the column is missing", field=missing[0], hint=f"There are: {', '.join(names)}.")
        number = 0
        for batch in table.iter_batches(16):
            for row in batch.to_pylist():
                number += 1
                yield Record(path, number, row)
    except (ArrowInvalid, OSError) as error:
        raise bad_record(path, f"this is no Parquet file that can be read ({error})", hint="Fetch it again.") from error


def _question(record: Record) -> Question:
    id, text, kind = record.text("id"), record.text("question"), record.text("question_type")
    if kind not in ("multiple-choice", "open"):
        raise record.fail("question_type", "there is no such type", kind)
    options = _listed(record, "options")
    if kind == "multiple-choice" and not 2 <= len(options) <= len(LETTERS):
        raise record.fail("options", "a multiple-choice question has 2 to 26 options", options)
    choices = lettered(options) if kind == "multiple-choice" else {}
    answer = record.text("answer")
    answers = tuple(_listed(record, "answer")) if answer.lstrip().startswith("[") else (answer,)
    if choices and answer not in choices:
        raise record.fail("answer", f"the right letter is one of {', '.join(choices)}", answer)
    parts = id.split("_")
    subject = "_".join(parts[1:-1]) or id
    facts: dict[str, Json] = {"subject": subject, "question_type": kind}
    return Question(id, _images(record, text, options), text, _prompt(text, choices), answers, choices, facts)


def _prompt(text: str, choices: Mapping[str, str]) -> str:
    """As the API paper's code asks it; its literal `<image 1>` stays."""
    if not choices:
        return f"{text}\n\n{WORD_OR_PHRASE}"
    listed = "".join(f"({letter}) {option}\n" for letter, option in choices.items())
    return f"{text}\n\n{listed}\n\n{OPTION_LETTER}"


def _images(record: Record, text: str, options: list[str]) -> tuple[bytes, ...]:
    named = list(dict.fromkeys(int(number) for part in (text, *options) for number in _PLACE.findall(part)))
    given = [number for number in range(1, _MOST_IMAGES + 1) if record.fields.get(f"image_{number}") is not None]
    found = [_content(record, f"image_{number}") for number in named or given]
    if not found:
        raise record.fail("image_1", "it is missing")
    return tuple(found)


def _content(record: Record, field: str) -> bytes:
    """A picture as the hub's files have it: {"bytes": ..., "path": ...}, or its bytes."""
    value = record.value(field)
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if not isinstance(content, bytes) or not content:
        raise record.fail(field, "the picture's bytes are needed", type(value).__name__)
    return content


def _listed(record: Record, field: str) -> list[str]:
    """A list that is written as Python writes it, as MMMU's files have it."""
    text = record.text(field)
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise record.fail(field, "a list is needed, as ['a', 'b']", text) from error
    if not isinstance(value, list):
        raise record.fail(field, "a list is needed, as ['a', 'b']", text)
    return [str(item) for item in value]

"""OUT/table.jsonl: a benchmark's items as a table for `map`, with all that scores them; and back.

Pictures that lie in files are named relative to the data folder; those that stand inside a table are written to
OUT/pictures, each content once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image as PIL
from PIL import UnidentifiedImageError

from api_graph.bench.declare import BenchmarkSpec
from api_graph.bench.readers.questions import Picture, Question
from api_graph.errors import BadInput
from api_graph.json_values import Json, JsonObject
from api_graph.table.output import whole_file
from api_graph.tasks.record import Record, json_lines

TABLE = "table.jsonl"
PICTURES = "pictures"

OWN_COLUMNS = ("item", "query", "prompt", "truth", "category", "choices", "facts")
"""Columns that every table has, besides the pictures; they set no input unless a graph's input has such a name."""

_NUMPY = b"\x93NUMPY"
_ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}


def write_table(spec: BenchmarkSpec, questions: Sequence[Question], data: Path, out: Path) -> Path:
    """Write the table of a benchmark's questions. Raises BadInput for a picture that is none, and WriteFailed."""
    path = out / TABLE
    root = Path(os.path.abspath(data if data.is_dir() else data.parent))
    with whole_file(path) as file:
        for question in questions:
            file.write(f"{json.dumps(_row(spec, question, root, out))}\n".encode("ascii"))
    return path


def _row(spec: BenchmarkSpec, question: Question, root: Path, out: Path) -> JsonObject:
    names = [_picture(picture, question.id, root, out) for picture in question.images]
    images: JsonObject = {spec.file_column: names[0] if names else None}
    images |= {f"image_{number}": name for number, name in enumerate(names[1:], start=2)}
    return {
        "item": question.id,
        **images,
        "query": question.text.strip(),
        "prompt": question.prompt.strip(),
        **spec.columns(question),
        "truth": list(question.answers),
        "category": spec.category(question),
        "choices": dict(question.choices),
        "facts": dict(question.facts),
    }


def _picture(picture: Picture, item: str, root: Path, out: Path) -> str:
    """The name by which a row finds its picture."""
    if callable(picture):
        picture = picture()
    if isinstance(picture, bytes):
        name = f"{PICTURES}/{hashlib.sha256(picture).hexdigest()[:16]}{_ending(picture, item)}"
        if not (out / name).is_file():
            with whole_file(out / name) as file:
                file.write(picture)
        return name
    path = Path(os.path.abspath(picture))  # links stay: a row may follow one into a folder of --input
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _ending(content: bytes, item: str) -> str:
    if content.startswith(_NUMPY):
        return ".npy"
    try:
        with PIL.open(BytesIO(content)) as image:
            kind = image.format or ""
    except (UnidentifiedImageError, OSError, ValueError, PIL.DecompressionBombError) as error:
        raise BadInput(f"the picture of item {item} is none that can be read", input="--data") from error
    if kind not in _ENDINGS:
        raise BadInput(f"the picture of item {item} is of a kind that is not read", input="--data", value=kind)
    return _ENDINGS[kind]


def read_table(out: Path) -> list[Question]:
    """The questions of OUT/table.jsonl, without their pictures. Raises BadInput that names file, line and field."""
    path = out / TABLE
    if not path.is_file():
        hint = "Name the --out folder of an `api-graph bench NAME`."
        raise BadInput(f"there is no {TABLE} in it", input="DIR", value=str(out), hint=hint)
    return [_question(record) for record in json_lines(path)]


def _question(record: Record) -> Question:
    choices, facts = _object(record, "choices"), _object(record, "facts")
    return Question(
        id=record.text("item"),
        images=(),
        text=_any_text(record, "query"),
        prompt=_any_text(record, "prompt"),
        answers=tuple(_texts(record, "truth")),
        choices={letter: str(option) for letter, option in choices.items()},
        facts=facts,
    )


def _any_text(record: Record, field: str) -> str:
    value = record.value(field)
    if not isinstance(value, str):
        raise record.fail(field, "a text is needed", value)
    return value


def _texts(record: Record, field: str) -> Iterator[str]:
    for index, value in enumerate(record.list(field)):
        if not isinstance(value, str):
            raise record.fail(f"{field}[{index}]", "a text is needed", value)
        yield value


def _object(record: Record, field: str) -> dict[str, Json]:
    value = record.value(field)
    if not isinstance(value, Mapping):
        raise record.fail(field, "an object is needed", value)
    return dict(value)


def more_pictures(questions: Iterable[Question]) -> int:
    """How many questions have more than one picture."""
    return sum(len(question.images) > 1 for question in questions)


def picture_folders(data: Path, inputs: Sequence[Path]) -> tuple[Path, ...]:
    """The folders in which rows name files, besides the table's own."""
    return (Path(os.path.abspath(data if data.is_dir() else data.parent)), *inputs)

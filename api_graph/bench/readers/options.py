"""V*, MMVP, and every set in VLMEvalKit's TSV, such as HR-Bench and RealWorldQA: options by letter."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from api_graph.bench.readers.mmmu import OPTION_LETTER
from api_graph.bench.readers.questions import Question, QuestionSet, lettered, needed, picture, question_set
from api_graph.bench.readers.vqa import WORD_OR_PHRASE
from api_graph.bench.scorers.choices import MMVP_SWAPPED
from api_graph.json_values import Json
from api_graph.tasks.record import Record, bad_record, csv_rows, json_file, read_text

VSTAR_PARTS = ("direct_attributes", "relative_position")

_MMVP = ("Index", "Question", "Options", "Correct Answer")
_MMVP_OPTIONS = re.compile(r"\s*\(a\)\s*(.+?)\s*\(b\)\s*(.+?)\s*", re.DOTALL)
_LETTER = re.compile(r"[A-Z]")
_KNOWN = {"index", "question", "image", "image_path", "answer"}
_LONGEST_CELL = 1 << 27


def read_vstar(data: str | os.PathLike[str]) -> QuestionSet:
    """V*Bench: X.jpg and X.json in each of its two parts. The first option is the right one.

    `facts` has the targets' boxes, (left, top, right, bottom) in pixels: they score a map without any answer.
    """
    root = Path(data)
    questions: list[Question] = []
    for part in VSTAR_PARTS:
        folder = needed(root / part, "V*Bench", "V*Bench (vstar_bench)")
        for path in sorted(folder.glob("*.json")):
            fields = json_file(path)
            if not isinstance(fields, dict):
                raise bad_record(path, "an object is needed", value=fields)
            record = Record(path, None, fields)
            options = [str(option) for option in record.list("options")]
            if not 2 <= len(options) <= 26:
                raise record.fail("options", "2 to 26 options are needed", options)
            boxes = [list(record.box_in(f"bbox[{i}]", box)) for i, box in enumerate(record.list("bbox"))]
            facts: dict[str, Json] = {
                "category": part,
                "targets": [str(name) for name in record.list("target_object")],
                "boxes": [[float(edge) for edge in box] for box in boxes],
            }
            text, choices = record.text("question"), lettered(options)
            file = picture(record, "question", folder, f"{path.stem}.jpg")
            id = f"{part}/{path.stem}"
            questions.append(Question(id, (file,), text, with_options(text, choices), ("A",), choices, facts))
    return question_set("V*Bench", questions, root)


def read_mmvp(data: str | os.PathLike[str], *, correct_labels: bool = False) -> QuestionSet:
    """MMVP: Questions.csv, and the pictures in MMVP Images/; row n has picture n, and rows 2k − 1 and 2k are a pair.

    The labels of rows 99, 100, 279 and 280 are swapped in the original; `correct_labels` swaps them back.
    """
    root = Path(data)
    path = needed(root / "Questions.csv", "MMVP", "the hub's dataset MMVP/MMVP")
    pictures = needed(root / "MMVP Images", "MMVP", "the hub's dataset MMVP/MMVP")
    questions: list[Question] = []
    for number, record in enumerate(csv_rows(path, _MMVP[1:]), start=1):
        match = _MMVP_OPTIONS.fullmatch(record.text("Options"))
        if match is None:
            raise record.fail("Options", "two options are needed, as (a) .. (b) ..", record.text("Options"))
        right = record.text("Correct Answer").strip().lower()
        if right not in ("(a)", "(b)"):
            raise record.fail("Correct Answer", "it is (a) or (b)", right)
        if correct_labels and number in MMVP_SWAPPED:
            right = "(a)" if right == "(b)" else "(b)"
        text, choices = record.text("Question"), lettered([match[1], match[2]])
        file = picture(record, "Question", pictures, f"{number}.jpg")
        facts: dict[str, Json] = {"row": number}
        answer = (right[1].upper(),)
        questions.append(Question(str(number), (file,), text, with_options(text, choices), answer, choices, facts))
    return question_set("MMVP", questions, path)


def read_tsv(path: str | os.PathLike[str], name: str | None = None) -> QuestionSet:
    """A set in VLMEvalKit's TSV: index, question, image (base64) or image_path, and perhaps A, B, C .. and answer.

    An `image` that is no base64 but another row's index stands for that row's picture. All other columns are facts.
    """
    path = needed(Path(path), name or "this benchmark", "its TSV, as VLMEvalKit ships it")
    pictures: dict[str, bytes] = {}
    questions = [_tsv_question(record, path.parent, pictures) for record in _tsv_rows(path)]
    return question_set(name or path.stem, questions, path)


def _tsv_rows(path: Path) -> Iterator[Record]:
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        rows = csv.DictReader(io.StringIO(read_text(path), newline=""), delimiter="\t")
        names = list(rows.fieldnames or ())
        missing = [name for name in ("index", "question") if name not in names]
        if not missing and not {"image", "image_path"} & set(names):
            missing = ["image"]
        if missing:
            hint = f"There are: {', '.join(map(str, names)) or 'none'}."
            raise bad_record(path, "the column is missing", line=1, field=missing[0], hint=hint)
        for row in rows:
            yield Record(path, rows.line_num, {key: value for key, value in row.items() if key is not None})
    except csv.Error as error:
        raise bad_record(path, f"this is no TSV ({error})") from error
    finally:
        csv.field_size_limit(limit)


def _tsv_question(record: Record, folder: Path, pictures: dict[str, bytes]) -> Question:
    id, text = record.text("index"), record.text("question")
    letters = sorted(name for name in record.fields if _LETTER.fullmatch(str(name)))
    choices = {letter: str(record.fields[letter]) for letter in letters if str(record.fields[letter] or "").strip()}
    answer = str(record.fields.get("answer") or "").strip()
    if choices and answer and answer not in choices:
        raise record.fail("answer", f"the right letter is one of {', '.join(choices)}", answer)
    hint = str(record.fields.get("hint") or "").strip()
    prompt = with_options(f"Hint: {hint}\n{text}" if hint else text, choices)
    facts: dict[str, Json] = {
        name: str(value) for name, value in record.fields.items() if name not in _KNOWN | set(letters) and value
    }
    image: Path | bytes
    if record.fields.get("image"):
        image = pictures[id] = _decoded(record, pictures)
    else:
        image = picture(record, "image_path", folder)
    return Question(id, (image,), text, prompt, (answer,) if answer else (), choices, facts)


def _decoded(record: Record, pictures: dict[str, bytes]) -> bytes:
    text = record.text("image").strip()
    if text in pictures:
        return pictures[text]
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise record.fail("image", "this is neither base64 nor an earlier row's index", text[:40]) from error
    if len(content) < 8:
        raise record.fail("image", "this is neither a picture in base64 nor an earlier row's index", text[:40])
    return content


def with_options(text: str, choices: dict[str, str]) -> str:
    """A question with its options under it, and what form of answer is wanted."""
    if not choices:
        return f"{text}\n{WORD_OR_PHRASE}"
    listed = "\n".join(f"{letter}. {option}" for letter, option in choices.items())
    return f"{text}\n{listed}\n{OPTION_LETTER}"

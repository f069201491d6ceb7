"""A record of a data file that nobody vouches for: fields are checked as they are read, and a complaint says where."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from api_graph.errors import BadInput

Box = tuple[float, float, float, float]
"""(left, top, right, bottom) in pixels."""


@dataclass(frozen=True, eq=False)
class Record:
    """Named fields, and where they stand: the file, its line (None where lines mean nothing), the outer field."""

    path: Path
    line: int | None
    fields: Mapping[str, object]
    within: str = ""

    def fail(self, field: str, problem: str, value: object = None, hint: str = "") -> BadInput:
        """The complaint about one field."""
        return bad_record(self.path, problem, line=self.line, field=self.within + field, value=value, hint=hint)

    def value(self, field: str) -> object:
        """The value of a field, whatever it is; BadInput if there is none."""
        if self.fields.get(field) is None:
            raise self.fail(field, "it is missing", hint=f"There are: {', '.join(map(str, self.fields)) or 'none'}.")
        return self.fields[field]

    def text(self, field: str) -> str:
        """A text that is not blank."""
        value = self.value(field)
        if not isinstance(value, str) or not value.strip():
            raise self.fail(field, "a text is needed", value)
        return value

    def number(self, field: str) -> float:
        """A finite number, or a text that says one."""
        return self._number(field, self.value(field))

    def number_or_nan(self, field: str) -> float:
        """A number, or a text that says one; NaN and infinity too."""
        value = self.value(field)
        said = value.strip().lower().lstrip("+-") if isinstance(value, str) else value
        return math.nan if said in ("nan", "inf", "infinity", "nan(ind)") else self._number(field, value)

    def integer(self, field: str, low: int | None = None, high: int | None = None) -> int:
        """A whole number, within [`low`, `high`] where those are given."""
        number = self.number(field)
        if not number.is_integer():
            raise self.fail(field, "a whole number is needed", self.value(field))
        if (low is not None and number < low) or (high is not None and number > high):
            raise self.fail(field, f"the number is not within {low} to {high}", self.value(field))
        return int(number)

    def numbers(self, field: str, count: int) -> tuple[float, ...]:
        """A list of `count` finite numbers."""
        return self.numbers_in(field, self.value(field), count)

    def numbers_in(self, field: str, value: object, count: int) -> tuple[float, ...]:
        """`value` as `count` finite numbers, whatever field it was taken from."""
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count:
            raise self.fail(field, f"a list of {count} numbers is needed", value)
        return tuple(self._number(field, item) for item in value)

    def box(self, field: str) -> Box:
        """A box written as [x, y, width, height], as (left, top, right, bottom)."""
        return self.box_in(field, self.value(field))

    def box_in(self, field: str, value: object) -> Box:
        """`value`, [x, y, width, height], as (left, top, right, bottom)."""
        x, y, width, height = self.numbers_in(field, value, 4)
        if width < 0 or height < 0:
            raise self.fail(field, "a box is x, y, width, height, and its sides cannot be negative", value)
        return x, y, x + width, y + height

    def list(self, field: str) -> list[object]:
        """A list of anything."""
        value = self.value(field)
        if not isinstance(value, list):
            raise self.fail(field, "a list is needed", value)
        return value

    def records(self, field: str) -> Iterator[Record]:
        """A list of objects, each as a record that knows where it stands."""
        for index, item in enumerate(self.list(field)):
            within = f"{field}[{index}]"
            if not isinstance(item, Mapping):
                raise self.fail(within, "an object is needed", item)
            yield Record(self.path, self.line, item, f"{self.within}{within}.")

    def _number(self, field: str, value: object) -> float:
        number = math.nan
        odd = isinstance(value, bool) or (isinstance(value, str) and ("_" in value or not value.isascii()))
        if isinstance(value, int | float | str) and not odd:  # Python reads 1_0 as 10
            with suppress(ValueError, OverflowError):
                number = float(value)
        if not math.isfinite(number):
            raise self.fail(field, "a finite number is needed", value)
        return number


def bad_record(
    path: Path, problem: str, *, line: int | None = None, field: str = "", value: object = None, hint: str = ""
) -> BadInput:
    """A complaint that names file, line and field."""
    where = ", ".join(filter(None, [str(path), f"line {line}" if line else "", f"field {field!r}" if field else ""]))
    return BadInput(f"{where}: {problem}", input="path", value=value, hint=hint or "Correct the file.")


def read_bytes(path: str | os.PathLike[str], *, most: int | None = None) -> bytes:
    """A file's content; BadInput if it cannot be read or is longer than `most` bytes."""
    try:
        if not os.path.isfile(path):
            raise BadInput("there is no such file", input="path", value=str(path), hint="Check the spelling.")
        if most is not None and os.path.getsize(path) > most:
            raise BadInput(f"the file is larger than {most:,} bytes", input="path", value=str(path), hint="Check it.")
        return Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(
            f"the file cannot be read ({reason})", input="path", value=str(path), hint="Check it."
        ) from error


def read_text(path: str | os.PathLike[str], *, most: int | None = None) -> str:
    """A UTF-8 file's content, without a byte order mark."""
    content = read_bytes(path, most=most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise bad_record(Path(path), "this is not UTF-8 text", line=line, hint="Save it as UTF-8.") from error


def text_lines(text: str) -> list[str]:
    """The lines of a text file, which end at \\n, \\r\\n or, where there is no \\n, \\r.

    `str.splitlines` would end them at form feeds and at U+0085, U+2028 and their like too, which stand inside texts.
    """
    lines = text.split("\n") if "\n" in text else text.split("\r")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def json_lines(path: str | os.PathLike[str]) -> Iterator[Record]:
    r"""The objects of a JSON Lines file, whose lines end at \n alone; blank lines do not count."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield _object(Path(path), _json(Path(path), line, number), number)


def json_file(path: str | os.PathLike[str]) -> object:
    """A JSON file's content."""
    return _json(Path(path), read_text(path), None)


def spaced_lines(path: str | os.PathLike[str], names: Sequence[str]) -> Iterator[Record]:
    """Lines of fields separated by blanks; the last field takes what is left of the line."""
    for number, line in enumerate(text_lines(read_text(path)), 1):
        if line.strip():
            values = line.split(maxsplit=len(names) - 1)
            yield Record(Path(path), number, dict(zip(names, map(str.strip, values), strict=False)))


def csv_rows(path: str | os.PathLike[str], names: Sequence[str]) -> Iterator[Record]:
    """Rows of a CSV file whose first line names its columns; BadInput if one of `names` is not among them."""
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""))
    missing = [name for name in names if name not in (rows.fieldnames or ())]
    if missing:
        hint = f"There are: {', '.join(rows.fieldnames or ()) or 'none'}."
        raise bad_record(Path(path), "the column is missing", line=1, field=missing[0], hint=hint)
    try:
        for row in rows:
            yield Record(Path(path), rows.line_num, row)
    except csv.Error as error:
        raise bad_record(Path(path), f"this is no CSV ({error})", line=rows.line_num) from error


def _json(path: Path, text: str, line: int | None) -> object:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = line or getattr(error, "lineno", None)
        raise bad_record(path, f"this is no JSON ({error})", line=line) from error


def _object(path: Path, value: object, line: int) -> Record:
    if not isinstance(value, Mapping):
        raise bad_record(path, "an object is needed", line=line, value=value)
    return Record(path, line, value)

"""JSON Lines: one object per line; blank lines do not count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from api_graph.table.formats.lines import LONGEST_LINE, Line, open_lines, refuse_utf16
from api_graph.table.row import Found, raw_digest, row_fault, row_of

_LOOK_AT = 100  # rows, for the names of the columns


class JsonLines:
    """The objects of a file. A line that is none is a faulty row; those after it are still read."""

    def __init__(self, path: Path) -> None:
        refuse_utf16(path)
        self._path = path

    def columns(self) -> tuple[str, ...]:
        """Names in the first rows, in order of appearance: a row may leave out what others have."""
        return tuple(dict.fromkeys(name for row in islice(self, _LOOK_AT) for name in row.values))

    def count(self) -> int:
        """How many lines are not blank."""
        return sum(1 for _ in self._lines())

    def __iter__(self) -> Iterator[Found]:
        return map(_row, self._lines())

    def _lines(self) -> Iterator[Line]:
        with open_lines(self._path) as lines:
            for line in lines:
                if not line.data.isspace():
                    yield line


def _row(line: Line) -> Found:
    where = f"line {line.number}"
    if line.digest is not None:
        return Found({}, line.digest, row_fault(where, f"it is longer than {LONGEST_LINE // 2**20} MB"))
    try:
        return row_of(_object(line.data), where)
    except _NotARow as error:
        where = f"{where}, column {error.column}" if error.column else where
        fault = row_fault(where, str(error), line.data.decode("utf-8", "replace").strip())
        return Found({}, raw_digest(line.data.strip()), fault)


class _NotARow(Exception):
    def __init__(self, problem: str, column: int = 0) -> None:
        super().__init__(problem)
        self.column = column


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = _decode(data.rstrip().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _NotARow("this is not UTF-8 text", error.start + 1) from None
    except json.JSONDecodeError as error:
        raise _NotARow(f"this is no JSON ({error.msg})", error.colno) from None
    except RecursionError:
        raise _NotARow("this nests too deeply") from None
    except ValueError:  # an integer of thousands of digits
        raise _NotARow("a number has too many digits") from None
    if not isinstance(value, dict):
        raise _NotARow('a row is an object, {"column": value, ...}', 1)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; Python would keep the last of two values of one name, silently."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NotARow(f"{json.dumps(twice, ensure_ascii=False)} is written twice in one object")
    return values


def _not_a_number(constant: str) -> NoReturn:
    raise _NotARow(f"{constant} is no JSON: write null, or leave it out")


_decode = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_not_a_number).decode

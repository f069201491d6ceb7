"""Lines of a text file that nobody vouches for, plain or gzipped: a line without end takes no memory without end."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from api_graph.errors import BadInput
from api_graph.table.row import DIGEST_BYTES

LONGEST_LINE = 16 * 2**20

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_CHUNK = 1 << 20


class Line(NamedTuple):
    """A line with its end. Of one that is too long there are no bytes, but `digest`."""

    number: int
    data: bytes
    digest: bytes | None = None


class Lines(Iterator[Line]):
    """The lines of a file, numbered from 1, without a byte order mark."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._number = file, 0

    def __next__(self) -> Line:
        data = self._file.readline(LONGEST_LINE + 1)
        if not data:
            raise StopIteration
        self._number += 1
        if self._number == 1:
            data = data.removeprefix(_BOM)
        if len(data) <= LONGEST_LINE:
            return Line(self._number, data)
        return Line(self._number, b"", self._skip_rest(data))

    def _skip_rest(self, data: bytes) -> bytes:
        """Read on to the end of the line, and return the whole line's digest."""
        digest = hashlib.sha256()
        while not data.endswith(b"\n"):
            digest.update(data)
            data = self._file.readline(_CHUNK)
            if not data:
                break
        digest.update(data.rstrip(b"\r\n"))
        return digest.digest()[:DIGEST_BYTES]


@contextmanager
def open_lines(path: Path) -> Iterator[Lines]:
    """The lines of a file; inside, what the disk or a damaged .gz answers is a BadInput."""
    try:
        with _opened(path) as file:
            yield Lines(file)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(
            f"the table cannot be read ({reason})", input="ROWS", value=str(path), hint="Check the file."
        ) from error


def refuse_utf16(path: Path) -> None:
    """Raises BadInput for a file that starts as spreadsheets' "Unicode text" does."""
    with open_lines(path) as lines:
        first = next(lines, None)
    if first is not None and first.data.startswith(_UTF16):
        raise BadInput("the table is UTF-16 text", input="ROWS", value=str(path), hint="Save it as UTF-8.")


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")

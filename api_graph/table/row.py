"""One row of a table, and the key under which its result is known for good."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api_graph.errors import BadInput

DIGEST_BYTES = 10
"""Of sha256; among a million different rows two share them with a chance of 4e-13."""

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class Row:
    """`number` is its place in the table, from 0. `fault` says why it cannot be read; `values` are then empty."""

    number: int
    key: str
    values: Mapping[str, Any]
    fault: BadInput | None = None


@dataclass(frozen=True)
class Found:
    """What a reader finds where a row should be: its values, or a fault, and a digest of the content."""

    values: Mapping[str, Any]
    digest: bytes
    fault: BadInput | None = None


def row_of(values: Mapping[str, Any], where: str) -> Found:
    """The row that these values are, or a faulty one where JSON cannot say them. `where` names the place."""
    try:
        return Found(values, values_digest(values))
    except (TypeError, ValueError, RecursionError) as error:
        fault = row_fault(where, f"a value cannot be written as JSON ({error})")
        return Found({}, raw_digest(repr(values).encode("utf-8", "backslashreplace")), fault)


def row_fault(where: str, problem: str, value: Any = None, hint: str = "Correct that row, or take it out.") -> BadInput:
    """Why a row cannot be read. `where` names its place in the table, such as "line 12"."""
    return BadInput(f"{where}: {problem}", input="ROWS", value=value, hint=hint)


def values_digest(values: Mapping[str, Any]) -> bytes:
    """Digest of a row's content, whatever the order of its columns. Raises where JSON has no such value."""
    return raw_digest(_canonical(values).encode("ascii"))


def raw_digest(raw: bytes) -> bytes:
    """Digest of a row that cannot be read, by its bytes."""
    return hashlib.sha256(raw).digest()[:DIGEST_BYTES]


class RowKeys:
    """Hands out the keys of a table's rows, in order.

    A key is the digest of the row's content as 20 hexadecimal digits, and for the second, third, ... row of equal
    content "-2", "-3", ... after it: it says nothing of the row's place, so that a table may grow or be sorted anew and
    its results are still found. It takes about 100 bytes per different row.
    """

    def __init__(self) -> None:
        self._times: dict[bytes, int] = {}

    def key(self, digest: bytes) -> str:
        """The key of the next row, whose content has this digest."""
        times = self._times[digest] = self._times.get(digest, 0) + 1
        return digest.hex() if times == 1 else f"{digest.hex()}-{times}"

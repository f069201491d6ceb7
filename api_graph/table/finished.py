"""Which rows are finished, in little memory: tables have millions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from api_graph.table.row import DIGEST_BYTES

_DIGITS = 2 * DIGEST_BYTES
_KEY = re.compile(rf"[0-9a-f]{{{_DIGITS}}}(-[0-9]+)?", re.ASCII)


def is_key(value: Any) -> bool:
    """Whether `value` is a row's key."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def packed(key: str) -> bytes:
    """A row's key in half of its length."""
    return bytes.fromhex(key[:_DIGITS]) + key[_DIGITS:].encode("ascii")


class Finished(Mapping[str, bool]):
    """Of each finished row's key, whether the row went well. About 100 bytes per row."""

    def __init__(self) -> None:
        self._ok: dict[bytes, bool] = {}

    def add(self, key: str, ok: bool) -> None:
        """A row is finished."""
        self._ok[packed(key)] = ok

    def drop(self, key: str) -> None:
        """A row is to be done again."""
        del self._ok[packed(key)]

    def __getitem__(self, key: str) -> bool:
        return self._ok[packed(key)]

    def __iter__(self) -> Iterator[str]:
        return (key[:DIGEST_BYTES].hex() + key[DIGEST_BYTES:].decode("ascii") for key in self._ok)

    def __len__(self) -> int:
        return len(self._ok)

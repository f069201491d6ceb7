"""One reader per kind of table. All stream: no table is ever in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from api_graph.table.row import Found


class Reader(Protocol):
    """What a table's source can do. It may be read several times, and gives the same rows each time."""

    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        ...

    def count(self) -> int:
        """How many rows there are."""
        ...

    def __iter__(self) -> Iterator[Found]: ...

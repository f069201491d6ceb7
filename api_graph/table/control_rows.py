"""Controls as settings of every row of a table: what each sets, and whose map a row gets for another row's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.table.rows import RowContent, content_digest, has_value

COLUMN = "control"
"""The column that says which control a row has."""
NONE, ANOTHER_ROW = "none", "another-row"

_ALONE = BadInput(
    "there is no other row whose map it could have", input="ROWS", hint="Add rows about other pictures or questions."
)


@dataclass(frozen=True)
class Controls:
    """What each control sets, by name of an input; `other` has the columns that it takes from the row, or another one.

    All controls set the same inputs. Those of `other` have the value of the row itself in that column; for
    `another-row` that of the next row that differs in the first of `apart`, behind the last the first. Where all rows
    are one there, the next column of `apart` counts.
    """

    settings: Mapping[str, Mapping[str, Json]]
    other: Mapping[str, str] = field(default_factory=dict)
    apart: Sequence[str] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The controls; the first is none."""
        return tuple(self.settings)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of all inputs that they set."""
        return tuple(dict.fromkeys([*self.other, *(name for own in self.settings.values() for name in own)]))

    def with_others(self, rows: Iterator[RowContent]) -> Iterator[tuple[RowContent, RowContent | None]]:
        """Each row with the one whose map it gets for another row's; None where there is none."""
        return others_of(rows, self.apart)

    def applied(
        self, row: RowContent, other: RowContent | None, settings: Mapping[str, Json], text: bytes
    ) -> RowContent:
        """A row with the settings of a grid, a control among them; `text` says them in the key.

        It is faulty where there is no other row. What that has counts in the key, as the row's own content does.
        """
        control = str(settings[COLUMN])
        source, fault, digest = row, row.fault, row.digest + text
        if control == ANOTHER_ROW and fault is None:
            source, fault = other or row, _ALONE if other is None else None
            digest += source.digest
        if fault is not None:
            return RowContent({}, content_digest(digest), fault)
        taken = {name: source.values[column] for name, column in self.other.items() if column in source.values}
        given = {name: value for name, value in taken.items() if has_value(value)}
        values = {**row.values, **settings, **given, **self.settings[control]}
        return RowContent(values, content_digest(digest), None, {**source.pictures, **row.pictures})

    def to_json(self) -> dict[str, Json]:
        """As the manifest keeps it."""
        return {"settings": {**self.settings}, "other": {**self.other}, "apart": [*self.apart]}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Controls:
        """What `to_json` has written."""
        settings = cast("Mapping[str, Mapping[str, Json]]", document["settings"])
        other = cast("Mapping[str, str]", document["other"])
        return cls(settings, other, tuple(cast("Sequence[str]", document["apart"])))


def others_of(rows: Iterable[RowContent], columns: Sequence[str]) -> Iterator[tuple[RowContent, RowContent | None]]:
    """Each row with the next one that differs in the first of `columns`; behind the last comes the first.

    Where no two rows differ there, the next column counts. None where none is left.
    """
    if not columns:
        yield from ((row, None) for row in rows)
        return
    apart = columns[0]
    waiting: list[RowContent] = []
    firsts: list[RowContent] = []  # the first row, and the first that differs from it

    def known(row: RowContent) -> bool:
        return row.fault is None and has_value(row.values.get(apart))

    def differ(one: RowContent, other: RowContent) -> bool:
        return one.values[apart] != other.values[apart]

    for row in rows:
        if not known(row):
            waiting.append(row)
            continue
        if len(firsts) < 2 and (not firsts or differ(firsts[0], row)):
            firsts.append(row)
        if any(known(each) and differ(each, row) for each in waiting):
            yield from ((each, row) for each in waiting)
            waiting.clear()
        waiting.append(row)
    if len(firsts) < 2:  # so all rows still wait
        yield from others_of(waiting, columns[1:])
        return
    for row in waiting:
        yield row, next((first for first in firsts if known(row) and differ(first, row)), None)

"""A grid of settings: every row of a table, with every combination of the values of some inputs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import cast

from api_graph.errors import BadInput, shown
from api_graph.graph import Graph, GraphError, InputSetter, refused_value
from api_graph.graph.inputs import InputNames
from api_graph.json_values import Json
from api_graph.registry import Registry
from api_graph.table.control_rows import COLUMN, Controls
from api_graph.table.rows import Reader, RowContent, Table, content_digest

GridValues = Mapping[str, str | Sequence[Json]]
"""By name of an input its values: a text as it is typed (see `typed_values`), or a list of JSON values."""

MOST_SETTINGS = 100_000
"""Of each row."""

_OPTION = "--grid"
_LIST = 'Write for example --grid kernel_size=1,7,15, or a JSON list: --grid \'query=["a cat, sitting", "a dog"]\'.'
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class Grid:
    """By name of an input its values, each of the type that the input takes. That of the last name changes fastest.

    A row's key is of the row's own and of its settings, and its number that of the row, times `size`, and its place
    among the settings. So the key of a row with certain settings stays, whatever other values the grid has. `controls`
    are one more axis, COLUMN, whose values set several inputs each; another row that one takes from counts in the key.
    """

    values: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    controls: Controls | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of all inputs that rows set."""
        if self.controls is None:
            return tuple(self.values)
        return (*(name for name in self.values if name != COLUMN), *self.controls.inputs)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that rows have for the settings."""
        return tuple(dict.fromkeys([*self.values, *self.inputs]))

    def with_controls(self, controls: Controls) -> Grid:
        """The grid with every control for each of its settings."""
        return Grid({**self.values, COLUMN: controls.names}, controls)

    @property
    def size(self) -> int:
        """How many settings each row of the table has; 1 without a grid."""
        return prod(len(values) for values in self.values.values())

    def settings(self) -> Iterator[dict[str, Json]]:
        """Every combination."""
        for values in product(*self.values.values()):
            yield dict(zip(self.values, values, strict=True))

    def over(self, table: Table) -> Table:
        """The table with every combination for each of its rows, as columns behind its own."""
        if not self.values:
            return table
        return replace(table, columns=(*table.columns, *self.columns), reader=_GridReader(table.reader, self))

    def in_words(self, rows: int) -> str:
        """What is said of it before the first of the table's `rows`."""
        values = "; ".join(f"{name} = {', '.join(map(shown, own))}" for name, own in self.values.items())
        settings, of = ("setting", "settings")[self.size > 1], ("row", "rows")[rows > 1]
        return f"grid: {values} ({self.size:,} {settings} of {rows:,} {of}: {self.size * rows:,} in all)"


@dataclass(frozen=True)
class _GridReader:
    """A table's reader, with each row once for each of the grid's settings."""

    reader: Reader
    grid: Grid

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.reader.columns, *self.grid.columns)

    def count(self) -> int:
        return self.reader.count() * self.grid.size

    def __iter__(self) -> Iterator[RowContent]:
        settings = [(own, _canonical(own).encode("ascii")) for own in self.grid.settings()]
        controls = self.grid.controls
        for row, other in _alone(self.reader) if controls is None else controls.with_others(iter(self.reader)):
            for own, text in settings:
                if controls is None:
                    yield RowContent({**row.values, **own}, content_digest(row.digest + text), row.fault, row.pictures)
                else:
                    yield controls.applied(row, other, own, text)


def _alone(rows: Iterable[RowContent]) -> Iterator[tuple[RowContent, None]]:
    for row in rows:
        yield row, None


def grid_of(graph: Graph, registry: Registry, values: GridValues) -> Grid:
    """The grid that was asked for, its values as the inputs take them.

    Raises GraphError for a name that no input has, and for values that it does not take, all of them at once; BadInput
    for what is no list of values, a value that comes twice, and one input under two names.
    """
    setter, names = InputSetter(graph, registry), InputNames(graph, registry)
    found: dict[str, tuple[Json, ...]] = {}
    named: dict[tuple[str, str], str] = {}
    faults = []
    for name, given in values.items():
        try:
            address = names.find(name)
        except GraphError as error:
            faults += error.faults
            continue
        if address in named:
            hint = "Give all of its values under one name."
            raise BadInput(f"is the same input as {named[address]}", input=_OPTION, value=name, hint=hint)
        named[address] = name
        own: list[Json] = []
        for value, is_text in _typed_values(name, given):
            try:
                ready = setter.set({}, {name: str(value)}) if is_text else setter.set({name: value})
            except GraphError as error:
                faults += error.faults
                continue
            node = ready.nodes[address[0]]
            faults += refused_value(node, registry[node.class_type], names.specs[address])
            taken = cast("Json", node.inputs[address[1]])
            own.append(float(taken) if names.specs[address].socket == "FLOAT" and isinstance(taken, int) else taken)
        texts = [_canonical(value) for value in own]
        twice = next((value for value, text in zip(own, texts, strict=True) if texts.count(text) > 1), None)
        if len(set(texts)) < len(texts):
            raise BadInput(f"{name} has the value {shown(twice)} twice", input=_OPTION, hint="Give it once.")
        found[name] = tuple(own)
    if faults:
        raise GraphError(faults)
    grid = Grid(found)
    if grid.size > MOST_SETTINGS:
        hint = f"At most {MOST_SETTINGS:,} are taken: give fewer values, or run it in parts."
        raise BadInput(f"each row would have {grid.size:,} settings", input=_OPTION, hint=hint)
    return grid


def _typed_values(name: str, given: str | Sequence[Json]) -> list[tuple[Json, bool]]:
    """Each value, and whether it is a text that is to be read. Raises BadInput."""
    if not isinstance(given, str):
        if not isinstance(given, list | tuple) or not given:
            raise BadInput(f"{name} has no list of values", input=_OPTION, value=given, hint=_LIST)
        return [(value, False) for value in given]
    if given.lstrip().startswith("["):
        try:
            values = json.loads(given)
        except (ValueError, RecursionError):
            raise BadInput(
                f"{name} has a JSON list that cannot be read", input=_OPTION, value=given, hint=_LIST
            ) from None
        return _typed_values(name, values)
    parts = [part.strip() for part in given.split(",")]
    if "" in parts:
        raise BadInput(f"{name} has an empty value", input=_OPTION, value=given, hint=_LIST)
    return [(part, True) for part in parts]

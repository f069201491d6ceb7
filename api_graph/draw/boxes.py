"""A node as a picture shows it: its rows of text, how large that is, and where its links end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from math import ceil

from api_graph.draw.fonts import Font
from api_graph.draw.layout import Point, Size
from api_graph.draw.shades import category_colour
from api_graph.draw.widgets import drawn_slots
from api_graph.graph.model import GraphNode, Link, title_of, value_to_api
from api_graph.spec import NodeSpec

TITLE_SIZE, TEXT_SIZE = 14.0, 12.0
TITLE_HEIGHT, ROW_HEIGHT, LINE_HEIGHT = 28.0, 20.0, 16.0
PADDING, INDENT = 8.0, 12.0
_NARROWEST, _WIDEST = 140.0, 300.0
_MOST_LINES = 4
_MOST_CHARACTERS = 1000
_BETWEEN = 24.0

TITLE_FONT, TEXT_FONT = Font(TITLE_SIZE), Font(TEXT_SIZE)


@dataclass(frozen=True)
class Slot:
    """An input that is linked, or an output."""

    name: str
    socket: str


@dataclass(frozen=True)
class Value:
    """What is typed into an input: beside its name, or in lines below that."""

    name: str
    lines: tuple[str, ...]
    below: bool

    @property
    def height(self) -> float:
        return ROW_HEIGHT + LINE_HEIGHT * len(self.lines) if self.below else ROW_HEIGHT


@dataclass(frozen=True)
class NodeBox:
    """What is drawn of a node: a title bar, rows with an input on the left and an output on the right, typed values."""

    title: str
    colour: str
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    values: tuple[Value, ...]

    @cached_property
    def size(self) -> Size:
        """Width and height."""
        rows = max(len(self.inputs), len(self.outputs))
        height = TITLE_HEIGHT + 2 * PADDING + ROW_HEIGHT * rows
        height += sum(value.height for value in self.values)
        return self._width(), height

    def input_at(self, name: str) -> Point:
        """Where the link into an input ends, from the upper left corner."""
        number = [slot.name for slot in self.inputs].index(name)
        return 0.0, TITLE_HEIGHT + PADDING + ROW_HEIGHT * (number + 0.5)

    def output_at(self, number: int) -> Point:
        """Where the links out of an output begin."""
        return self.size[0], TITLE_HEIGHT + PADDING + ROW_HEIGHT * (number + 0.5)

    def _width(self) -> float:
        widths = [TITLE_FONT.width(self.title)]
        for value in self.values:
            beside = 0.0 if value.below else TEXT_FONT.width(value.name) + _BETWEEN
            widths.append(beside + max(map(TEXT_FONT.width, value.lines)))
        for row in range(max(len(self.inputs), len(self.outputs))):
            names = [slots[row].name for slots in (self.inputs, self.outputs) if row < len(slots)]
            widths.append(sum(map(TEXT_FONT.width, names)) + _BETWEEN)
        return float(ceil(min(_WIDEST, max(_NARROWEST, *widths) + 2 * INDENT)))


def node_box(node: GraphNode, spec: NodeSpec) -> NodeBox:
    """The box of one node; values that it leaves at their default are not shown."""
    linked = [one for one in drawn_slots(node, spec) if isinstance(node.inputs.get(one.name), Link)]
    return NodeBox(
        _one_line(title_of(node, spec)),
        category_colour(spec.category),
        tuple(Slot(one.name, one.socket) for one in linked),
        tuple(Slot(one.name, one.socket) for one in spec.outputs),
        tuple(_value(name, value_to_api(value)) for name, value in node.literals().items()),
    )


def _value(name: str, value: object) -> Value:
    """A value as it is shown: texts without quotes, on lines of their own where they do not fit beside their name."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    room = _WIDEST - 2 * INDENT
    lines = [line for raw in text[:_MOST_CHARACTERS].splitlines() for line in _wrapped(_one_line(raw), room)]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], TEXT_FONT.shortened(f"{lines[_MOST_LINES - 1]} …", room)]
    lines = lines or [""]
    beside = len(lines) == 1 and TEXT_FONT.width(name) + _BETWEEN + TEXT_FONT.width(lines[0]) <= room
    return Value(_one_line(name), tuple(lines), below=not beside)


def _wrapped(text: str, room: float) -> list[str]:
    """`text` in lines that fit, broken between words, and within words that are too long."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        rest = f"{line} {word}" if line else word
        if line and TEXT_FONT.width(rest) > room:
            lines.append(line)
            rest = word
        while TEXT_FONT.width(rest) > room:
            count = max(1, TEXT_FONT.fitting(rest, room))
            lines.append(rest[:count])
            rest = rest[count:]
        line = rest
    return [*lines, line]


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)

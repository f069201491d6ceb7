"""The graph as a picture: a box for each node, with its linked inputs, its outputs and the values typed into it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from PIL import Image, ImageDraw

from api_graph.draw.colours import category_colour, socket_colour
from api_graph.draw.layout import Layout, Point, Size, layout
from api_graph.draw.workflow import drawn_slots, feeding_of
from api_graph.fonts import Font
from api_graph.graph.model import Graph, GraphNode, Link, title_of, value_to_api
from api_graph.graph.order import execution_order
from api_graph.graph.validate import validate
from api_graph.registry import Registry
from api_graph.spec import NodeSpec

_GROUND, _BODY, _EDGE, _WELL = "#1c1d20", "#2c2e33", "#4a4d55", "#222429"
_INK, _FAINT = "#f0f0f0", "#a8acb3"
_MARGIN = 30.0
_CORNER, _DOT, _LINE = 7.0, 4.5, 2.5
_SUPERSAMPLING = 2
_MOST_PIXELS = 60e6  # before they are sampled down
_STEPS = 24  # of a curve

TITLE_SIZE, TEXT_SIZE = 14.0, 12.0
TITLE_HEIGHT, ROW_HEIGHT, LINE_HEIGHT = 28.0, 20.0, 16.0
PADDING, INDENT = 8.0, 12.0
TITLE_FONT, TEXT_FONT = Font(TITLE_SIZE), Font(TEXT_SIZE)
_NARROWEST, _WIDEST = 140.0, 300.0
_MOST_LINES = 4
_MOST_CHARACTERS = 1000
_BETWEEN = 24.0


def to_picture(graph: Graph, registry: Registry) -> Image.Image:
    """The graph drawn from left to right, RGB: nodes with what is typed into them, links in their socket's colour.

    A graph of thousands of nodes is drawn smaller. Raises GraphError for a graph that cannot run.
    """
    validate(graph, registry)
    boxes = {id: node_box(node, registry[node.class_type]) for id, node in graph.nodes.items()}
    order = execution_order(graph)
    drawn = layout(feeding_of(graph, order), {id: box.size for id, box in boxes.items()})
    width = max(x + boxes[id].size[0] for id, (x, _) in drawn.corners.items()) + 2 * _MARGIN
    height = max(y + boxes[id].size[1] for id, (_, y) in drawn.corners.items()) + 2 * _MARGIN
    scale = min(1.0, math.sqrt(_MOST_PIXELS / (width * height)) / _SUPERSAMPLING)
    canvas = _Canvas(width, height, scale * _SUPERSAMPLING)
    for points, socket in _links(graph, registry, boxes, drawn):
        canvas.curve(points, socket_colour(socket))
    for id, box in boxes.items():
        _draw_node(canvas, box, drawn.corners[id])
    size = (math.ceil(width * scale), math.ceil(height * scale))
    return canvas.picture.resize(size, Image.Resampling.LANCZOS)


def _links(
    graph: Graph, registry: Registry, boxes: dict[str, NodeBox], drawn: Layout
) -> Iterator[tuple[list[Point], str]]:
    """The points that each link passes, from output to input, and its socket."""
    for id, node in graph.nodes.items():
        for input, link in node.links().items():
            start = _sum(drawn.corners[link.node], boxes[link.node].output_at(link.output))
            end = _sum(drawn.corners[id], boxes[id].input_at(input))
            passed = [point for passage in drawn.passages.get((link.node, id), ()) for point in passage]
            source = registry[graph.nodes[link.node].class_type]
            yield [start, *passed, end], source.outputs[link.output].socket


def _sum(a: Point, b: Point) -> Point:
    return a[0] + b[0], a[1] + b[1]


# ------------------------------------------------------------------------------------------------------ boxes


@dataclass(frozen=True)
class BoxSlot:
    """An input that is linked, or an output."""

    name: str
    socket: str


@dataclass(frozen=True)
class BoxValue:
    """The value typed into an input: beside its name, or in lines below that."""

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
    inputs: tuple[BoxSlot, ...]
    outputs: tuple[BoxSlot, ...]
    values: tuple[BoxValue, ...]

    @cached_property
    def size(self) -> Size:
        """Width and height."""
        height = self.values_top + PADDING + sum(value.height for value in self.values)
        return self._width(), height

    @property
    def values_top(self) -> float:
        """Where the typed values begin, below the rows of slots."""
        return TITLE_HEIGHT + PADDING + ROW_HEIGHT * max(len(self.inputs), len(self.outputs))

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
        return float(math.ceil(min(_WIDEST, max(_NARROWEST, *widths) + 2 * INDENT)))


def node_box(node: GraphNode, spec: NodeSpec) -> NodeBox:
    """The box of one node; values that it leaves at their default are not shown."""
    linked = [one for one in drawn_slots(node, spec) if isinstance(node.inputs.get(one.name), Link)]
    return NodeBox(
        _one_line(title_of(node, spec)),
        category_colour(spec.category),
        tuple(BoxSlot(one.name, one.socket) for one in linked),
        tuple(BoxSlot(one.name, one.socket) for one in spec.outputs),
        tuple(_box_value(name, value_to_api(value)) for name, value in node.literals().items()),
    )


def _box_value(name: str, value: object) -> BoxValue:
    """A value as it is shown: texts without quotes, on lines of their own if they do not fit beside their name."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    room = _WIDEST - 2 * INDENT
    lines = [line for raw in text[:_MOST_CHARACTERS].splitlines() for line in _wrapped(_one_line(raw), room)]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], TEXT_FONT.shortened(f"{lines[_MOST_LINES - 1]} …", room)]
    lines = lines or [""]
    beside = len(lines) == 1 and TEXT_FONT.width(name) + _BETWEEN + TEXT_FONT.width(lines[0]) <= room
    return BoxValue(_one_line(name), tuple(lines), below=not beside)


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


# ---------------------------------------------------------------------------------------------------- drawing


class _Canvas:
    """Draws in the layout's unit, at `scale` pixels each."""

    def __init__(self, width: float, height: float, scale: float) -> None:
        self._scale = scale
        self.picture = Image.new("RGB", (math.ceil(width * scale), math.ceil(height * scale)), _GROUND)
        self._draw = ImageDraw.Draw(self.picture)
        self._fonts = {size: Font(size * scale) for size in (TITLE_SIZE, TEXT_SIZE)}

    def box(self, corner: Point, size: Point, fill: str, edge: str | None = None, *, top_only: bool = False) -> None:
        """A filled rectangle with round corners."""
        radius = min(_CORNER, size[1] / 2) * self._scale
        corners = (True, True, not top_only, not top_only)
        edge_width = max(1, round(self._scale)) if edge else 0
        area = [*self._at(corner), *self._at(_sum(corner, size))]
        self._draw.rounded_rectangle(area, radius, fill, edge, edge_width, corners=corners)

    def dot(self, middle: Point, colour: str) -> None:
        x, y = self._at(middle)
        radius = _DOT * self._scale
        self._draw.ellipse([x - radius, y - radius, x + radius, y + radius], colour)

    def text(self, at: Point, text: str, size: float, colour: str) -> None:
        """A line of text from its left end."""
        self._fonts[size].draw(self._draw, self._at(at), text, colour)

    def curve(self, points: Sequence[Point], colour: str) -> None:
        """A line that leaves each point to the right: straight between a passage's ends, else a Bézier curve."""
        path = [self._at(points[0])]
        for number, (start, end) in enumerate(pairwise(points)):
            path += [self._at(end)] if number % 2 else [self._at(point) for point in _bezier(start, end)]
        self._draw.line(path, colour, max(1, round(_LINE * self._scale)), joint="curve")

    def _at(self, point: Point) -> Point:
        return (point[0] + _MARGIN) * self._scale, (point[1] + _MARGIN) * self._scale


def _bezier(start: Point, end: Point) -> list[Point]:
    """Points of a cubic Bézier curve that leaves and arrives level, without its start."""
    (x0, y0), (x3, y3) = start, end
    reach = max(30.0, abs(x3 - x0) / 2)
    points = []
    for step in range(1, _STEPS + 1):
        t = step / _STEPS
        a, b, c, d = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
        points.append((a * x0 + b * (x0 + reach) + c * (x3 - reach) + d * x3, (a + b) * y0 + (c + d) * y3))
    return points


def _draw_node(canvas: _Canvas, box: NodeBox, corner: Point) -> None:
    width, _ = box.size
    canvas.box(corner, box.size, _BODY, _EDGE)
    canvas.box(corner, (width, TITLE_HEIGHT), box.colour, _EDGE, top_only=True)
    title = TITLE_FONT.shortened(box.title, width - 2 * INDENT)
    canvas.text(_sum(corner, (INDENT, TITLE_HEIGHT / 2)), title, TITLE_SIZE, _INK)
    for slot in box.inputs:
        at = _sum(corner, box.input_at(slot.name))
        canvas.dot(at, socket_colour(slot.socket))
        canvas.text(_sum(at, (INDENT, 0)), slot.name, TEXT_SIZE, _FAINT)
    for number, slot in enumerate(box.outputs):
        at = _sum(corner, box.output_at(number))
        canvas.dot(at, socket_colour(slot.socket))
        canvas.text(_sum(at, (-INDENT - TEXT_FONT.width(slot.name), 0)), slot.name, TEXT_SIZE, _FAINT)
    _draw_values(canvas, box, _sum(corner, (0, box.values_top)))


def _draw_values(canvas: _Canvas, box: NodeBox, corner: Point) -> None:
    """Names on the left, values on the right or below."""
    left, top = corner
    width = box.size[0]
    for value in box.values:
        canvas.box((left + PADDING / 2, top + 1), (width - PADDING, value.height - 2), _WELL)
        canvas.text((left + INDENT, top + ROW_HEIGHT / 2), value.name, TEXT_SIZE, _FAINT)
        for number, line in enumerate(value.lines):
            at = (left + width - INDENT - TEXT_FONT.width(line), top + ROW_HEIGHT / 2)
            if value.below:
                at = (left + INDENT, top + ROW_HEIGHT + LINE_HEIGHT * (number + 0.4))
            canvas.text(at, line, TEXT_SIZE, _INK)
        top += value.height

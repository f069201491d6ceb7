"""The graph as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from PIL import Image, ImageDraw

from api_graph.draw.boxes import (
    INDENT,
    LINE_HEIGHT,
    PADDING,
    ROW_HEIGHT,
    TEXT_FONT,
    TEXT_SIZE,
    TITLE_FONT,
    TITLE_HEIGHT,
    TITLE_SIZE,
    NodeBox,
    node_box,
)
from api_graph.draw.fonts import Font
from api_graph.draw.layout import Layout, Point, layout
from api_graph.draw.shades import socket_colour
from api_graph.draw.workflow import feeding_of
from api_graph.graph.model import Graph
from api_graph.graph.order import execution_order
from api_graph.graph.validate import validate
from api_graph.registry import Registry

_GROUND, _BODY, _EDGE, _WELL = "#1c1d20", "#2c2e33", "#4a4d55", "#222429"
_INK, _FAINT = "#f0f0f0", "#a8acb3"
_MARGIN = 30.0
_CORNER, _DOT, _LINE = 7.0, 4.5, 2.5
_SUPERSAMPLING = 2
_MOST_PIXELS = 60e6  # before they are sampled down
_STEPS = 24  # of a curve


def to_picture(graph: Graph, registry: Registry) -> Image.Image:
    """The graph drawn from left to right, RGB: nodes with what is typed into them, links in their socket's colour.

    A graph of thousands of nodes is drawn smaller. Raises GraphError for a graph that cannot run.
    """
    validate(graph, registry)
    boxes = {id: node_box(node, registry[node.class_type]) for id, node in graph.nodes.items()}
    order = execution_order(graph)
    placed = layout(feeding_of(graph, order), {id: box.size for id, box in boxes.items()})
    width = max(x + boxes[id].size[0] for id, (x, _) in placed.corners.items()) + 2 * _MARGIN
    height = max(y + boxes[id].size[1] for id, (_, y) in placed.corners.items()) + 2 * _MARGIN
    scale = min(1.0, math.sqrt(_MOST_PIXELS / (width * height)) / _SUPERSAMPLING)
    canvas = _Canvas(width, height, scale * _SUPERSAMPLING)
    for points, socket in _links(graph, registry, boxes, placed):
        canvas.curve(points, socket_colour(socket))
    for id, box in boxes.items():
        _draw_node(canvas, box, placed.corners[id])
    size = (math.ceil(width * scale), math.ceil(height * scale))
    return canvas.picture.resize(size, Image.Resampling.LANCZOS)


def _links(
    graph: Graph, registry: Registry, boxes: dict[str, NodeBox], placed: Layout
) -> Iterator[tuple[list[Point], str]]:
    """What each link passes, from output to input, and its socket."""
    for id, node in graph.nodes.items():
        for input, link in node.links().items():
            start = _sum(placed.corners[link.node], boxes[link.node].output_at(link.output))
            end = _sum(placed.corners[id], boxes[id].input_at(input))
            passed = [point for passage in placed.passages.get((link.node, id), ()) for point in passage]
            source = registry[graph.nodes[link.node].class_type]
            yield [start, *passed, end], source.outputs[link.output].socket


def _sum(a: Point, b: Point) -> Point:
    return a[0] + b[0], a[1] + b[1]


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
        way = [self._at(points[0])]
        for number, (start, end) in enumerate(pairwise(points)):
            way += [self._at(end)] if number % 2 else [self._at(point) for point in _bezier(start, end)]
        self._draw.line(way, colour, max(1, round(_LINE * self._scale)), joint="curve")

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
    rows = max(len(box.inputs), len(box.outputs))
    _draw_values(canvas, box, _sum(corner, (0, TITLE_HEIGHT + PADDING + ROW_HEIGHT * rows)))


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

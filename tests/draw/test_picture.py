"""A graph as a picture."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageColor

from api_graph import fonts
from api_graph.draw import to_picture
from api_graph.draw.colours import category_colour, socket_colour
from api_graph.draw.picture import INDENT, TEXT_FONT, node_box
from api_graph.graph import Graph, GraphError, GraphNode, Link, read_graph
from api_graph.registry import Registry, all_nodes
from api_graph.settings import shipped


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    found = picture.getcolors(picture.width * picture.height)
    assert found is not None
    return {colour for _, colour in found if isinstance(colour, tuple)}


@pytest.mark.parametrize("name", ["api_clip_cls", "rec_foveal", "point_cloud_foveal"])
def test_every_category_and_every_link_is_seen(name: str) -> None:
    graph, registry = read_graph(shipped()[name]), all_nodes()
    seen = colours(to_picture(graph, registry))
    specs = {id: registry[node.class_type] for id, node in graph.nodes.items()}
    wanted = {category_colour(spec.category) for spec in specs.values()}
    for node in graph.nodes.values():
        wanted |= {socket_colour(specs[link.node].outputs[link.output].socket) for link in node.links().values()}
    assert {ImageColor.getrgb(colour) for colour in wanted} <= seen


def test_a_box_has_what_is_linked_and_typed(chain: dict[str, Any], registry: Registry) -> None:
    box = node_box(read_graph(chain).nodes["mix"], registry["TBlend"])
    assert box.title == "Mix"
    assert [(slot.name, slot.socket) for slot in box.inputs] == [
        ("image", "IMAGE"),
        ("strength", "FLOAT"),
        ("mask", "MASK"),
    ]
    assert [(value.name, value.lines, value.below) for value in box.values] == [("note", ("two", '"lines"'), True)]
    assert box.input_at("mask")[1] - box.input_at("image")[1] == 40
    assert box.output_at(0) == (box.size[0], box.input_at("image")[1])


def test_long_texts_are_wrapped_and_cut(registry: Registry) -> None:
    node = GraphNode("1", "TBlend", {"note": "word " * 100 + "W" * 5000, "recipe": "x" * 60}, "T" * 500)
    box = node_box(node, registry["TBlend"])
    room = box.size[0] - 2 * INDENT
    note, recipe = box.values
    assert len(note.lines) == 4
    assert note.lines[-1].endswith("…")
    assert recipe.lines[0] + recipe.lines[1] == "x" * 60  # no space to break at
    assert all(TEXT_FONT.width(line) <= room for value in box.values for line in value.lines)
    assert 0 < TEXT_FONT.width(TEXT_FONT.shortened("T" * 500, room)) <= room


def test_a_graph_of_thousands_is_drawn_smaller(registry: Registry) -> None:
    nodes = {"0": GraphNode("0", "TLoad", {"image": "cat.png"})}
    for i in range(1, 1000):
        nodes[str(i)] = GraphNode(str(i), "TBlend", {"image": Link(str(i - 1), 0), "strength": 1.0})
    nodes["end"] = GraphNode("end", "TSave", {"image": Link("999", 0)})
    picture = to_picture(Graph(nodes), registry)
    assert 10e6 < picture.width * picture.height < 16e6


def test_a_graph_that_cannot_run_is_refused(registry: Registry) -> None:
    with pytest.raises(GraphError, match="no node class"):
        to_picture(read_graph({"1": {"class_type": "TNothing", "inputs": {}}}), registry)


def test_colours_of_unknown_names_stay() -> None:
    assert socket_colour("OTHER") == socket_colour("OTHER")
    assert ImageColor.getrgb(socket_colour("OTHER")) != ImageColor.getrgb(socket_colour("ANOTHER"))
    assert max(ImageColor.getrgb(category_colour("a/b"))) < 128 <= max(ImageColor.getrgb(socket_colour("OTHER")))


def test_a_character_that_a_font_lacks_comes_from_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the first font has no Ψ, and nothing has 注."""
    lacks = {"first": "Ψ注\uffff", "second": "注\uffff"}
    monkeypatch.setattr(fonts, "_available", lambda: tuple(lacks))
    monkeypatch.setattr(fonts, "_face", lambda file, size: file)
    monkeypatch.setattr(fonts, "_drawn", lambda c, file: b"box" if c in lacks[file] else c.encode())
    fonts._first_with.cache_clear()
    assert [fonts._first_with(c) for c in "aΨ注"] == ["first", "second", "first"]
    lacks[""] = "注\uffff"
    assert [fonts._first_with(c, True) for c in "aΨ注"] == ["", "", ""]
    fonts._first_with.cache_clear()


def test_text_is_measured_in_every_font_of_it() -> None:
    font = fonts.Font(20)
    assert font.width("ab") == pytest.approx(font.width("a") + font.width("b"), abs=1)
    assert font.fitting("abab", font.width("aba")) == 3
    assert font.shortened("ab", font.width("ab")) == "ab"
    assert font.shortened("abab", font.width("ab…")) == "ab…"

"""Boxes drawn on the image in the node, and the text that says the same."""

from __future__ import annotations

from typing import Any

import pytest

from api_graph.errors import BadInput
from api_graph.regions import read_boxes

from .conftest import Editor

WIDTH, HEIGHT = 480, 320


def at(editor: Editor, x: float, y: float) -> tuple[float, float]:
    """A place of the image on the screen."""
    frame = editor.page.locator(".ap-boxes img").bounding_box()
    return frame["x"] + x / WIDTH * frame["width"], frame["y"] + y / HEIGHT * frame["height"]


def drag(editor: Editor, start: tuple[float, float], end: tuple[float, float]) -> None:
    mouse = editor.page.mouse
    mouse.move(*at(editor, *start))
    mouse.down()
    mouse.move(*at(editor, *((a + b) / 2 for a, b in zip(start, end, strict=True))))
    mouse.move(*at(editor, *end))
    mouse.up()


def text(editor: Editor) -> list[str]:
    return editor.widget(2, "boxes").split("\n")


def near(line: str, expected: list[float], within: float = 2) -> bool:
    """Within a screen pixel or two of where the hand went."""
    return all(abs(float(a) - b) <= within for a, b in zip(line.split(","), expected, strict=True))


def box(editor: Editor, rank: int) -> Any:
    return editor.page.locator(".ap-boxes [data-line]").nth(rank)


def test_drawing_appends_a_line(editor: Editor) -> None:
    drag(editor, (40, 100), (160, 220))
    lines = text(editor)
    assert lines[:3] == ["# two", "200, 50, 280, 130", "350, 160, 430, 240"]
    assert len(lines) == 4 and near(lines[3], [40, 100, 160, 220])
    assert editor.prompt()["2"]["inputs"]["boxes"] == "\n".join(lines)


def test_drawing_backwards_and_beyond_the_edge_stays_in_the_image(editor: Editor) -> None:
    drag(editor, (100, 60), (-30, -30))
    assert near(text(editor)[3], [0, 0, 100, 60])


def test_a_click_draws_nothing(editor: Editor) -> None:
    editor.page.mouse.click(*at(editor, 60, 260))
    assert len(text(editor)) == 3


def test_moving(editor: Editor) -> None:
    drag(editor, (240, 90), (270, 110))
    lines = text(editor)
    assert near(lines[1], [230, 70, 310, 150]) and lines[0] == "# two" and lines[2] == "350, 160, 430, 240"
    left, top, right, bottom = map(int, lines[1].split(","))
    assert (right - left, bottom - top) == (80, 80)


def test_moving_ends_at_the_edge_and_keeps_the_size(editor: Editor) -> None:
    drag(editor, (390, 200), (479, 319))
    assert text(editor)[2] == "400, 240, 480, 320"


def test_resizing_at_a_corner(editor: Editor) -> None:
    drag(editor, (280, 130), (330, 150))
    assert near(text(editor)[1], [200, 50, 330, 150])
    drag(editor, (200, 50), (180, 40))
    assert near(text(editor)[1], [180, 40, 330, 150])


def test_keys(editor: Editor) -> None:
    box(editor, 0).focus()
    press = editor.page.keyboard.press
    press("ArrowRight")
    press("Shift+ArrowDown")
    assert text(editor)[1] == "201, 60, 281, 140"
    press("Alt+ArrowLeft")
    press("Alt+Shift+ArrowDown")
    assert text(editor)[1] == "201, 60, 280, 150"
    press("Delete")
    assert text(editor) == ["# two", "350, 160, 430, 240"]
    press("Insert")
    assert text(editor) == ["# two", "350, 160, 430, 240", "160, 107, 320, 213"]
    press("Tab")
    assert len(editor.page.evaluate("() => app.graph.nodes.map(n => n.id)")) == 6, "no key has reached the canvas"


def test_escape_takes_a_drag_back(editor: Editor) -> None:
    mouse = editor.page.mouse
    mouse.move(*at(editor, 240, 90))
    mouse.down()
    mouse.move(*at(editor, 300, 200))
    editor.page.keyboard.press("Escape")
    mouse.up()
    assert text(editor)[1] == "200, 50, 280, 130"


def test_touch(editor: Editor) -> None:
    session = editor.page.context.new_cdp_session(editor.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [dict(zip("xy", at(editor, *place), strict=True)) for place in places]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (20, 240))
    touch("touchMove", (60, 270))
    touch("touchMove", (120, 300))
    touch("touchEnd")
    assert near(text(editor)[3], [20, 240, 120, 300])


def test_what_is_typed_is_drawn(editor: Editor) -> None:
    editor.type(2, "boxes", "[0, 0, 48, 32]\nno box\n(240 160 480 320)")
    style = box(editor, 1).evaluate("e => [e.style.left, e.style.top, e.style.width, e.style.height]")
    assert editor.page.locator(".ap-boxes [data-line]").count() == 2
    assert style == ["50%", "50%", "50%", "50%"]


@pytest.mark.parametrize(
    ("format", "typed", "expected"),
    [
        ("xywh", "200, 50, 80, 80", [230, 70, 80, 80]),
        ("normalized", "0.5, 0.25, 0.75, 0.5", [0.5625, 0.3125, 0.8125, 0.5625]),
    ],
)
def test_other_formats_stay_what_they_are(editor: Editor, format: str, typed: str, expected: list[float]) -> None:
    editor.type(2, "format", format)
    editor.type(2, "boxes", typed)
    drag(editor, (260, 105), (290, 125))
    assert near(text(editor)[0], expected, within=2 if format == "xywh" else 0.006)


def test_a_linked_text_cannot_be_drawn_on(editor: Editor) -> None:
    editor.page.evaluate(
        """() => {
          const [text, boxes] = [app.graph.getNodeById(5), app.graph.getNodeById(2)];
          text.connect(0, boxes, boxes.findInputSlot("boxes"));
        }"""
    )
    drag(editor, (40, 100), (160, 220))
    assert len(text(editor)) == 3


def test_python_and_the_browser_read_alike(editor: Editor) -> None:
    lines = [
        "1, 2, 3, 4",
        " [1.5 2.5; 30 40] ",
        "(1,2),(3,4)",
        "1e1 2 30 40",
        "# 1, 2, 3, 4",
        "",
        "1, 2, 3",
        "1, 2, 3, 4, 5",
        "1, 2, 3, x",
        "1\t2\t3\t4",
        "+1, .5, 3., 4",
        "nan, 0, 1, 1",
    ]
    for format in ("xyxy", "xywh", "normalized"):
        read = editor.page.evaluate(
            """async ([text, format]) => {
              const { parse } = await import("/extensions/api-graph/js/boxtext.js");
              return parse(text, format, [480, 320]).map(line => line.box ?? null);
            }""",
            ["\n".join(lines), format],
        )
        assert read == [_python(line, format) for line in lines]


def _python(line: str, format: Any) -> list[float] | None:
    try:
        return read_boxes(line, (WIDTH, HEIGHT), format, clip=False).values[0].tolist()
    except BadInput:
        return None

"""Boxes drawn on the image in the node, and the text that says the same."""

from __future__ import annotations

from typing import Any

import pytest

from api_graph.errors import BadInput
from api_graph.regions import read_boxes

from .conftest import Editor, Pictures

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


def boxes_in(editor: Editor) -> dict[str, float]:
    return editor.page.locator(".ap-boxes img").bounding_box()


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


# ------------------------------------------------------------------------------------------ names


def test_a_double_click_names_a_box(editor: Editor, picture: Pictures) -> None:
    mouse, keyboard = editor.page.mouse, editor.page.keyboard
    mouse.dblclick(*at(editor, 240, 100))
    keyboard.type("the ring,  left of it")
    keyboard.press("Enter")
    assert text(editor) == ["# two", "200, 50, 280, 130 # the ring, left of it", "350, 160, 430, 240"]
    assert box(editor, 0).inner_text() == "0 the ring, left of it"
    picture(editor, "named")
    keyboard.press("ArrowRight")  # the box has the focus again
    assert text(editor)[1] == "201, 50, 281, 130 # the ring, left of it"
    keyboard.press("Enter")
    keyboard.type("star")
    keyboard.press("Escape")
    assert text(editor)[1] == "201, 50, 281, 130 # the ring, left of it"


def test_a_name_leaves_the_numbers_as_they_were_typed(editor: Editor) -> None:
    editor.type(2, "boxes", "[200.25 50; 280 130] # old")
    box(editor, 0).focus()
    for name in ("new", ""):
        editor.page.keyboard.press("Enter")
        editor.page.get_by_label("Name of the box").fill(name)
        mouse = editor.page.mouse
        mouse.click(*at(editor, 60, 280))  # elsewhere: it is taken, and nothing is drawn
        assert text(editor) == [f"[200.25 50; 280 130]{' # new' * (name == 'new')}"]
        box(editor, 0).focus()
    drag(editor, (240, 90), (240, 110))
    assert len(text(editor)) == 1


# ------------------------------------------------------------------------------------------ where the node lies


@pytest.mark.parametrize(("width", "height"), [(700, 700), (300, 1200), (1600, 300)])
def test_the_picture_lies_inside_its_node(editor: Editor, width: int, height: int, picture: Pictures) -> None:
    name = f"of_{width}x{height}.png"
    editor.upload(name, (width, height))
    editor.type(1, "image", name)
    editor.wait("size => document.querySelector('.ap-boxes img').naturalWidth === size", width)
    editor.page.wait_for_timeout(300)  # what is too large would make its node grow
    picture(editor, "inside")
    shown, root = (editor.page.locator(f".ap-boxes{part}").bounding_box() for part in (" img", ""))
    assert abs(shown["width"] / shown["height"] - width / height) < 0.06 * width / height
    x, y, right, bottom = editor.page.evaluate(
        """() => {
          const { pos, size } = app.graph.getNodeById(2);
          const corners = [pos, [pos[0] + size[0], pos[1] + size[1]]];
          return corners.flatMap((corner) => [...app.canvasPosToClientPos(corner)]);
        }"""
    )
    assert bottom - y < 500, "the node has not grown"
    for inner in (shown, root):
        assert x <= inner["x"] and inner["x"] + inner["width"] <= right + 1
        assert y <= inner["y"] and inner["y"] + inner["height"] <= bottom + 1


def test_a_box_beyond_the_picture_is_not_drawn_outside_the_node(editor: Editor, picture: Pictures) -> None:
    """480×320 pixels: below and to the right of the picture nothing of the box is to be seen, or to be clicked."""
    editor.type(2, "boxes", "400, 250, 900, 900\n200, 50, 480, 320")
    editor.wait("() => document.querySelectorAll('.ap-boxes [data-line]').length === 2")
    picture(editor, "beyond")
    shown = editor.page.locator(".ap-boxes img").bounding_box()
    right, bottom = shown["x"] + shown["width"], shown["y"] + shown["height"]
    hit = """([x, y]) => document.elementFromPoint(x, y)?.closest("[data-line], [data-corner]") !== null"""
    assert editor.page.evaluate(hit, [right - 8, bottom - 8])
    assert editor.page.evaluate(hit, [right + 3, bottom + 3])  # the corner of the second box
    for x, y in ((right + 12, bottom - 8), (right - 8, bottom + 12), (right + 60, bottom + 60)):
        assert not editor.page.evaluate(hit, [x, y])


def test_another_picture_is_shown_at_once(editor: Editor) -> None:
    editor.upload("another.png", (300, 200))
    editor.page.mouse.move(5, 5)  # not over the node
    editor.type(1, "image", "another.png")
    editor.wait("() => document.querySelector('.ap-boxes img').naturalWidth === 300")
    editor.page.evaluate("() => app.graph.getNodeById(2).disconnectInput(0)")
    editor.page.get_by_text("Link an image").wait_for()


def test_undo_takes_back_one_box_after_the_other(editor: Editor) -> None:
    before = text(editor)
    drag(editor, (40, 100), (160, 220))
    drag(editor, (20, 20), (90, 80))
    after = text(editor)
    for key, lines in (("z", 4), ("z", 3), ("y", 4), ("y", 5)):
        box(editor, 0).focus()  # undone or not, the graph is there anew
        editor.page.keyboard.press(f"Control+{key}")
        editor.wait("count => app.graph.getNodeById(2).widgets[0].value.split('\\n').length === count", lines)
        assert text(editor) == (after[:lines] if lines > 3 else before)
        editor.wait("count => document.querySelectorAll('.ap-boxes [data-line]').length === count", lines - 1)


def test_undo_takes_back_keys(editor: Editor) -> None:
    box(editor, 0).focus()
    editor.page.keyboard.press("ArrowRight")
    editor.page.keyboard.press("Delete")
    assert len(text(editor)) == 2
    editor.page.keyboard.press("Control+z")
    editor.wait("() => app.graph.getNodeById(2).widgets[0].value.includes('201, 50, 281, 130')")


# ------------------------------------------------------------------------------------------ subgraphs


def subgraph_of(editor: Editor, *nodes: int) -> str:
    """Make a subgraph of nodes of the graph in view; the id of the node that stands for it."""
    return editor.page.evaluate(
        """async (ids) => {
          const known = new Set(app.graph.nodes.map((node) => node.id));
          app.canvas.deselectAll();
          app.canvas.selectItems(ids.map((id) => app.graph.getNodeById(id)));
          await new Promise((done) => setTimeout(done, 50));
          await app.extensionManager.command.execute("Comfy.Graph.ConvertToSubgraph");
          app.extensionManager.workflow.activeWorkflow.changeTracker.checkState(); // a step of its own
          const made = app.graph.nodes.find((node) => !known.has(node.id) && node.subgraph);
          return String(made.id);
        }""",
        list(nodes),
    )


def enter(editor: Editor, *hosts: str) -> None:
    """Look into the subgraph of a node, and so on."""
    for host in hosts:
        editor.page.evaluate(
            """(host) => {
              const node = app.canvas.graph.nodes.find((node) => String(node.id) === host);
              app.canvas.openSubgraph(node.subgraph, node);
            }""",
            host,
        )
    editor.settle()


def inner_text(editor: Editor) -> list[str]:
    """Of the Boxes node in view."""
    return editor.page.evaluate(
        """() => app.canvas.graph.nodes.find((node) => node.type === "APBoxes").boxEditor.widget("boxes").value"""
    ).split("\n")


def test_boxes_are_drawn_in_a_subgraph(editor: Editor, picture: Pictures) -> None:
    host = subgraph_of(editor, 2, 3)
    enter(editor, host)
    drag(editor, (40, 100), (160, 220))
    picture(editor, "drawn")
    lines = inner_text(editor)
    assert len(lines) == 4 and near(lines[3], [40, 100, 160, 220])
    sent = [node["inputs"]["boxes"] for node in editor.prompt().values() if node["class_type"] == "APBoxes"]
    assert sent == ["\n".join(lines)]
    editor.page.keyboard.press("Control+z")
    editor.wait(
        """host => app.graph.nodes.find((node) => String(node.id) === host)?.subgraph.nodes
          .find((node) => node.type === "APBoxes")?.widgets[0].value.split("\\n").length === 3""",
        host,
    )


def test_another_picture_outside_of_the_subgraph_is_shown_at_once(editor: Editor) -> None:
    enter(editor, subgraph_of(editor, 2, 3))
    editor.upload("outside.png", (200, 300))
    editor.type(1, "image", "outside.png")
    editor.wait("() => document.querySelector('.ap-boxes img').naturalWidth === 200")


def test_a_picture_that_comes_out_of_a_subgraph_is_found(editor: Editor) -> None:
    subgraph_of(editor, 1)
    editor.page.evaluate("() => { app.graph.getNodeById(2).boxEditor.known = null; }")  # look again
    editor.settle()
    drag(editor, (40, 100), (160, 220))
    assert len(text(editor)) == 4


def test_a_picture_two_subgraphs_further_out_is_found(editor: Editor) -> None:
    inner = subgraph_of(editor, 2, 3)
    enter(editor, subgraph_of(editor, int(inner)), inner)
    drag(editor, (40, 100), (160, 220))
    assert len(inner_text(editor)) == 4


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
        "1, 2, 3, 4 # a name # of it",
        "1, 2, 3 # 4",
    ]
    for format in ("xyxy", "xywh", "normalized"):
        read = editor.page.evaluate(
            """async ([text, format]) => {
              const { parse } = await import("/extensions/api-graph/js/boxtext.js");
              return parse(text, format, [480, 320]).map(line => line.box ? [...line.box, line.label] : null);
            }""",
            ["\n".join(lines), format],
        )
        assert read == [_python(line, format) for line in lines]


def _python(line: str, format: Any) -> list[Any] | None:
    try:
        found = read_boxes(line, (WIDTH, HEIGHT), format, clip=False)
    except BadInput:
        return None
    return [*found.values[0].tolist(), found.labels[0] if found.labels else ""]

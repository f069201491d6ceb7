"""What nodes show in themselves: their texts, and two images under a slider."""

from __future__ import annotations

from .conftest import GRAPH, Editor, Pictures


def test_a_text_stands_in_its_node_as_text(editor: Editor) -> None:
    editor.run()
    area = editor.page.get_by_label("What the node said")
    assert area.input_value() == "<b>what</b> is it?"
    assert area.get_attribute("readonly") is not None
    editor.type(5, "text", "another")
    editor.run()
    assert area.count() == 1 and area.input_value() == "another"


def test_what_a_node_said_is_neither_sent_nor_saved(editor: Editor) -> None:
    editor.run()
    assert editor.prompt()["6"]["inputs"] == GRAPH["6"]["inputs"]
    assert "what" not in editor.page.evaluate("() => JSON.stringify(app.graph.getNodeById(6).serialize())")


def test_the_slider_shows_both_images(editor: Editor) -> None:
    stage = editor.page.locator(".ap-compare")
    before, after = (stage.get_by_alt_text(name, exact=True) for name in ("before", "after"))
    assert before.is_hidden(), "there is nothing to compare yet"
    editor.run()
    for image in (before, after):
        assert image.evaluate("async e => { await e.decode(); return [e.naturalWidth, e.naturalHeight] }") == [480, 320]
    assert before.get_attribute("src") != after.get_attribute("src")
    assert after.evaluate("e => e.style.clipPath") == "inset(0px 0px 0px 50%)"

    frame = stage.bounding_box()
    editor.page.mouse.click(frame["x"] + 0.25 * frame["width"], frame["y"] + frame["height"] / 2)
    share = float(stage.get_by_role("slider").input_value())
    assert 20 < share < 30
    editor.page.keyboard.press("End")
    assert after.evaluate("e => e.style.clipPath") == "inset(0px 0px 0px 100%)"
    assert stage.get_by_role("button").is_hidden(), "there is one pair"


def test_the_slider_says_which_side_is_which(editor: Editor, picture: Pictures) -> None:
    stage = editor.page.locator(".ap-compare")
    before, after = (stage.get_by_text(name, exact=True) for name in ("before", "after"))
    assert before.is_hidden() and after.is_hidden()
    editor.run()
    picture(editor, "sides")
    frame = stage.bounding_box()
    assert before.bounding_box()["x"] < frame["x"] + frame["width"] / 4
    assert after.bounding_box()["x"] > frame["x"] + frame["width"] / 2
    stage.get_by_role("slider").focus()
    editor.page.keyboard.press("Home")  # only the image after is to be seen now, and its name
    clips = [one.locator("xpath=..").evaluate("e => e.style.clipPath") for one in (before, after)]
    assert clips == ["inset(0px 100% 0px 0px)", "inset(0px 0px 0px 0%)"]


def test_what_was_shown_is_still_there_after_undo(editor: Editor) -> None:
    editor.run()
    shown = editor.page.locator(".ap-compare").get_by_alt_text("after", exact=True).get_attribute("src")
    assert shown
    editor.page.evaluate(
        """() => {
          app.canvas.emitBeforeChange();
          app.graph.getNodeById(5).title = "Another";
          app.canvas.emitAfterChange();
        }"""
    )
    editor.page.locator("#graph-canvas").focus()
    editor.page.keyboard.press("Control+z")
    editor.wait("() => app.graph.getNodeById(5).title !== 'Another'")
    editor.wait("() => document.querySelector('.ap-compare img[alt=after]')?.src")
    editor.type(5, "text", "after undo")
    editor.run()
    editor.wait("() => document.querySelector('[data-ap-part=said]').value === 'after undo'")
    files = editor.page.evaluate("() => app.nodeOutputs['4'].after.map((one) => one.filename)")
    assert files[0] in editor.page.locator(".ap-compare").get_by_alt_text("after", exact=True).get_attribute("src")


def test_the_slider_takes_the_place_of_plain_previews(editor: Editor) -> None:
    editor.run()
    assert editor.page.evaluate("() => app.nodeOutputs['4'].images ?? null") is None
    assert editor.page.evaluate("() => app.graph.getNodeById(4).imgs?.length ?? 0") == 0


def test_several_pairs_are_gone_through(editor: Editor) -> None:
    editor.type(3, "together", False)  # a picture for each box
    editor.run()
    stage = editor.page.locator(".ap-compare")
    button, after = stage.get_by_role("button"), stage.get_by_alt_text("after", exact=True)
    first = after.get_attribute("src")
    assert button.inner_text() == "1/2"
    button.click()
    assert button.inner_text() == "2/2" and after.get_attribute("src") != first
    button.click()
    assert button.inner_text() == "1/2"


def test_a_workflow_holds_nothing_of_the_extensions(editor: Editor) -> None:
    editor.run()
    saved = editor.page.evaluate("() => JSON.parse(JSON.stringify(app.graph.serialize()))")
    values = {node["id"]: node.get("widgets_values") for node in saved["nodes"]}
    assert values[2] == [GRAPH["2"]["inputs"]["boxes"], "xyxy"]
    assert not values.get(4) and not values.get(6)


def test_wires_keep_their_colours_when_a_palette_is_loaded(editor: Editor) -> None:
    """As ComfyUI does it after setup(), and again at each change of the theme: every kind is set to nothing."""
    found = editor.page.evaluate(
        """() => {
          const { canvas } = window.app ?? window.comfyAPI.app.app;
          const tables = [canvas.default_connection_color_byType, canvas.constructor.link_type_colors];
          for (const table of tables) Object.assign(table, { AP_BOXES: "", AP_CLIP: "" });
          document.documentElement.style.removeProperty("--color-datatype-AP_BOXES");
          const slot = getComputedStyle(document.documentElement).getPropertyValue("--color-datatype-AP_BOXES");
          return [...tables.map(table => table.AP_BOXES), slot.trim(), ...tables.map(table => table.AP_CLIP)];
        }"""
    )
    assert found == ["#4bff96"] * 3 + ["#d27800"] * 2

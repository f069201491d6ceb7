"""Controls: every row again with maps that know nothing of its question, each equal to what a run alone would give."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageStat

from api_graph import map_graph, read_results
from api_graph.clip.tower import ClsTower
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.graph import Graph, read_graph, validate
from api_graph.graph.inputs import InputNames
from api_graph.registry import all_nodes
from api_graph.settings import shipped
from api_graph.table.control_rows import others_of
from api_graph.table.controls import with_controls
from api_graph.table.merge import merge_shards
from api_graph.table.rows import RowContent
from api_graph.table.verify import verify

CLIP = "api_clip"
ALL = ["none", "uniform", "centre", "another-row", "blank-question", "blur"]
QUESTIONS = ["the red ring", "a green star", "the blue square"]


def graph_of(name: str, **changes: Mapping[str, Any]) -> Graph:
    """A shipped graph, with other inputs in some nodes."""
    document = json.loads(shipped()[name].read_text("utf-8"))
    for id, inputs in changes.items():
        document[id.strip("_")]["inputs"] |= inputs
    return read_graph(document)


def controlled(graph: Graph, *columns: str) -> tuple[Graph, dict[str, Any], dict[str, str], list[str]]:
    """The graph for a table with these columns, what each control sets, what it takes from rows, and the notes."""
    names = InputNames(graph, all_nodes())
    sets = {column: names.find(column) for column in columns}
    done, controls, notes = with_controls(graph, all_nodes(), columns, sets)
    validate(done, all_nodes())
    return done, {name: dict(own) for name, own in controls.settings.items()}, dict(controls.other), notes


@pytest.fixture
def white(tmp_path: Path) -> Path:
    """A table of three white pictures, which are one but for their names, and a question about each."""
    for number in range(3):
        Image.new("RGB", (60, 40), "white").save(tmp_path / f"{number}.png", pnginfo=None, compress_level=number)
    rows = [{"image": f"{number}.png", "query": text, "width": 7, "kind": "x"} for number, text in enumerate(QUESTIONS)]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path


def run(folder: Path, out: str, graph: Any = CLIP, inputs: Any = None, **more: Any) -> list[Any]:
    options = {"cache": False, "metadata": False, **more}
    rows = map_graph(graph, folder / "rows.jsonl", inputs, output=folder / out, **options)
    return sorted(rows, key=lambda row: row.number)


def annotated(rows: list[Any]) -> dict[tuple[Any, ...], bytes]:
    """By question and control the pixels of the annotated picture."""
    assert [row.error for row in rows if not row.ok] == []
    return {
        (row.values["query"], row.values.get("control")): Image.open(row.files["14"][0]).convert("RGB").tobytes()
        for row in rows
    }


def test_each_control_is_what_a_run_of_its_own_gives(white: Path) -> None:
    rows = run(white, "out", controls=True)
    found = annotated(rows)
    assert list(found) == [(query, control) for query in QUESTIONS for control in ALL]
    plain = annotated(run(white, "plain"))
    blurred = annotated(run(white, "blurred", inputs={"background": "blur"}))
    for place, query in enumerate(QUESTIONS):
        after = QUESTIONS[(place + 1) % 3]
        assert found[query, "none"] == plain[query, None]
        assert found[query, "blur"] == blurred[query, None] != plain[query, None]
        assert found[query, "another-row"] == plain[after, None] != plain[query, None]  # the pictures are all white
        mean = [ImageStat.Stat(Image.frombytes("RGB", (60, 40), found[query, each])).mean[0] for each in ALL[:3]]
        assert mean[1] == pytest.approx(mean[0], abs=1) and mean[2] == pytest.approx(mean[0], abs=1)
        assert len(set(found[query, "uniform"])) == 1
    assert len({found[query, "blank-question"] for query in QUESTIONS}) == 1
    blank = {**json.loads(shipped()[CLIP].read_text("utf-8"))}
    blank["2"]["inputs"]["text"], blank["5"]["inputs"]["blank"] = "", True
    given = {"output": white / "b", "input_folders": [white], "cache": False, "keep": ["query"]}
    one = list(map_graph(blank, [{"image": "0.png"}], **given))
    assert one[0].ok, one[0].error
    assert Image.open(one[0].files["14"][0]).tobytes() == found[QUESTIONS[0], "blank-question"]
    assert rows[0].values["width"] == 7 and rows[0].values["kind"] == "x"  # columns of the table set nothing new


def test_pictures_are_encoded_once_for_all_controls(white: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    whole = ClsTower.run

    def counted(tower: ClsTower, pixels: Any, *args: Any, **named: Any) -> Any:
        seen.append(len(pixels))
        return whole(tower, pixels, *args, **named)

    monkeypatch.setattr(ClsTower, "run", counted)
    for number in range(3):
        Image.new("RGB", (60, 40), (number, 90, 200)).save(white / f"{number}.png")
    rows = run(white, "out", controls=True, grid={"start_layer": [-1, -2]})
    assert (len(rows), sum(seen)) == (36, 3)
    assert [row.values["control"] for row in rows[:12]] == ALL * 2


def test_it_stops_and_goes_on_in_shards_too_and_is_verified(white: Path) -> None:
    whole = annotated(run(white, "whole", controls=True))
    stopped = map_graph(
        CLIP, white / "rows.jsonl", output=white / "cut", cache=False, metadata=False, controls=True, threads=1
    )
    before = {row.key for row in islice(stopped, 4)}
    stopped.close()
    assert before.isdisjoint(row.key for row in run(white, "cut", controls=True))
    for part in (1, 2):
        run(white, "shards", controls=True, shard=f"{part}/2")
    merge_shards(white / "shards")
    for out in ("whole", "cut", "shards"):
        assert annotated(list(read_results(white / out))) == whole
        report = verify(white / out, graph=True)
        assert report.ok and report.rows == 18, report
    with pytest.raises(BadInput, match="begun with control, and not with no grid"):
        run(white, "whole")
    with (white / "rows.jsonl").open("a") as file:
        file.write(json.dumps({"image": "1.png", "query": "one more", "width": 1, "kind": ""}) + "\n")
    with pytest.warns(ApiGraphWarning, match="1 line is of a row"):  # the last row's other one was the first
        again = [(row.values["query"], row.values["control"]) for row in run(white, "whole", controls=True)]
    assert sorted(again) == sorted([("one more", control) for control in ALL] + [(QUESTIONS[2], "another-row")])


@given(st.lists(st.integers(0, 3) | st.none(), max_size=12))
def test_another_row_is_the_next_that_differs(values: list[int | None]) -> None:
    rows = [RowContent({"image": value}, b"%d" % place) for place, value in enumerate(values)]
    found = list(others_of(iter(rows), ["image"]))
    assert [row for row, _ in found] == rows
    for place, (row, other) in enumerate(found):
        own = row.values["image"]
        if own is None:
            continue
        ring = [*rows[place + 1 :], *rows[:place]]
        expected = next((each for each in ring if each.values["image"] not in (None, own)), None)
        assert other is expected


def test_of_one_picture_another_question_is_another_row() -> None:
    rows = [RowContent({"image": "a", "query": text}, text.encode()) for text in "xxyz"]
    found = [other for _, other in others_of(iter(rows), ["image", "query"])]
    assert found == [rows[2], rows[2], rows[3], rows[0]]
    assert [other for _, other in others_of(iter(rows[:2]), ["image", "query"])] == [None, None]
    assert [other for _, other in others_of(iter(rows), [])] == [None] * 4


def test_where_there_is_no_other_row_that_control_fails_alone(white: Path) -> None:
    (white / "rows.jsonl").write_text('{"image": "0.png", "query": "a"}\n{"image": "0.png", "query": "a", "id": 1}\n')
    rows = run(white, "out", controls=True)
    assert [row.number % 6 for row in rows if not row.ok] == [3, 3]
    assert "no other row" in str(rows[3].error)


def test_what_is_put_into_a_graph() -> None:
    done, settings, other, notes = controlled(graph_of(CLIP), "image", "query")
    assert notes == [] and list(settings) == ALL
    assert other == {"control image.image": "image", "control query.text": "query"}
    usual = {"Control heatmap.kind": "none", "Encode query.blank": False, "Alpha blend.background": "black"}
    assert settings == {
        "none": usual,
        "uniform": {**usual, "Control heatmap.kind": "uniform"},
        "centre": {**usual, "Control heatmap.kind": "centre"},
        "another-row": usual,
        "blank-question": {**usual, "Encode query.blank": True, "control query.text": ""},
        "blur": {**usual, "Alpha blend.background": "blur"},
    }
    fed = {node.class_type: node.links() for node in done.nodes.values()}
    own = next(node.id for node in done.nodes.values() if node.class_type == "APControlHeatmap")
    assert fed["APAlphaBlend"]["heatmap"].node == fed["APOverlay"]["heatmap"].node == own
    assert fed["APControlHeatmap"]["heatmap"].node == "12" and fed["APAlphaBlend"]["image"].node == "1"
    assert done.nodes[fed["APEncodeImage"]["image"].node].title == "control image"


@pytest.mark.parametrize(
    ("graph", "columns", "without", "note"),
    [
        (graph_of(CLIP, _13={"arithmetic": "reference"}), ("image", "query"), ["blur"], "official code's arithmetic"),
        (graph_of(CLIP, _13={"background": "blur"}), ("image", "query"), ["blur"], "blurs already"),
        (graph_of(CLIP), ("image", "query", "Alpha blend.background"), ["blur"], "from elsewhere"),
        (graph_of(CLIP, _5={"hint": "a ring"}), ("image", "query"), ["blank-question"], "asked with a hint"),
        (graph_of(CLIP, _5={"query": "a ring"}), ("image",), ["blank-question"], "does not come from one text"),
        (graph_of(CLIP), (), ["another-row"], "no column of the table"),
        (
            graph_of(CLIP),
            ("image", "query", "Encode query.hint"),
            ["another-row", "blank-question"],
            "sets a step of the map",
        ),
    ],
)
def test_what_a_graph_cannot_have_is_said(
    graph: Graph, columns: tuple[str, ...], without: list[str], note: str
) -> None:
    _, settings, _, notes = controlled(graph, *columns)
    assert [name for name in ALL if name not in settings] == without
    assert note in "\n".join(notes)


def test_a_map_without_a_question_has_no_blank_one() -> None:
    graph = graph_of(CLIP, _13={"heatmap": ["1", 1]})  # the picture's transparency
    _, settings, other, notes = controlled(graph, "image", "query")
    assert list(settings) == ["none", "uniform", "centre", "another-row", "blur"]
    assert other == {"control image.image": "image"} and "reads a question" in "".join(notes)


def test_chosen_heads_are_drawn_anew() -> None:
    graph = graph_of("rec_foveal_unleash")
    (id,) = [id for id, node in graph.nodes.items() if "unleash" in node.inputs]
    done, settings, other, notes = controlled(graph_of("rec_foveal_unleash", **{f"_{id}": {"heads": "0"}}), "image")
    assert settings == {"none": {"Random heads.draw": False}, "random-heads": {"Random heads.draw": True}}
    drawn = done.nodes[done.nodes[id].links()["heads"].node]
    assert (drawn.class_type, drawn.inputs["heads"], other, notes) == ("APRandomHeads", "0", {}, [])


@pytest.mark.parametrize(
    ("name", "title", "changes"),
    [
        ("find_heads", "Steer", {}),
        ("gaze_boxes", "Steer", {"heads": "0, 1"}),
        ("gaze_boxes", "Steer", {"heads": "profile", "profile": ["1", 0]}),
        ("gaze_boxes", "Steer", {"heads": ["2", 0], "profile": ["1", 0]}),
        ("gaze_self", "Ψ LVLM", {"layers": " Profile", "profile": ["1", 0]}),
    ],
)
def test_chosen_heads_of_an_lvlm_are_drawn_anew(name: str, title: str, changes: dict[str, Any]) -> None:
    """The wires need not fit here: what is chosen, is read from the node itself."""
    document = json.loads(shipped()[name].read_text("utf-8"))
    next(node for node in document.values() if node["_meta"]["title"] == title)["inputs"] |= changes
    graph = read_graph(document)
    done, controls, notes = with_controls(graph, all_nodes(), (), {})
    found = {control: list(own.items()) for control, own in controls.settings.items()}
    ((key, usual),), ((same, drawn),) = found["none"], found["random-heads"]
    assert key == same and key.endswith("other_heads") and (usual, drawn) == (-1, 0)
    assert done.nodes.keys() == graph.nodes.keys() and notes == []


@pytest.mark.parametrize("changes", [{"heads": "all"}, {"heads": " "}, {"heads": ["2", 0]}, {"layers": "1"}])
def test_where_no_heads_are_chosen_none_are_drawn(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"nothing to control in this graph.*or for heads that are chosen"):
        with_controls(graph_of("gaze_boxes", _7=changes), all_nodes(), (), {})


def test_heads_that_the_rows_set_and_heads_drawn_already_are_left_alone() -> None:
    graph = graph_of("gaze_self", _9={"heads": "0"}, _5={"layers": "profile", "profile": ["1", 0], "other_heads": 4})
    done, controls, notes = with_controls(graph_of("find_heads", _12={"other_heads": -1}), all_nodes(), (), {})
    assert list(controls.settings) == ["none", "random-heads"] and done
    _, controls, notes = with_controls(graph, all_nodes(), (), {})
    assert controls.settings["random-heads"] and notes == ["no control random-heads: Ψ LVLM has other heads already"]
    with pytest.raises(BadInput, match="nothing to control"):
        with_controls(graph_of("find_heads"), all_nodes(), (), {"heads": ("12", "heads")})


def test_other_heads_answer_a_row_of_their_own(tmp_path: Path) -> None:
    """Two stars, the green one in the box: through the chosen heads the model names it, through as many others not."""
    rows = [{"query": "What colour is the star?", "boxes": "209 52 283 129"}]
    given = {"output": tmp_path, "cache": False, "metadata": False, "controls": True, "keep": ["image"]}
    found = sorted(map_graph("find_heads", rows, **given), key=lambda row: row.number)
    assert [row.error for row in found if not row.ok] == []
    answers = {row.values["control"]: row.results["Answer"]["text"] for row in found}
    assert answers == {"none": "green", "random-heads": "orange"}
    assert {path.suffix for row in found for files in row.files.values() for path in map(Path, files)} == {
        ".png",
        ".json",
    }


@pytest.mark.parametrize(
    ("graph", "row", "said"),
    [
        ("api_clip_baselines", {}, "nothing to control"),
        (CLIP, {"control": "x"}, "a column of this name"),
        (CLIP, {"Control heatmap.kind": "x"}, "a column of this name"),
    ],
)
def test_what_cannot_be_controlled_is_refused(graph: str, row: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        map_graph(graph, [{"image": "0.png", "query": "a", **row}], output=tmp_path, cache=False, controls=True)


def test_steps_of_the_map_that_feed_the_answer_are_refused() -> None:
    document = json.loads(shipped()["api_lvlm"].read_text("utf-8"))
    document["13"]["inputs"]["question"] = ["5", 1]  # the answer that the attention was watched for
    with pytest.raises(BadInput, match="feed Query LVLM too"):
        controlled(read_graph(document), "image", "query")

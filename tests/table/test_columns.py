"""What is said of a table's columns before the first row, and which inputs must not keep the graph's example."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api_graph.errors import BadInput
from api_graph.graph import GraphError, Link
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import is_shipped, shipped, shipped_graphs
from api_graph.table.binding import Binding
from api_graph.table.columns import ColumnReport, meanings
from api_graph.table.map import in_python, map_graph
from api_graph.table.rows import open_table
from tests.table.runs import GRAPH, picture
from tests.table.tables import KINDS, table_of

pytestmark = pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")  # of names that nearly fit

OWN = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "0.png"}, "_meta": {"title": "image"}},
    "2": {"class_type": "APText", "inputs": {"text": "what?"}, "_meta": {"title": "query"}},
    "3": {"class_type": "APFormatQuestion", "inputs": {"question": ["2", 0], "suffix": "none"}},
    "4": {"class_type": "APShowText", "inputs": {"value": ["3", 0]}},
    "5": {"class_type": "APText", "inputs": {"text": "aside"}, "_meta": {"title": "remark"}},
    "6": {"class_type": "APShowText", "inputs": {"value": ["5", 0]}},
}
FILTER = {"class_type": "APMeanFilter", "inputs": {"heatmap": ["1", 1], "kernel_size": 3}}
SAVE = {"class_type": "APSaveMask", "inputs": {"masks": ["7", 0]}}


def report(graph: Any, columns: list[str], *, to: dict[str, str] | None = None, **more: Any) -> ColumnReport:
    more.setdefault("shipped", isinstance(graph, str))
    return Binding(open_graph(graph), all_nodes(), to).check(columns, **more)


def test_what_columns_set_and_what_stays() -> None:
    found = report(OWN, ["image", "id", "score"])
    assert dict(found.sets) == {"image": "image"}
    assert found.unused == ("id", "score")
    assert dict(found.kept) == {"query": "what?", "remark": "aside"}
    assert found.lines() == [
        "columns: image sets image",
        "columns that set nothing: id, score",
        "the same for all rows, as the graph has it: query = 'what?'; remark = 'aside'",
    ]
    assert dict(report(OWN, ["image", "ask"], to={"query": "ask"}).sets) == {"image": "image", "ask": "query"}
    assert dict(report(OWN, ["image", "query"], constants=["5.text"]).kept) == {}


def test_an_input_whose_column_is_named_takes_no_other(recwarn: pytest.WarningsRecorder) -> None:
    """Nor is anybody warned that the column of its own name sets nothing."""
    found = report(OWN, ["image", "query", "ask"], to={"query": "ask"})
    assert dict(found.sets) == {"image": "image", "ask": "query"} and found.unused == ("query",)
    assert not recwarn.list


@pytest.mark.parametrize("column", ["question", "Prompt", "text", "caption", "qery"])
def test_a_column_that_could_mean_the_query(column: str) -> None:
    """In a user's own graph: a synonym is offered, never taken."""
    with pytest.raises(
        BadInput, match=rf"no column sets query: .*query = 'what\?'\. Say --column query={column} "
    ) as no:
        report(OWN, ["image", column])
    assert "--keep query" in no.value.hint
    assert dict(report(OWN, ["image", column], keep=["query"]).kept)["query"] == "what?"
    assert "query" not in report(OWN, ["image", column], constants=["query"]).kept
    assert dict(report(OWN, ["image", column], to={"query": column}).sets)[column] == "query"


@pytest.mark.parametrize("column", ["image_path", "file_name", "img", "Image Path", "imageFile", "picture"])
def test_a_column_that_could_mean_the_picture(column: str) -> None:
    with pytest.raises(BadInput, match=r"no column sets image: .*--column (\S*image=|'image=Image Path')"):
        report(OWN, [column, "query"])


@pytest.mark.parametrize("column", ["question", "prompt"])
def test_where_no_column_fits_the_offer_is_made_too(column: str) -> None:
    with pytest.raises(BadInput, match=f"none of its columns is an input .*--column 'query={column}'"):
        report(OWN, [column, "id"])


def test_titles_of_other_words_mean_the_same() -> None:
    graph = {**OWN, "2": {**OWN["2"], "_meta": {"title": "prompt"}}}
    with pytest.raises(BadInput, match=r"no column sets prompt: .*--column prompt=question"):
        report(graph, ["image", "question"])


@pytest.mark.parametrize(
    ("graph", "columns", "stays"),
    [
        ("api_clip_map", ["image"], ["query"]),
        ("api_clip_map", ["query"], ["image"]),
        ("rec_foveal", ["image", "query"], ["boxes"]),
        ("classify_foveal", ["image"], ["labels", "boxes"]),
        ("point_cloud_plain", ["labels"], ["points"]),
    ],
)
def test_examples_of_a_shipped_graph_are_no_constants(graph: str, columns: list[str], stays: list[str]) -> None:
    with pytest.raises(BadInput, match=f"^ROWS: no column sets {' or '.join(stays)}: ") as refused:
        report(graph, columns)
    for name in stays:
        assert f"--set {name}=VALUE" in refused.value.hint and f"--keep {name}" in refused.value.hint
    assert set(stays) <= set(report(graph, columns, keep=stays).kept)
    assert not set(stays) & set(report(graph, columns, constants=stays).kept)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_graph_refuses_each_of_its_examples(name: str) -> None:
    graph, every = open_graph(name), {"image", "query", "boxes", "labels", "points"}
    found = {each: Binding(graph, all_nodes())._names.matching(each) for each in every}
    typed = {
        each: [a for a in found[each] if not isinstance(graph.nodes[a[0]].inputs.get(a[1]), Link)] for each in every
    }
    own = [each for each in every if typed[each]]  # a link is no example
    assert own
    assert not every & set(report(name, own).kept)
    for left in own if len(own) > 1 else ():
        with pytest.raises(BadInput, match=f"no column sets {left}: "):
            report(name, [each for each in own if each != left])


def test_what_is_kept_must_be_there_and_unset() -> None:
    with pytest.raises(GraphError, match="Did you mean"):
        report(OWN, ["image"], keep=["qury"])
    with pytest.raises(BadInput, match=r"^--keep: the column query sets it"):
        report(OWN, ["image", "query"], keep=["query"])


def test_meanings() -> None:
    assert meanings("Image-Path") == {"image"} and meanings("b_box") == {"boxes"}
    assert meanings("file_name") == {"image", "points"} and meanings("id") == set()


def test_which_graphs_are_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_shipped(GRAPH) and is_shipped(str(shipped_graphs() / f"{GRAPH}.json"))
    assert not is_shipped("nothing") and not is_shipped("graph")
    monkeypatch.chdir(tmp_path)
    (tmp_path / GRAPH).write_text("{}")
    assert not is_shipped(GRAPH)  # a file of that name goes before


def test_python_callers_read_it_before_the_first_row(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    rows = [{"image": "a.png", "question": "q"}]
    more: dict[str, Any] = {"output": tmp_path / "out", "input_folders": [tmp_path], "cache": False}
    with pytest.raises(BadInput, match=r'Say columns=\{"query": "question"\} if that column means it'):
        map_graph(GRAPH, rows, **more)
    assert not (tmp_path / "out").exists()
    found = map_graph(GRAPH, rows, keep=["query"], **more)
    assert dict(found.columns.sets) == {"image": "image"} and found.columns.unused == ("question",)
    assert found.columns.kept["query"] == "the yellow ring"
    found.close()
    path = shipped_graphs() / f"{GRAPH}.json"
    with pytest.raises(BadInput, match="no column sets query"):
        map_graph(path, [{"image": "a.png"}], **more)


ASKED = [{"image": f"{n}.png", "query": "a ring"} for n in range(3)]
UNASKED = [{"image": f"{n}.png"} for n in range(120)]


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "python"])
def test_columns_that_come_late_are_known_before_the_first_row(tmp_path: Path, kind: str) -> None:
    rows = [*UNASKED, *ASKED[:2], {**ASKED[2], "note": None}]
    table = open_table(table_of(tmp_path, kind, rows))
    assert table.columns == ("image", "query", "note")
    assert dict(table.partial) == {"query": 120, "note": 122}
    table = replace(table, sets=report(OWN, list(table.columns)).sets)
    assert [row.number for row in table if row.fault] == list(range(120))
    # Those that all first rows have and later rows lack are the same.
    table = open_table(table_of(tmp_path / "b", kind, list(reversed(rows))))
    assert dict(table.partial) == {"query": 120, "note": 122}


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_that_comes_late_is_a_refusal_like_any_other(tmp_path: Path, kind: str) -> None:
    rows = [*UNASKED, {"image": "x.png", "question": "a ring"}]
    table = open_table(table_of(tmp_path, kind, rows))
    with pytest.raises(BadInput, match="--column query=question"):
        report(OWN, list(table.columns))


def test_columns_that_some_rows_leave_out_are_said(tmp_path: Path) -> None:
    more: dict[str, Any] = {"output": tmp_path / "out", "input_folders": [tmp_path], "cache": False}
    found = map_graph(OWN, [*UNASKED, *ASKED, {"query": "a star"}], **more)
    found.close()
    assert dict(found.columns.partial) == {"image": 1, "query": 120}
    assert "columns that some rows leave out: image (1 row), query (120 rows)" in found.columns.lines()


def test_faulty_rows_bring_no_columns(tmp_path: Path) -> None:
    """Each of these names `query`, but gives no row."""
    faulty = ['{"query": 1, "query": 2}', '{"query": NaN}', '{"query": "\\ud800\xe9"', '{"query": 1e999}', "[" * 9999]
    (tmp_path / "rows.jsonl").write_bytes("\n".join(['{"image": "a.png"}', *faulty]).encode("latin-1"))
    table = open_table(tmp_path / "rows.jsonl")
    assert (table.columns, dict(table.partial), table.count()) == (("image",), {}, 6)
    python = open_table([{"image": "a.png"}, {"query": {1}}, ["query"], {1: 2}, {}])
    assert (python.columns, dict(python.partial)) == (("image",), {"image": 1})


def test_blanks_around_the_names_of_some_rows(tmp_path: Path) -> None:
    table = open_table([{" image": "a.png"}, {"image": "b.png"}, {"image ": "c.png", "id": 1}])
    assert (table.columns, dict(table.partial)) == (("image", "id"), {"id": 2})


def test_thousands_of_columns() -> None:
    many = [{"image": "a.png", f"x{n}": n} for n in range(10_001)]
    assert len(open_table(many[:9_999]).columns) == 10_000
    with pytest.raises(BadInput, match="row 9999 brings the table to 10,001 different columns"):
        open_table(many)
    lines = ColumnReport({"image": "image"}, tuple(f"x{n}" for n in range(1_021))).lines()
    assert lines[1].endswith("x18, x19, 1,001 more")


# ------------------------------------------------------------------------------ what a column sets, and --set too


@pytest.mark.parametrize("spelling", ["query", "2.text", "query.text", "QUERY"])
@pytest.mark.parametrize("column", ["query", "2.text", "query.text", "Query"])
def test_what_a_column_sets_is_not_set_too(spelling: str, column: str) -> None:
    """By whichever names of the one input."""
    with pytest.raises(
        BadInput, match=rf"^--set: the column {column} sets it, too \(got '{spelling}'\)\. Leave --set "
    ):
        report(OWN, ["image", column], constants=[spelling])
    kept = report(OWN, ["image", column], constants=[spelling], keep=["query.text"])
    assert dict(kept.sets) == {"image": "image"} and kept.unused == (column,) and "query" not in kept.kept
    assert dict(report(OWN, ["image", column], constants=["remark"]).sets)[column] == "query"


def test_titles_of_the_class_and_former_ones_are_names_too() -> None:
    graph = {**OWN, "5": {"class_type": "APText", "inputs": {"text": "aside"}}, "7": FILTER, "8": SAVE}
    for spelling in ("kernel_size", "7.kernel_size", "Mean filter.kernel_size", "Kernel_Size"):
        for column in ("kernel_size", "Mean filter.kernel_size"):
            with pytest.raises(BadInput, match=f"^--set: the column {column} sets it, too"):
                report(graph, ["image", column], constants=[spelling], keep=["query"])
    formerly = next(spec for spec in all_nodes().values() if spec.formerly)
    own = {"1": OWN["1"], "2": {"class_type": formerly.id, "inputs": {}}}
    name = next(input.name for input in formerly.inputs if input.is_widget)
    with pytest.raises(BadInput, match=r"^--set: the column "):
        report(own, ["image", f"{formerly.title}.{name}"], constants=[f"{formerly.formerly}.{name}"])


def test_a_column_that_is_named_for_an_input_is_not_set_too() -> None:
    for keep in ([], ["query"]):
        with pytest.raises(BadInput, match=r"^--set: the column ask sets it, too .*Leave --set query or that --column"):
            report(OWN, ["image", "ask"], to={"query.text": "ask"}, constants=["query"], keep=keep)


def test_rows_without_a_value_have_what_is_set() -> None:
    """With `keep_null` a constant is not passed over."""
    found = report(OWN, ["image", "query"], constants=["2.text"], keep_null=True)
    assert dict(found.sets)["query"] == "query" and found.lines()[-1] == "for rows without a value: query = 'what?'"


def test_in_a_run_the_set_value_is_refused_or_kept(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    rows = [{"image": "a.png", "query": "of the row"}, {"image": "a.png", "query": None}]
    more: dict[str, Any] = {"output": tmp_path / "out", "input_folders": [tmp_path], "cache": False}
    with pytest.raises(BadInput, match="the column query sets it, too"):
        map_graph(OWN, rows, {"query": "set"}, **more)
    assert not (tmp_path / "out").exists()
    texts = [row.texts["4"] for row in map_graph(OWN, rows, {"query": "set"}, keep=["query"], **more)]
    assert texts == [["set"], ["set"]]
    assert not list(map_graph(OWN, rows, {"query": "set"}, keep=["query"], **more))  # all done
    more["output"] = tmp_path / "null"
    given = {row.number: row.texts["4"] for row in map_graph(OWN, rows, {"query": "set"}, keep_null=True, **more)}
    assert given == {0: ["of the row"], 1: ["set"]}


@pytest.mark.parametrize(
    ("column", "told"), [("answer", False), ("Truth", False), ("answerr", True), ("answerers", True)]
)
def test_right_answers_are_no_misspelt_input(column: str, told: bool) -> None:
    model = {"class_type": "APAnsweringModel", "inputs": {"answerer": "demo"}, "_meta": {"title": "answerer"}}
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        assert report({**OWN, "7": model}, ["image", "query", column]).unused == (column,)
    said = [str(warning.message) for warning in found]
    assert said == [f"the column {column} sets nothing: did you mean answerer?"] * told


@pytest.mark.parametrize(
    ("typed", "called"),
    [
        ("Rename one, or say --column NAME=COLUMN.", 'Rename one, or say columns={"NAME": COLUMN}.'),
        (
            "Say --set 'a b.c'=VALUE, --column 'a b=c d', or --keep 'a b' for the graph's own.",
            'Say inputs={"a b.c": VALUE}, columns={"a b": "c d"}, or keep=["a b"] for the graph\'s own.',
        ),
        (
            "Leave --set query out, or say --keep query too: the column sets nothing then.",
            'Leave inputs["query"] out, or say keep=["query"] too: the column sets nothing then.',
        ),
        ("Leave --keep out, or give that column another name.", "Leave keep= out, or give that column another name."),
        ("Fill it in, or say --keep-null (keep_null=True) for it.", "Fill it in, or say keep_null=True for it."),
        ("Say --maps npz or --maps parquet too.", "Say maps=npz or maps=parquet too."),
        ("Two lists -- that is all.", "Two lists -- that is all."),
    ],
)
def test_python_is_told_of_arguments(typed: str, called: str) -> None:
    assert in_python(typed) == called

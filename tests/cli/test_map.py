"""`api-graph map` and `api-graph merge`: what the command line takes, says, and leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.conftest import Answer, Cli
from tests.table.runs import files_in, named_files, picture, records, results, table

Write = Callable[..., str]


@pytest.fixture
def brief(cli: Cli, graph: Write) -> str:
    """A graph that loads no model: it shows a text, saves the picture, and previews it."""
    return graph(
        {
            "1": ("APLoadImage", {"image": "pics/0.png"}, "image"),
            "2": ("APText", {"text": "what?"}, "query"),
            "3": ("APFormatQuestion", {"question": ["2", 0], "suffix": "none"}, "Format"),
            "4": ("APShowText", {"value": ["3", 0]}, "Question"),
            "5": ("APSaveImage", {"images": ["1", 0], "filename_prefix": "same"}, "Save"),
            "6": ("APPreviewImage", {"images": ["1", 0]}, "Preview"),
        }
    )


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    return [{"image": f"pics/{number}.png", "query": f"what is {number}?"} for number in range(6)]


def summary(answer: Answer) -> str:
    return answer.out.splitlines()[0].partition(";")[0]


def test_rows_set_inputs_and_a_line_tells_of_each(
    cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    table(tmp_path, rows)
    answer = cli("map", brief, "rows.jsonl", "--out", "out", "--set", "suffix=yes_or_no")
    assert (answer.code, summary(answer)) == (0, "6 rows: 6 ok, 0 failed")
    assert Path(answer.out.splitlines()[-1]) == tmp_path / "out" / "results.jsonl"
    found = sorted(records(tmp_path / "out"), key=lambda record: record["row"])
    assert [record["values"] for record in found] == rows
    for number, record in enumerate(found):
        (text,) = record["texts"]["4"]
        assert text.startswith(f"what is {number}?") and text != f"what is {number}?"
        assert list(record["files"]) == ["5"]  # a preview is not kept
        assert record["error"] is None
    assert files_in(tmp_path / "out") == named_files(tmp_path / "out")
    assert not (tmp_path / "cache" / "temp").exists()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["set"] == {"suffix": "yes_or_no"}
    assert manifest["rows"] == {
        "source": "rows.jsonl",
        "kind": "jsonl",
        "count": 6,
        "path": str(tmp_path / "rows.jsonl"),
    }
    assert manifest["totals"]["seconds"] > 0


def test_the_columns_are_said_before_the_first_row(cli: Cli, brief: str, tmp_path: Path) -> None:
    table(tmp_path, [{"image": "pics/0.png", "id": 1}])
    said = [
        "columns: image sets image",
        "columns that set nothing: id",
        "the same for all rows, as the graph has it: query = 'what?'; Format = 'none'; Save = 'same'",
    ]
    assert cli("map", brief, "rows.jsonl", "--out", "a").err.splitlines()[:3] == said
    assert cli("map", brief, "rows.jsonl", "--out", "b", "--quiet").err == ""
    told = cli("map", brief, "rows.jsonl", "--out", "c", "--json").json["columns"]
    assert (told["sets"], told["unused"], told["kept"]["query"]) == ({"image": "image"}, ["id"], "what?")


def test_a_column_that_could_mean_the_question_is_no_silence(cli: Cli, brief: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("image,question\npics/0.png,why?\n")
    picture(tmp_path / "pics/0.png", 0)
    refused = cli("map", brief, "rows.csv", "--out", "a")
    assert refused.code == 2 and "--column query=question" in refused.errors[0] and not (tmp_path / "a").exists()
    assert cli("map", brief, "rows.csv", "--out", "b", "--column", "query=question").code == 0
    assert cli("map", brief, "rows.csv", "--out", "c", "--keep", "query").code == 0
    assert cli("map", brief, "rows.csv", "--out", "d", "--set", "query=all").code == 0
    assert [records(tmp_path / out)[0]["texts"]["4"] for out in "bcd"] == [["why?"], ["what?"], ["all"]]


@pytest.mark.parametrize(("name", "separator"), [("rows.csv", ","), ("rows.tsv", "\t")])
def test_csv_sets_numbers_too(cli: Cli, graph: Write, name: str, separator: str, tmp_path: Path) -> None:
    cells = [("opacity", "query", "note"), ("0.25", "half, or less?", "a"), ("1", "all?", "b"), ("2", "more?", "c")]
    text = "\n".join(separator.join(f'"{cell}"' for cell in row) for row in cells)
    (tmp_path / name).write_text(text, "utf-8")
    picture(tmp_path / "0.png", 0)
    saving = graph(
        {
            "1": ("APLoadImage", {"image": "0.png"}, "image"),
            "2": ("APText", {"text": "what?"}, "query"),
            "3": ("APShowText", {"value": ["2", 0]}, "Question"),
            "4": ("APOverlay", {"image": ["1", 0], "heatmap": ["1", 1], "opacity": 0.5}, "Overlay"),
            "5": ("APSaveImage", {"images": ["4", 0], "filename_prefix": "a"}, "Save"),
        }
    )
    answer = cli("map", saving, name, "--out", "out", "--quiet")
    assert answer.code == 1
    good, whole, bad = sorted(records(tmp_path / "out"), key=lambda record: record["row"])
    assert (good["ok"], good["texts"], whole["ok"]) == (True, {"3": ["half, or less?"]}, True)
    assert bad["error"]["input"] == "opacity" and "2" in bad["error"]["message"]
    pictures = [(tmp_path / "out" / row["files"]["5"][0]).read_bytes() for row in (good, whole)]
    assert pictures[0] != pictures[1]


def test_columns_that_set_nothing_nearly_fit_or_are_called_otherwise(cli: Cli, brief: str, tmp_path: Path) -> None:
    rows = [{"image": f"pics/{n}.png", "ask": f"q{n}", "qery": "x", "id": n} for n in range(2)]
    table(tmp_path, rows)
    answer = cli("map", brief, "rows.jsonl", "--out", "out", "--column", "query=ask")
    warnings = [line for line in answer.err.splitlines() if line.startswith("warning")]
    assert warnings == ["warning: the column qery sets nothing: did you mean query?"]
    assert {record["texts"]["4"][0] for record in records(tmp_path / "out")} == {"q0", "q1"}
    (line,) = cli("map", brief, "rows.jsonl", "--out", "b", "--column", "query=asked").errors
    assert "the table has no such column" in line and "asked" in line
    (line,) = cli("map", brief, "rows.jsonl", "--out", "b", "--column", "nothing=ask").errors
    assert "nothing" in line
    table(tmp_path, [{"id": 1}, {"id": 2}], "ids.jsonl")
    (line,) = cli("map", brief, "ids.jsonl", "--out", "b").errors
    assert "none of its columns is an input of the graph" in line and "query" in line


def test_a_linked_input_is_no_column_s(cli: Cli, brief: str, tmp_path: Path) -> None:
    table(tmp_path, [{"Format.question": "linked", "query": "x"}])
    answer = cli("map", brief, "rows.jsonl", "--out", "out")
    assert answer.code == 1  # the picture that the graph names is not there
    assert "warning: the column Format.question sets nothing: another node feeds Format.question" in answer.err
    (line,) = cli("map", brief, "rows.jsonl", "--out", "b", "--column", "Format.question=query").errors
    assert "is linked: another node feeds it" in line and not (tmp_path / "b").exists()


def test_limit_and_then_all(cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    table(tmp_path, rows)
    assert summary(cli("map", brief, "rows.jsonl", "--out", "out", "--limit", "2")) == "2 rows: 2 ok, 0 failed"
    all_of_them = cli("map", brief, "rows.jsonl", "--out", "out")
    assert summary(all_of_them) == "6 rows (2 before): 6 ok, 0 failed"
    assert sorted(record["row"] for record in records(tmp_path / "out")) == list(range(6))
    fewer = cli("map", brief, "rows.jsonl", "--out", "out", "--limit", "3", "--json").json
    assert (fewer["rows"], fewer["total"], fewer["done_now"]) == (3, 3, 0)


def test_failures_are_said_kept_and_tried_again(
    cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = table(tmp_path, rows)
    (tmp_path / "pics/3.png").unlink()
    answer = cli("map", brief, path.name, "--out", "out")
    assert (answer.code, summary(answer)) == (1, "6 rows: 5 ok, 1 failed")
    (line,) = answer.errors
    assert line.startswith("error: row 3: ") and "pics/3.png" in line
    again = cli("map", brief, path.name, "--out", "out")
    assert (again.code, summary(again)) == (1, "6 rows (6 before): 5 ok, 1 failed")
    (note,) = (line for line in again.err.splitlines() if line.startswith("note: "))
    assert note.startswith("note: 1 row failed before: --retry-failed does it again (row 3: ") and "pics/3.png" in note
    said = cli("map", brief, path.name, "--out", "out", "--json").json
    assert (said["failed_before"], said["notes"]) == (1, [note.removeprefix("note: ")])
    assert "before" not in cli("map", brief, path.name, "--out", "out", "--quiet").err
    picture(tmp_path / "pics/3.png", 3)
    mended = cli("map", brief, path.name, "--out", "out", "--retry-failed")
    assert (mended.code, summary(mended)) == (0, "6 rows (5 before): 6 ok, 0 failed")
    assert cli("map", brief, path.name, "--out", "clean").code == 0
    assert results(tmp_path / "out") == results(tmp_path / "clean")


def test_fail_fast_and_max_failures(cli: Cli, brief: str, tmp_path: Path) -> None:
    """Of rows that run together as well: as many failures are recorded as were asked for, and what went well is."""
    table(tmp_path, [{"image": f"pics/{n}.png", "query": "q"} for n in range(30)])
    for number in range(1, 30, 2):
        (tmp_path / f"pics/{number}.png").unlink()
    stopped = cli("map", brief, "rows.jsonl", "--out", "out", "--fail-fast")
    done = records(tmp_path / "out")
    assert stopped.code == 1 and sum(not record["ok"] for record in done) == 1 and 2 <= len(done) < 17
    assert len(stopped.errors) == 1
    assert (
        f"{len(done)} rows: {len(done) - 1} ok, 1 failed; stopped early, {30 - len(done)} rows not run;" in stopped.out
    )
    some = cli("map", brief, "rows.jsonl", "--out", "out", "--max-failures", "2", "--json")
    done = records(tmp_path / "out")
    assert some.code == 1 and sum(not record["ok"] for record in done) == 1 + 3
    said = some.json
    assert (said["not_run"], said["done_before"] + said["done_now"], said["failed_before"]) == (
        30 - len(done),
        len(done),
        1,
    )
    rest = cli("map", brief, "rows.jsonl", "--out", "out")
    assert (rest.code, rest.out.partition(": ")[2].partition(";")[0]) == (1, "15 ok, 15 failed")
    assert "not run" not in rest.out
    assert len(rest.errors) == 5 and "note: more rows have failed" in rest.err


@pytest.mark.parametrize(("most", "options"), [(0, ["--fail-fast"]), (2, ["--max-failures", "2"])])
def test_what_fails_in_every_row_is_found_with_the_first(
    cli: Cli, graph: Write, tmp_path: Path, most: int, options: list[str]
) -> None:
    failing = graph(
        {
            "1": ("APText", {"text": "no good"}, "query"),
            "2": ("TFail", {"text": ["1", 0], "how": "bad input"}),
            "3": ("APShowText", {"value": ["2", 0]}),
        }
    )
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"query": f"q{n}"}) + "\n" for n in range(30)), "utf-8")
    stopped = cli("map", failing, "rows.jsonl", "--out", "out", *options, "--log", "log.jsonl")
    found = records(tmp_path / "out")
    assert stopped.code == 1 and [record["row"] for record in found] == [*range(most + 1)]
    assert f"stopped early, {29 - most} rows not run" in stopped.out
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["finished"] is None and manifest["totals"]["failed"] == most + 1
    last = cli("map", failing, "rows.jsonl", "--out", "out2", "--limit", str(most + 1), *options)  # none was left
    assert "not run" not in last.out


# ------------------------------------------------------------------------------ values that no row can run with


@pytest.fixture
def asking(graph: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A graph that asks, a table for it, and an endpoint whose key is not set."""
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(tmp_path / "endpoints.toml"))
    (tmp_path / "endpoints.toml").write_text(
        '[box]\nbase_url = "http://localhost:9/v1"\nmodels = ["a"]\nkey_env = "NO_SUCH_KEY"\n', "utf-8"
    )
    table(tmp_path, [{"image": "pics/0.png", "query": "q"}])
    return graph(
        {
            "1": ("APLoadImage", {"image": "pics/0.png"}, "image"),
            "2": ("APText", {"text": "what?"}, "query"),
            "3": ("APAnsweringModel", {"answerer": "demo"}, "answerer"),
            "4": ("APQueryLVLM", {"model": ["3", 0], "image": ["1", 0], "question": ["2", 0]}),
            "5": ("APShowText", {"value": ["4", 0]}),
        }
    )


@pytest.mark.parametrize(
    ("answerer", "said"),
    [
        ("endpoint:nix", "there is no such profile in "),
        ("endpoint:box/b", 'the profile "box" has no such model'),
    ],
)
def test_an_endpoint_that_is_not_there_is_refused_before_anything_runs(
    cli: Cli, asking: str, answerer: str, said: str, tmp_path: Path
) -> None:
    own = json.loads(Path(asking).read_bytes())
    own["3"]["inputs"]["answerer"] = answerer
    (tmp_path / "own.json").write_text(json.dumps(own), "utf-8")
    for words in (
        ["map", asking, "rows.jsonl", "--out", "out", "--set", f"answerer={answerer}"],
        ["map", asking, "rows.jsonl", "--out", "out", "--grid", f"answerer=demo,{answerer}"],
        ["run", asking, "--out", "out", "--set", f"answerer={answerer}"],
        ["check", "own.json"],
    ):
        refused = cli(*words)
        assert refused.code == 2 and said in refused.err and "answerer" in refused.err, words
    assert not (tmp_path / "out").exists()
    table(tmp_path, [{"image": "pics/0.png", "query": "q", "answerer": answerer}], "named.jsonl")
    row = cli("map", asking, "named.jsonl", "--out", "rows")  # a row that names one fails alone
    assert row.code == 1 and "1 row: 0 ok, 1 failed" in row.out
    keyless = cli("map", asking, "rows.jsonl", "--out", "keyless", "--set", "answerer=endpoint:box")
    assert keyless.code == 1 and "NO_SUCH_KEY: this environment variable is not set" in keyless.err


@pytest.mark.parametrize("option", ["--set", "--grid"])
def test_an_even_window_is_refused_before_anything_runs(cli: Cli, option: str, tmp_path: Path) -> None:
    table(tmp_path, [{"image": "pics/0.png", "query": "q"}])
    refused = cli("map", "api_clip_map", "rows.jsonl", "--out", "out", option, "kernel_size=8")
    assert refused.code == 2 and "Use 7 or 9." in refused.err
    assert not (tmp_path / "out").exists()
    assert "kernel_size: INT = 15 (odd, 1 to 4095)" in cli("nodes", "APMeanFilter").out
    assert "a whole number from 1 to 4095, odd" in cli("check", "api_clip_map").out


def test_a_table_that_has_grown_and_was_sorted_anew(
    cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = table(tmp_path, rows[:4])
    cli("map", brief, path.name, "--out", "out")
    table(tmp_path, rows[::-1])
    assert summary(cli("map", brief, path.name, "--out", "out")) == "6 rows (4 before): 6 ok, 0 failed"
    assert len({record["key"] for record in records(tmp_path / "out")}) == 6


def test_another_graph_is_refused(cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    path = table(tmp_path, rows)
    cli("map", brief, path.name, "--out", "out")
    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    answer = cli("map", brief, path.name, "--out", "out", "--set", "suffix=yes_or_no")
    (line,) = answer.errors
    assert answer.code == 2 and "this folder has results of something else" in line
    assert "3.suffix was 'none' and is 'yes_or_no'" in line or "suffix" in line
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == before


def test_a_graph_that_saves_nothing_is_refused(cli: Cli, graph: Write, tmp_path: Path) -> None:
    table(tmp_path, [{"image": "pics/0.png"}])
    nodes = {"1": ("APLoadImage", {"image": "x"}, "image"), "2": ("APPreviewImage", {"images": ["1", 0]}, "Preview")}
    answer = cli("map", graph(nodes), "rows.jsonl", "--out", "out")
    (line,) = answer.errors
    assert answer.code == 2 and "none of its nodes saves a file or gives a text" in line
    assert not (tmp_path / "out").exists()


def test_shards_and_their_merge(cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = [*rows, rows[0], rows[3]]  # equal rows, in different parts
    path = table(tmp_path, rows)
    for part in ("2/3", "1/3"):
        assert cli("map", brief, path.name, "--out", "out", "--shard", part).code == 0
    (line,) = cli("merge", "out").errors
    assert "3/3" in line
    cli("map", brief, path.name, "--out", "out", "--shard", "3/3")
    merged = cli("merge", "out", "--json").json
    assert (merged["rows"], merged["missing"], merged["short"]) == (len(rows), [], [])
    assert merged["verified"] == "every row has its line, and every file is there with its size"
    assert cli("map", brief, path.name, "--out", "whole").code == 0
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    assert len(records(tmp_path / "out")) == len(rows)
    assert [record["row"] for record in records(tmp_path / "out")] == list(range(len(rows)))
    shard = tmp_path / "out/shards/1-of-3/results.jsonl"
    shard.write_bytes(b"".join(shard.read_bytes().splitlines(keepends=True)[1:]))
    assert "1/3 has 1 of 2 rows" in cli("merge", "out").errors[0]
    answer = cli("merge", "out", "--allow-missing")
    assert answer.code == 0 and "warning: shard 1/3 has 1 of 2 rows" in answer.err
    assert answer.out.splitlines()[-1].startswith("verify: the run has not finished; 1 row without a line")


def test_json_is_one_document_and_parquet_is_readable(
    cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = table(tmp_path, rows)
    path.write_text(path.read_text("utf-8") + '{"image": "nothing.png"}\n', "utf-8")
    answer = cli("map", brief, "rows.jsonl", "--out", "out", "--json", "--format", "parquet")
    document = answer.json
    assert (answer.code, document["exit_code"], document["ok"]) == (1, 1, False)
    assert (document["rows"], document["failed"], document["done_before"]) == (7, 1, 0)
    assert [Path(file).name for file in document["files"]] == ["results.jsonl", "results.parquet"]
    read = parquet.read_table(tmp_path / "out" / "results.parquet").to_pylist()
    assert [row["key"] for row in read] == [record["key"] for record in records(tmp_path / "out")]
    assert [row["image"] for row in read] == [record["values"]["image"] for record in records(tmp_path / "out")]


def test_pictures_outside_the_folders_are_refused(cli: Cli, brief: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    picture(tmp_path.parent / f"{tmp_path.name}.png", 5)
    picture(folder / "pics" / "0.png", 0)
    (folder / "pics" / "out.png").symlink_to(tmp_path.parent / f"{tmp_path.name}.png")
    outside = [f"../../{tmp_path.name}.png", str(tmp_path.parent / f"{tmp_path.name}.png"), "pics/out.png"]
    rows = [{"image": name} for name in ("pics/0.png", *outside)]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    answer = cli("map", brief, "data/rows.jsonl", "--out", "out")
    assert answer.code == 1
    assert [record["ok"] for record in sorted(records(tmp_path / "out"), key=lambda r: r["row"])] == [True] + [
        False
    ] * 3
    assert len(answer.errors) == 3 and sum("the name leads out of it" in line for line in answer.errors) == 2
    assert f"say --input {tmp_path.parent} (input_folders in Python)" in answer.err
    again = cli("map", brief, "data/rows.jsonl", "--out", "more", "--input", str(tmp_path.parent))  # as it says
    found = {record["row"]: record["ok"] for record in records(tmp_path / "more")}
    assert again.code == 1 and (found[0], found[2]) == (True, True) and not found[3]
    clean = cli("map", brief, "data/pics", "--out", "pictures")  # a link out of the folder is no picture of it
    assert (clean.code, summary(clean)) == (0, "1 row: 1 ok, 0 failed")


def test_pictures_lie_beside_the_table_first(cli: Cli, brief: str, tmp_path: Path) -> None:
    """A picture of the same name in the current folder is another one."""
    picture(tmp_path / "0.png", 100)
    picture(tmp_path / "data" / "0.png", 0)
    (tmp_path / "data" / "rows.csv").write_text("image\n0.png\n")
    for place, name in (("data", "a"), ("data/*.png", "b"), ("data/rows.csv", "c")):
        assert cli("map", brief, place, "--out", name, "--no-metadata").code == 0
        (row,) = results(tmp_path / name).values()
        (file,) = row["pictures"]
        with Image.open(tmp_path / name / file) as saved, Image.open(tmp_path / "data" / "0.png") as meant:
            assert saved.tobytes() == meant.tobytes()


def test_equal_rows_are_all_there(cli: Cli, brief: str, tmp_path: Path) -> None:
    table(tmp_path, [{"image": "pics/0.png", "query": "q"}] * 3)
    assert cli("map", brief, "rows.jsonl", "--out", "out").code == 0
    found = records(tmp_path / "out")
    key = found[0]["key"].partition("-")[0]
    assert {record["key"] for record in found} == {key, f"{key}-2", f"{key}-3"}
    assert len(named_files(tmp_path / "out")) == 3
    assert cli("map", brief, "rows.jsonl", "--out", "out", "--json").json["done_now"] == 0


def test_warnings_of_nodes_are_said_once_and_listed(cli: Cli, brief: str, tmp_path: Path) -> None:
    table(tmp_path, [{"image": "pics/0.png", "qery": "x"}] * 2)
    answer = cli("map", brief, "rows.jsonl", "--out", "out", "--json", "--keep", "query")
    assert answer.json["warnings"] == ["the column qery sets nothing: did you mean query?"]
    assert answer.err.count("warning:") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--batch-size", "0"), "--batch-size"),
        (("--shard", "4/3"), "--shard"),
        (("--memory", "lots"), "--memory"),
        (("--input", "nowhere"), "--input"),
        (("--set", "query"), "--set"),
        (("--limit", "0"), "limit"),
    ],
)
def test_bad_options(
    cli: Cli, brief: str, rows: list[dict[str, Any]], words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    table(tmp_path, rows)
    answer = cli("map", brief, "rows.jsonl", "--out", "out", *words)
    assert answer.code == 2 and said in answer.err
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_the_run_with_one_line_and_the_same_command_goes_on(
    cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api_graph.pixels import write as picture_files

    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    table(tmp_path, rows)
    with monkeypatch.context() as patch:
        patch.setattr(picture_files, "encode", full)
        answer = cli("map", brief, "rows.jsonl", "--out", "out")
    (line,) = answer.errors
    assert answer.code == 1  # it had begun: no bad command
    assert "no space left on the device" in line and "run the same command again" in line
    assert cli("map", brief, "rows.jsonl", "--out", "out").code == 0
    assert len(records(tmp_path / "out")) == 6


@pytest.mark.parametrize(("more", "times"), [((), 1), (("--no-metadata",), 0), (("--quiet",), 0)])
def test_jpeg_files_and_what_is_said_of_them_once(
    cli: Cli, brief: str, rows: list[dict[str, Any]], more: tuple[str, ...], times: int, tmp_path: Path
) -> None:
    table(tmp_path, rows)
    answer = cli("map", brief, "rows.jsonl", "--out", "out", "--image-format", "jpeg", "--quality", "80", *more)
    assert answer.code == 0 and answer.err.count("JPEG files carry no graph: manifest.json has it") == times
    for record in records(tmp_path / "out"):
        (name,) = record["files"]["5"]
        with Image.open(tmp_path / "out" / name) as saved:
            assert saved.format == "JPEG" and name.endswith(".jpg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--image-format", "gif"), "gif"),
        (("--quality", "80"), "PNG files lose nothing"),
        (("--image-format", "webp", "--quality", "101"), "from 1 to 100"),
    ],
)
def test_formats_that_cannot_be(
    cli: Cli, brief: str, rows: list[dict[str, Any]], words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    table(tmp_path, rows)
    answer = cli("map", brief, "rows.jsonl", "--out", "out", *words)
    assert answer.code == 2 and said in answer.err and not (tmp_path / "out").exists()


def test_a_grid_is_said_and_its_settings_are_in_the_results(
    cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    table(tmp_path, rows)
    words = ("map", brief, "rows.jsonl", "--out", "out", "--limit", "2", "--grid", "suffix=none,yes_or_no")
    answer = cli(*words, "--grid", "filename_prefix=a,b")
    assert (answer.code, summary(answer)) == (0, "8 rows: 8 ok, 0 failed")
    said = "grid: suffix = 'none', 'yes_or_no'; filename_prefix = 'a', 'b' (4 settings of 2 rows: 8 in all)"
    assert said in answer.err.splitlines()
    (tmp_path / "flat.csv").write_text(cli("results", "out").out)
    flat = [json.loads(line) for line in (tmp_path / "flat.csv").read_text().splitlines()]
    assert [(row["query"], row["suffix"], row["filename_prefix"]) for row in flat] == [
        (f"what is {number}?", suffix, prefix)
        for number in (0, 1)
        for suffix in ("none", "yes_or_no")
        for prefix in "ab"
    ]
    assert [("yes or no" in row["Question.text"].lower()) for row in flat] == [False, False, True, True] * 2
    assert json.loads((tmp_path / "out" / "manifest.json").read_bytes())["grid"] == {
        "suffix": ["none", "yes_or_no"],
        "filename_prefix": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--grid", "suffix=none,nothing"), "suffix"),
        (("--grid", "suffix"), "--grid: is not NAME=VALUE"),
        (("--grid", "suffix=none", "--grid", "suffix=yes_or_no"), "--grid: is set twice"),
        (("--grid", "sufix=none"), 'Did you mean "suffix"?'),
        (("--grid", "suffix=none", "--set", "suffix=none"), "--set suffix sets it, too"),
        (("--grid", "image=pics/0.png"), "a column of this name"),
    ],
)
def test_a_wrong_grid_is_refused(
    cli: Cli, brief: str, rows: list[dict[str, Any]], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    table(tmp_path, rows)
    answer = cli("map", brief, "rows.jsonl", "--out", "out", *words)
    assert (answer.code, len(answer.errors)) == (2, 1) and said in answer.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit", "0"], "error: --limit: must be at least 1 (got 0)."),
        (["--chunk-size", "0"], "error: --chunk-size: must be at least 1 (got 0)."),
        (["--quality", "300"], "error: --quality: a quality is a number from 1 to 100 (got 300)."),
        (["--tar", "5"], "error: --tar: a tar has at least 1 MiB (got 5)."),
        (["--map-precision", "float16"], "error: --map-precision: no maps are kept as numbers."),
    ],
)
def test_options_are_called_as_they_are_typed(
    cli: Cli, brief: str, tmp_path: Path, words: list[str], said: str
) -> None:
    table(tmp_path, [{"image": "pics/0.png", "query": "q"}])
    refused = cli("map", brief, "rows.jsonl", "--out", "out", *words)
    assert refused.code == 2 and refused.err.startswith(said)

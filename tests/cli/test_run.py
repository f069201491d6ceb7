"""`api-graph run`: what it prints, writes and answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api_graph.settings import shipped_graphs

Cli = Callable[..., Any]
WriteGraph = Callable[..., str]


def test_prints_files_then_texts_then_a_summary(cli: Cli, hello: str) -> None:
    answer = cli("run", hello)
    *results, summary = answer.out.splitlines()
    assert answer.code == 0
    assert results == [str(Path("output/red/pic_00001_.png")), "Answer: hello hello "]
    assert summary.startswith("5 nodes: 5 ran; ")
    with Image.open("output/red/pic_00001_.png") as picture:
        assert picture.getpixel((5, 3)) == (255, 0, 0)


def test_progress_goes_to_stderr_as_plain_lines(cli: Cli, hello: str) -> None:
    answer = cli("run", hello)
    assert answer.err.splitlines()[0] == "query: 0.0 s"
    assert all(c.isprintable() or c == "\n" for c in answer.out + answer.err)


def test_quiet_prints_results_only(cli: Cli, hello: str) -> None:
    answer = cli("run", hello, "-q")
    assert (len(answer.out.splitlines()), answer.err) == (2, "")


def test_sets_inputs_with_the_type_that_they_have(cli: Cli, hello: str) -> None:
    answer = cli("run", hello, "--set", "query=a=b ", "--set", "times=3", "--out", "there")
    assert "Answer: a=b a=b a=b " in answer.out
    assert Path("there/red/pic_00001_.png").is_file()


def test_json_is_all_there_is_on_stdout(cli: Cli, hello: str) -> None:
    answer = cli("run", hello, "--json")
    document = answer.json
    assert document["ok"] is True
    assert document["exit_code"] == answer.code == 0
    assert document["files"] == [str(Path("output/red/pic_00001_.png"))]
    assert document["texts"] == [{"node": "3", "title": "Answer", "text": "hello hello "}]
    assert document["outputs"]["5"]["values"] == {"image": {"type": "Tensor", "shape": [1, 4, 6, 3]}}
    assert [step["action"] for step in document["steps"]] == ["ran"] * 5
    assert document["failures"] == document["warnings"] == []


def test_a_second_run_finds_its_results_and_no_cache_does_not(cli: Cli, hello: str, ran: list[str]) -> None:
    cli("run", hello)
    second = cli("run", hello, "--explain")
    assert ran == ["TCount"]
    assert "5 nodes: 2 from the cache, 3 not needed; " in second.out
    assert second.out.startswith(f"{Path('output/red/pic_00001_.png')}\n")  # the picture that stands already
    assert [f.name for f in Path("output/red").iterdir()] == ["pic_00001_.png"]
    row = next(line for line in second.out.splitlines() if line.startswith("3 "))
    assert row.split()[:3] == ["3", "Answer", "disk"]
    cli("run", hello, "--set", "query=bye ")
    assert ran == ["TCount", "TCount"]
    cli("run", hello, "--no-cache")
    assert ran == ["TCount", "TCount", "TCount"]


def test_no_cache_keeps_nothing(cli: Cli, hello: str, tmp_path: Path) -> None:
    cli("run", hello, "--no-cache")
    assert not (tmp_path / "cache").exists()


def test_cache_may_be_elsewhere(cli: Cli, hello: str, tmp_path: Path) -> None:
    cli("run", hello, "--cache", "mine")
    assert cli("cache", "info", "--cache", "mine", "--json").json["entries"] == 3  # a result, a receipt and a text
    assert not (tmp_path / "cache").exists()


def test_a_saved_picture_is_a_graph_unless_it_is_to_carry_none(cli: Cli, hello: str) -> None:
    cli("run", hello)
    assert cli("run", "output/red/pic_00001_.png", "--out", "again").code == 0
    cli("run", hello, "--no-metadata", "--out", "bare")
    with Image.open("bare/red/pic_00001_.png") as bare:
        assert bare.info == {}
    answer = cli("run", "bare/red/pic_00001_.png")
    assert answer.code == 2
    assert "has no graph in it" in answer.err


def test_a_path_that_the_user_types_may_lie_anywhere(cli: Cli, graph: WriteGraph, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    Image.new("RGB", (3, 2)).save(tmp_path / "far" / "away.png")
    (tmp_path / "here").mkdir()
    outside = str(tmp_path / "far" / "away.png")
    name = graph(
        {"1": ("APLoadImage", {"image": outside}, "image"), "2": ("APSaveImage", {"images": ["1", 0]}, "Saved")}
    )
    refused = cli("run", name, "--input", "here")
    assert refused.code == 1
    assert refused.errors[0].startswith('error: node 1 "image": image: there is no such file in the input folder (')
    assert f"say --input {tmp_path / 'far'} (input_folders" in refused.errors[0]
    assert cli("run", name, "--input", "far").code == 0  # as it says
    assert cli("run", name, "--input", "here", "--set", f"image={outside}").code == 0
    assert cli("run", name, "--input", "here", "--input", "far", "--set", "image=away.png").code == 0


def test_device_goes_to_the_model_loaders(cli: Cli, graph: WriteGraph) -> None:
    name = graph({"1": ("TLoad", {}), "2": ("APShowText", {"value": ["1", 0]}, "Model")})
    assert "Model: on cpu" in cli("run", name, "--device", "cpu").out
    answer = cli("run", name, "--device", "cpux")
    assert answer.code == 2
    assert 'Did you mean "cpu"?' in answer.err


def test_device_without_a_loader_is_a_mistake(cli: Cli, hello: str) -> None:
    answer = cli("run", hello, "--device", "cpu")
    assert answer.code == 2
    assert answer.errors == [
        "error: --device: the graph loads no model that could be told its device. Leave it out.",
    ]


# ------------------------------------------------------------------------------------------------- failures


def test_a_node_that_fails_takes_only_what_depends_on_it(cli: Cli, graph: WriteGraph) -> None:
    name = graph(
        {
            "1": ("TFail", {"text": "x", "how": "bad input"}),
            "2": ("APShowText", {"value": ["1", 0]}, "Never"),
            "3": ("APText", {"text": "still here"}),
            "4": ("APShowText", {"value": ["3", 0]}, "Other"),
        }
    )
    answer = cli("run", name)
    assert answer.code == 1
    assert answer.errors == ["""error: node 1 "Fail": text: is no good (got 'x'). Give another."""]
    assert "Other: still here" in answer.out
    assert "4 nodes: 2 ran, 1 failed, 1 blocked; " in answer.out
    document = cli("run", name, "--json").json
    assert (document["ok"], document["exit_code"]) == (False, 1)
    assert [(f["node"], f["input"]) for f in document["failures"]] == [("1", "text")]


def test_a_crash_is_one_line_and_debug_shows_where(cli: Cli, graph: WriteGraph) -> None:
    name = graph({"1": ("TFail", {"text": "x", "how": "crash"}), "2": ("APShowText", {"value": ["1", 0]})})
    answer = cli("run", name)
    assert answer.code == 1
    assert answer.errors == ['error: node 1 "Fail": ZeroDivisionError: one line and another (--debug shows where)']
    assert "Traceback" not in answer.err
    debug = cli("run", name, "--debug")
    assert "Traceback" in debug.err
    assert 'raise ZeroDivisionError("one line' in debug.err


def test_the_unexpected_is_two_lines_and_asks_for_a_report(
    cli: Cli, hello: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api_graph.cli.session.perform", lambda request: 1 / 0)
    answer = cli("run", hello)
    assert answer.code == 1
    assert answer.err.splitlines() == [
        "error: ZeroDivisionError: division by zero",
        "hint: this should not happen: run it again with --debug, and please report what you see",
    ]
    assert cli("run", hello, "--json").json == {
        "ok": False,
        "exit_code": 1,
        "errors": [{"message": "ZeroDivisionError: division by zero"}],
    }
    assert "Traceback" in cli("run", hello, "--debug").err


def test_our_warnings_are_lines_and_the_libraries_are_quiet(cli: Cli, graph: WriteGraph) -> None:
    name = graph({"1": ("TWarn", {"text": "x"}), "2": ("APShowText", {"value": ["1", 0]}, "Text")})
    answer = cli("run", name, "--quiet")
    assert answer.out == "Text: x\n"
    assert answer.err == "a library says hello\nwarning: the text is cut\n"
    assert cli("run", name, "--json").json["warnings"] == ["the text is cut"]
    assert "warning: UserWarning: nobody wants to know" in cli("run", name, "--debug").err


def test_texts_cannot_steer_the_terminal(cli: Cli, graph: WriteGraph) -> None:
    name = graph(
        {"1": ("APText", {"text": "a\x1b[31mb\nc"}), "2": ("APShowText", {"value": ["1", 0]}, "T\x1b]0;x\x07")}
    )
    answer = cli("run", name)
    assert answer.out.startswith("T\ufffd]0;x\ufffd: a\ufffd[31mb\nc\n")
    assert "\x1b" not in answer.out + answer.err


# ------------------------------------------------------------------------------------------------ bad usage


def test_every_fault_of_a_graph_is_listed_and_nothing_runs(cli: Cli, graph: WriteGraph, ran: list[str]) -> None:
    name = graph(
        {
            "1": ("TCount", {"text": "x", "times": 99}),
            "2": ("TCoumt", {"text": "x"}),
            "3": ("APShowText", {"value": ["1", 0], "volume": 3}),
        }
    )
    answer = cli("run", name)
    assert answer.code == 2
    assert [line.split(":")[1] for line in answer.errors] == [
        ' node 1 "Count", input times = 99',
        ' node 2 "TCoumt"',
        ' node 3 "Show text", input volume = 3',
    ]
    assert "Did you mean TCount" in answer.err
    assert (answer.out, ran, Path("output").exists()) == ("", [], False)
    document = cli("run", name, "--json").json
    assert (document["ok"], document["exit_code"]) == (False, 2)
    assert [(e["node"], e["input"], e["value"]) for e in document["errors"]] == [
        ("1", "times", 99),
        ("2", None, None),
        ("3", "volume", 3),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "qury=x"], 'Did you mean "query"?'),
        (["--set", "times=two"], "whole number"),
        (["--set", "times=10"], "out of range"),
        (["--set", "query"], "--set: is not NAME=VALUE (got 'query')"),
        (["--set", "=x"], "--set: is not NAME=VALUE"),
        (["--set", "query=a", "--set", "query=b"], "--set: is set twice (got 'query')"),
        (["--set", "query=a", "--set", "1.text=b"], 'set twice, as "query" and as "1.text"'),
        (["--out", "graph.json"], "--out: is a file, where a folder is wanted"),
        (["--out", "graph.json/deeper"], "--out: is a file, where a folder is wanted"),
        (["--cache", "graph.json"], "--cache: is a file"),
        (["--input", "nowhere"], "--input: there is no such folder"),
        (["--models", "nowhere"], "--models: there is no such folder"),
        (["--models", "graph.json"], "--models: is a file, where a folder is wanted"),
        (["--device", "gpu"], "--device: is no device (got 'gpu'). Say cuda for an NVIDIA GPU"),
    ],
)
def test_bad_options_are_one_line_each(cli: Cli, hello: str, words: list[str], said: str, ran: list[str]) -> None:
    answer = cli("run", hello, *words)
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert said in answer.err
    assert (answer.out, ran) == ("", [])


def test_all_bad_settings_are_listed(cli: Cli, hello: str) -> None:
    assert len(cli("run", hello, "--set", "times=0", "--set", "nothing=1").errors) == 2


def test_a_folder_that_may_not_be_written_to(cli: Cli, hello: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    answer = cli("run", hello, "--no-cache")
    assert answer.code == 2
    assert answer.errors == ["error: --out: cannot be written to (got 'output'). Name another folder."]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file, and no shipped graph of this name (got 'x.json')"),
        ("", "is not JSON"),
        ("[1, 2]", "is no graph"),
        ('{"nodes": [], "links": []}', "has nothing that runs"),
    ],
)
def test_files_that_are_no_graphs(cli: Cli, tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "x.json").write_text(content)
    answer = cli("run", "x.json")
    assert answer.code == 2
    assert len(answer.errors) == len(answer.err.splitlines()) == 1
    assert said in answer.err


def test_a_near_miss_of_a_shipped_graph(cli: Cli) -> None:
    assert "Did you mean api_clip?" in cli("run", "api_clp").err


def test_a_folder_does_not_hide_a_shipped_graph(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "api_clip").mkdir()
    assert cli("check", "api_clip").code == 0
    assert "is a folder" in cli("check", str(tmp_path)).err


def test_unknown_options_and_no_command(cli: Cli, hello: str) -> None:
    assert cli("run", hello, "--sett", "a=b").code == 2
    assert cli("run").code == 2
    assert cli("walk").code == 2


class TestDemoModel:
    """It says what it does not know, where a picture did not come with the package."""

    WARNING = "warning: The demo model knows rendered shapes, as in the example picture, and nothing of other pictures."

    @pytest.fixture
    def about(self, graph: WriteGraph) -> Callable[..., str]:
        def about(image: str, **more: str) -> str:
            nodes = {"1": ("LoadImage", {"image": image}), "2": ("APSaveImage", {"images": ["1", 0]}, "Saved")}
            return graph({**nodes, "3": ("APLoadCLIP", more, "Load CLIP"), "4": ("PreviewAny", {"source": ["3", 0]})})

        return about

    @pytest.fixture(autouse=True)
    def pictures(self, tmp_path: Path) -> None:
        Image.effect_noise((16, 8), 80).save(tmp_path / "photo.png")
        shutil.copy(shipped_graphs() / "api_graph_example.png", tmp_path / "renamed.png")
        (tmp_path / "sub").mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / "sub" / "api_graph_example.png")

    @pytest.mark.parametrize(
        ("image", "warned"),
        [
            ("api_graph_example.png", False),
            ("renamed.png", False),
            ("photo.png", True),
            ("sub/api_graph_example.png", True),
        ],
    )
    def test_of_pictures(self, cli: Cli, about: Callable[..., str], image: str, warned: bool) -> None:
        answer = cli("run", about(image), "--quiet")
        assert answer.code == 0
        assert answer.err.count(self.WARNING) == warned
        if warned:
            assert answer.err == f"{self.WARNING} For photographs name a checkpoint: --set model=...\n"

    def test_in_json_too(self, cli: Cli, about: Callable[..., str]) -> None:
        assert len(cli("run", about("photo.png"), "--json").json["warnings"]) == 1

    def test_other_models_and_no_pictures(self, cli: Cli, about: Callable[..., str], hello: str) -> None:
        assert self.WARNING not in cli("run", about("photo.png", model="no such model")).err
        assert self.WARNING not in cli("run", hello).err

    @pytest.mark.parametrize(
        ("rows", "warned"),
        [
            ("image\napi_graph_example.png\nphoto.png\n", True),
            ("image\napi_graph_example.png\nrenamed.png\nnowhere.png\n", False),
            ("Saved\nphoto.png\n", False),
        ],
    )
    def test_of_tables(self, cli: Cli, about: Callable[..., str], tmp_path: Path, rows: str, warned: bool) -> None:
        (tmp_path / "rows.csv").write_text(rows)
        answer = cli("map", about("api_graph_example.png"), "rows.csv")
        assert (self.WARNING in answer.err) == warned
        lines = answer.err.splitlines()
        assert not warned or (lines[0].startswith("columns: ") and any(self.WARNING in line for line in lines[:3]))

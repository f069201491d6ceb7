"""`api-graph new`: a graph of one's own from a shipped one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api_graph.draw.cards import CARDS
from api_graph.settings import shipped, shipped_graphs

Cli = Callable[..., Any]


def read(name: str) -> dict[str, Any]:
    return json.loads(Path(name).read_text("utf-8"))


def test_it_lists_what_there_is(cli: Cli) -> None:
    lines = cli("new").out.splitlines()
    assert lines[0].split("  ")[0] == "graph"
    assert [line.split()[0] for line in lines[1 : len(CARDS) + 1]] == list(CARDS)
    listed = cli("new", "--json").json
    assert [one["name"] for one in listed] == list(CARDS)
    assert listed[0] == {"name": "api_clip", "group": "Maps", **CARDS["api_clip"]._asdict()}


@pytest.mark.parametrize("name", ["api_clip", "gaze_tour", "rec_som"])
def test_a_copy_is_the_shipped_graph(cli: Cli, name: str) -> None:
    answer = cli("new", name)
    nodes = read(f"{name}.json")
    assert nodes == json.loads(shipped()[name].read_text("utf-8"))
    assert answer.out.splitlines() == [
        f"{name}.json: {len(nodes)} nodes, as in {name}.",
        f"Run it with `api-graph run {name}.json`; `api-graph check {name}.json` lists what can be set in it.",
    ]


def test_values_are_set_in_the_copy(cli: Cli) -> None:
    answer = cli(
        "new", "api_clip", "--out", "sub/mine.json", "--set", "query=a dog", "--set", "kernel_size=31", "--json"
    )
    assert answer.json == {"ok": True, "graph": "api_clip", "file": "sub/mine.json", "nodes": 17}
    was, now = json.loads(shipped()["api_clip"].read_text("utf-8")), read("sub/mine.json")
    changed = {
        (node["_meta"]["title"], name): value
        for id, node in now.items()
        for name, value in node["inputs"].items()
        if was[id]["inputs"].get(name) != value
    }
    assert changed == {("query", "text"): "a dog", ("Mean filter", "kernel_size"): 31}
    assert cli("check", "sub/mine.json").code == 0


def test_a_file_is_never_replaced_unless_asked(cli: Cli) -> None:
    Path("api_clip.json").write_text("mine")
    answer = cli("new", "api_clip")
    assert (answer.code, len(answer.errors), Path("api_clip.json").read_text()) == (2, 1, "mine")
    assert "--force" in answer.err
    assert cli("new", "api_clip", "--force").code == 0
    assert len(read("api_clip.json")) == 17
    Path("gone.json").symlink_to("nowhere.json")  # a link to no file is a file that is there
    assert cli("new", "api_clip", "--out", "gone.json").code == 2
    assert not Path("nowhere.json").exists()


@pytest.mark.parametrize("name", ["api_clp", "API_CLIP", "api_clip.json", "graphs/api_clip.json"])
def test_unknown_names_get_near_ones(cli: Cli, name: str) -> None:
    answer = cli("new", name)
    assert (answer.code, len(answer.errors), list(Path().glob("*.json"))) == (2, 1, [])
    assert "there is no shipped graph of this name" in answer.err
    assert ("api_clip" in answer.err.split("Did you mean")[1]) if name != "API_CLIP" else True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "kernl_size=3"], 'Did you mean "kernel_size"?'),
        (["--set", "kernel_size=many"], "kernel_size"),
        (["--set", "query"], "is not NAME=VALUE"),
        (["--out", "."], "is a folder"),
        (["--out", "file/mine.json"], "cannot be written"),
    ],
)
def test_mistakes_are_a_line_and_write_nothing(cli: Cli, words: list[str], said: str) -> None:
    Path("file").write_text("x")
    answer = cli("new", "api_clip", *words)
    assert (answer.code, len(answer.errors)) == (2, 1)
    assert said in answer.err
    assert not list(Path().rglob("*.json"))


def test_a_file_that_a_saved_graph_may_not_read_is_told(cli: Cli, tmp_path: Path) -> None:
    picture = str(shipped_graphs() / "api_graph_example.png")
    assert (
        "warning: image names a file that a saved graph may not read"
        in cli("new", "api_clip", "--set", f"image={picture}", "--out", "a.json").err
    )
    Path("here.png").write_bytes(Path(picture).read_bytes())
    assert cli("new", "api_clip", "--set", "image=here.png", "--out", "b.json").err == ""
    Path("model").mkdir()
    assert "warning: model names" in cli("new", "api_clip", "--set", "model=model", "--out", "c.json").err


def test_the_copy_runs(cli: Cli) -> None:
    assert cli("new", "api_clip_map", "--set", "query=the orange star", "--out", "star.json").code == 0
    told = [
        cli("run", *words, "--json", "--out", "made").json
        for words in (["star.json"], ["api_clip_map", "--set", "query=the orange star"])
    ]
    assert [one["ok"] for one in told] == [True, True]
    assert told[0]["texts"] == told[1]["texts"] != []

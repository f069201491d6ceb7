"""The commands besides `run`: check, nodes, graphs, cache, doctor, demo."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from api_graph.cli import doctor as checkup
from api_graph.errors import BadInput
from api_graph.registry import all_nodes

Cli = Callable[..., Any]


def cells(table: str, row: int) -> list[str]:
    """A row of a table, by its cells."""
    return [cell.strip() for cell in table.splitlines()[row].split("  ") if cell.strip()]


# ---------------------------------------------------------------------------------------------------- check


def test_check_lists_what_can_be_set(cli: Cli, hello: str) -> None:
    answer = cli("check", hello)
    assert answer.code == 0
    assert answer.out.startswith("graph.json: 5 nodes, nothing wrong.\n")
    assert cells(answer.out, 3) == ["name", "type", "value", "takes"]
    assert cells(answer.out, 4) == ["query", "STRING", '"hello "', "a text"]
    assert cells(answer.out, 5) == ["times", "INT", "2", "a whole number from 1 to 9"]


def test_check_in_json(cli: Cli, hello: str) -> None:
    document = cli("check", hello, "--json").json
    assert (document["ok"], document["nodes"]) == (True, 5)
    times = next(one for one in document["inputs"] if one["input"] == "times")
    assert times == {
        "name": "times",
        "names": ["times", "Count", "Count.times"],
        "node": "2",
        "title": "Count",
        "input": "times",
        "type": "INT",
        "value": 2,
        "given": True,
        "default": 2,
        "required": False,
        "minimum": 1,
        "maximum": 9,
        "odd": False,
        "choices": None,
        "description": "How often.",
    }


def test_every_name_that_check_lists_can_be_set(cli: Cli) -> None:
    inputs = cli("check", "api_clip", "--json").json["inputs"]
    words = [word for one in inputs for word in ("--set", f"{one['name']}={one['value']}")]
    # Everything is found and fits; the bad folder alone is left to complain of.
    answer = cli("run", "api_clip", *words, "--input", "nowhere")
    assert [line.split(":")[1] for line in answer.errors] == [" --input"]


def test_check_lists_every_fault(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(
        '{"1": {"class_type": "APTxt", "inputs": {}}, "2": {"class_type": "APText", "inputs": {}}}'
    )
    answer = cli("check", "bad.json")
    assert (answer.code, len(answer.errors), answer.out) == (2, 2, "")
    assert len(cli("check", "bad.json", "--json").json["errors"]) == 2


# ---------------------------------------------------------------------------------------------------- nodes


def test_nodes_lists_all_of_them_a_line_each(cli: Cli) -> None:
    answer = cli("nodes")
    assert answer.code == 0
    assert len(answer.out.splitlines()) == 1 + len(all_nodes())  # a heading; with the tests' own six
    assert ["TCount", "Count", "test", "A text several times over"] in [
        cells(answer.out, row) for row in range(len(answer.out.splitlines()))
    ]


@pytest.mark.parametrize("name", ["TCount", "tcount", "COUNT"])
def test_one_node_in_full(cli: Cli, name: str) -> None:
    assert cli("nodes", name).out == (
        "TCount — Count\n"
        "test\n"
        "\n"
        "A text several times over. Its result is kept on disk.\n"
        "\n"
        "Inputs\n"
        "  text: STRING\n"
        "  times: INT = 2 (1 to 9)\n"
        "      How often.\n"
        "\n"
        "Outputs\n"
        "  string: STRING\n"
    )


def test_a_node_is_found_by_the_title_that_it_had(cli: Cli) -> None:
    """Graphs show it still. A title of today goes before."""
    assert cli("nodes", "Load CLIP").out.startswith("APLoadCLIP — Load CLIP for attention\n")
    assert cli("nodes", "save image").out.startswith("SaveImage — Save Image\n")


def test_nodes_in_json_hold_a_schema(cli: Cli) -> None:
    document = cli("nodes", "TCount", "--json").json
    times = document["schema"]["properties"]["inputs"]["properties"]["times"]["anyOf"][0]
    assert (times["type"], times["minimum"], times["maximum"], times["default"]) == ("integer", 1, 9, 2)
    assert {one["id"] for one in cli("nodes", "--json").json} >= {"TCount", "APLoadImage"}


def test_an_unknown_node(cli: Cli) -> None:
    answer = cli("nodes", "APAlphaBlen")
    assert answer.code == 2
    assert "Did you mean APAlphaBlend?" in answer.err
    assert "Did you mean Ψ LVLM or Ψ cls or Ψ comp or Ψ words?" in cli("nodes", "Ψ").err
    assert "Did you mean" not in cli("nodes", "").err


# --------------------------------------------------------------------------------------------------- graphs


def test_graphs_say_what_they_take_and_give(cli: Cli) -> None:
    found = {one["name"]: one for one in cli("graphs", "--json").json}
    assert found["api_clip"]["takes"] == ["image", "query"]
    assert found["api_clip"]["gives"] == ["Annotated image", "Heatmap", "Figures"]
    answer = cli("graphs")
    assert cells(answer.out, 1) == ["api_clip", "image, query", "Annotated image, Heatmap, Figures"]


# ---------------------------------------------------------------------------------------------------- cache


def test_cache_info_prune_and_clear(cli: Cli, hello: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "cache")
    empty = cli("cache", "info")
    assert empty.out == f"{folder}: 0 results, 0 B of at most 4.0 GiB\n"
    cli("run", hello, "--set", "query=a")
    cli("run", hello, "--set", "query=b")
    held = cli("cache", "info", "--json").json
    # Two results, two texts, and the receipt of the one picture.
    assert (held["folder"], held["entries"], held["limit"]) == (folder, 5, 4 * 2**30)
    assert cli("cache", "prune", "--json").json["removed"] == 0
    assert cli("cache", "prune", "--to", str(held["bytes"] - 1), "--json").json["removed"] == 1
    assert cli("cache", "clear").out == f"{folder}: 4 results removed, 0 left, 0 B\n"


def test_cache_mistakes_are_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("cache", "prune", "--to", "much").errors == [
        "error: --to: is not a size (got 'much'). Write for example 500M or 2G."
    ]
    monkeypatch.setenv("API_GRAPH_CACHE_GIB", "much")
    answer = cli("cache", "info")
    assert (answer.code, len(answer.errors)) == (2, 1)


# --------------------------------------------------------------------------------------------------- doctor


def findings(answer_json: dict[str, list[dict[str, str]]]) -> dict[str, dict[str, str]]:
    return {one["what"]: one for one in answer_json["findings"]}


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation in which the slow check finds nothing wrong."""
    monkeypatch.setattr("api_graph.clip.load_clip", lambda name, device: None)
    monkeypatch.setattr(checkup, "util", SimpleNamespace(find_spec=lambda name: None))


@pytest.mark.usefixtures("sound")
def test_doctor_of_a_sound_installation(cli: Cli) -> None:
    answer = cli("doctor", "--json")
    found = findings(answer.json)
    assert answer.code == 0
    assert found["torch"]["text"] == metadata.version("torch")
    assert found["open_clip_torch"]["state"] == found["demo model"]["state"] == "ok"
    assert cli("doctor").out.endswith("\nAll that is needed is here.\n")


@pytest.mark.usefixtures("sound")
def test_doctor_names_what_is_missing_and_the_hint(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(name: str, device: str) -> None:
        raise BadInput("there is no such folder", input="name", value=name)

    monkeypatch.setattr("api_graph.clip.load_clip", not_there)
    monkeypatch.setattr(checkup, "_required", lambda: ["torch", "no-such-package"])
    answer = cli("doctor")
    assert answer.code == 1
    assert 'no-such-package: Install it: pip install "no-such-package"' in answer.out
    assert answer.out.endswith("\nSomething needed is broken.\n")
    found = findings(cli("doctor", "--json").json)
    assert found["demo model"]["state"] == found["no-such-package"]["state"] == "broken"
    assert found["torch"]["state"] == "ok"


@pytest.mark.usefixtures("sound")
def test_doctor_sees_parts_that_do_not_fit_torch(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_operator(*arguments: object) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    def no_symbol(name: str) -> None:
        raise OSError("undefined symbol: _ZN3c10")

    monkeypatch.setattr("torchvision.ops.nms", no_operator)
    monkeypatch.setattr(checkup, "util", SimpleNamespace(find_spec=lambda name: name))
    monkeypatch.setattr(checkup, "_required", list)
    monkeypatch.setattr(checkup, "importlib", SimpleNamespace(import_module=no_symbol))
    answer = cli("doctor", "--json")
    found = findings(answer.json)
    assert answer.code == 1
    assert found["torchvision"]["state"] == "broken"
    assert "pip install --upgrade torch torchvision" in found["torchvision"]["hint"]
    assert found["torchaudio"]["state"] == "note"
    assert "pip uninstall torchaudio" in found["torchaudio"]["hint"]


@pytest.mark.usefixtures("sound")
def test_a_check_that_fails_does_not_stop_the_others(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("driver asleep")

    monkeypatch.setattr("torch.cuda.is_available", broken)
    found = findings(cli("doctor", "--json").json)
    assert found["devices"]["text"] == "RuntimeError: driver asleep"
    assert found["demo model"]["state"] == "ok"


def test_requirements_are_the_package_s_own() -> None:
    assert {"torch", "open_clip_torch", "typer", "pillow"} <= set(checkup._required())


# ----------------------------------------------------------------------------------------------------- demo


def test_demo_makes_pictures_and_says_what_they_are(cli: Cli) -> None:
    answer = cli("demo", "--out", "seen")
    assert answer.code == 0, answer.err
    files = [line for line in answer.out.splitlines() if line.endswith(".png")]
    assert len(files) == 3
    for file in files:
        with Image.open(file) as picture:
            picture.load()
            assert json.loads(picture.info["prompt"])["2"]["inputs"]["text"] in answer.out
    assert "Figures: peak at (" in answer.out
    assert "api-graph demo --query" in answer.out


def test_demo_of_another_picture_and_question(cli: Cli, tmp_path: Path) -> None:
    Image.new("RGB", (90, 70), "white").save(tmp_path / "mine.png")
    answer = cli("demo", "--image", "mine.png", "--query", "a star")
    with Image.open("output/annotated_00001_.png") as picture:
        assert picture.size == (90, 70)
    assert answer.code == 0
    assert cli("demo", "--image", "nowhere.png").code == 1

"""`api-graph export`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api_graph.graph import read_graph
from api_graph.registry import all_nodes

Cli = Callable[..., Any]


@pytest.mark.parametrize("format", ["api", "workflow", "python", "mermaid"])
def test_a_text_goes_to_stdout_or_into_a_file(cli: Cli, hello: str, tmp_path: Path, format: str) -> None:
    shown = cli("export", hello, "--format", format)
    assert (shown.code, shown.err) == (0, "")
    out = tmp_path / "new folder" / "out.txt"
    written = cli("export", hello, "--format", format, "--out", str(out))
    assert (written.code, written.out, written.err) == (0, "", f"note: wrote {out}\n")
    assert out.read_text("utf-8") == shown.out
    assert os.listdir(out.parent) == ["out.txt"]


def test_all_forms_of_a_graph_are_the_same_graph(cli: Cli, tmp_path: Path) -> None:
    files = {format: str(tmp_path / format) for format in ("api", "workflow", "png")}
    for format, file in files.items():
        assert cli("export", "api_clip", "--format", format, "--out", file).code == 0
    api = read_graph(files["api"])
    assert read_graph(files["png"]).nodes == api.nodes
    workflow = json.loads(Path(files["workflow"]).read_text("utf-8"))
    assert read_graph(files["png"]).extra == {"workflow": workflow}
    back = read_graph(files["workflow"], all_nodes())
    assert {id: (n.class_type, n.title) for id, n in back.nodes.items()} == {
        id: (n.class_type, n.title) for id, n in api.nodes.items()
    }


def test_values_can_be_set(cli: Cli) -> None:
    answer = cli("export", "api_clip", "--format", "api", "--set", "query=a red ring", "--set", "kernel_size=3")
    inputs = [node["inputs"] for node in answer.json.values()]
    assert {"text": "a red ring"} in inputs
    assert [one["kernel_size"] for one in inputs if "kernel_size" in one] == [3]


def test_a_script_may_read_the_file_that_was_typed(cli: Cli, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.touch()
    script = cli("export", "api_clip", "--format", "python", "--set", f"image={picture}", "--set", "query=x").out
    assert f"trusted=frozenset([{json.dumps(str(picture))}])" in script


def test_a_picture_needs_a_file(cli: Cli, hello: str) -> None:
    answer = cli("export", hello, "--format", "png")
    assert answer.code == 2
    assert answer.errors == ["error: --out: a picture needs a file. Write for example --out graph.png."]


@pytest.mark.parametrize("format", ["png", "api"])
def test_a_file_that_cannot_be_written(cli: Cli, hello: str, tmp_path: Path, format: str) -> None:
    answer = cli("export", hello, "--format", format, "--out", str(tmp_path))
    assert answer.code == 2
    assert len(answer.errors) == 1
    assert answer.errors[0].startswith("error: --out: is a folder, where a file is wanted")
    (tmp_path / "file").touch()
    answer = cli("export", hello, "--format", format, "--out", str(tmp_path / "file" / "below"))
    assert len(answer.errors) == 1
    assert answer.errors[0].startswith("error: --out: cannot be written")
    assert cli("export", hello, "--format", "gif").code == 2


def test_a_bad_graph_is_refused_and_nothing_is_written(cli: Cli, tmp_path: Path) -> None:
    bad, out = tmp_path / "bad.json", tmp_path / "out.json"
    bad.write_text('{"1": {"class_type": "APTxt", "inputs": {}}}', "utf-8")
    answer = cli("export", str(bad), "--format", "workflow", "--out", str(out))
    assert answer.code == 2
    assert "Did you mean APText" in answer.err
    assert not out.exists()

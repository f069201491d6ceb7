"""A graph as a script: it runs, and does what the graph does."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from api_graph import run_graph
from api_graph.draw import to_python
from api_graph.draw.python import VariableNames
from api_graph.errors import BadInput
from api_graph.graph import GraphError, read_graph
from api_graph.registry import Registry, all_nodes
from api_graph.settings import shipped

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Scripts write below the current folder, and leave gradients off."""
    monkeypatch.chdir(tmp_path)
    yield
    torch.set_grad_enabled(True)


def run_script(script: str) -> str:
    """What a script prints."""
    Path("script.py").write_text(script, "utf-8")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path("script.py")
    return printed.getvalue()


def script_of(api: dict[str, Any]) -> str:
    return to_python(read_graph(api), all_nodes())


def pictures(folder: Path) -> dict[str, np.ndarray]:
    return {file.name: np.asarray(Image.open(file).convert("RGB")).astype(int) for file in folder.glob("*.png")}


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_graph_and_its_script_do_the_same(name: str) -> None:
    outputs = run_graph(name, cache=False, output="graph")
    printed = run_script(to_python(read_graph(shipped()[name]), all_nodes(), name))
    texts = [text for node in outputs.values() for text in node.get("text", ())]
    assert [text for text in texts if text not in printed] == []
    expected, found = pictures(Path("graph")), pictures(Path("output"))
    assert found.keys() == expected.keys()
    for file, picture in expected.items():
        # The executor encodes several questions at once: sums are taken in another order, last bits differ, and a
        # heatmap's colours show that a little. And it keeps pictures in 8 bits, where the script has floats.
        assert np.abs(found[file] - picture).max() <= (4 if name == "api_clip_questions" else 1)


def test_a_script_runs_by_itself() -> None:
    script = to_python(read_graph(shipped()["api_clip_cls"]), all_nodes(), "api_clip_cls")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    ran = subprocess.run(
        [sys.executable, "-"], input=script, env=environment, capture_output=True, encoding="utf-8", check=True
    )
    assert "peak at (" in ran.stdout
    assert str(Path("output", "annotated_00001_.png")) in ran.stdout.splitlines()


def test_how_it_reads() -> None:
    script = script_of(
        {
            "1": {"class_type": "APText", "inputs": {"text": 'say "Ψ"\n'}, "_meta": {"title": "query"}},
            "2": {"class_type": "APFormatQuestion", "inputs": {"question": ["1", 0]}, "_meta": {"title": "class"}},
            "3": {"class_type": "APShowText", "inputs": {"value": ["2", 0]}},
            "4": {"class_type": "APText", "inputs": {"text": "no output needs it"}},
        }
    )
    assert "\nfrom api_graph.nodes import text\n" in script
    body = script.split("gathered here\n")[1].split("\nfor ")[0]
    assert body == (
        '\nquery = "say \\"Ψ\\"\\n"\nclass_2 = text.format_question(question=query)\n'
        "text.show_text(value=class_2, context=context)\n"
    )


def test_what_follows_a_list_runs_for_each_element() -> None:
    """Two lists side by side, the shorter of which repeats its last; then a node that takes them whole."""
    script = script_of(
        {
            "1": {"class_type": "APTextLines", "inputs": {"text": "a\nb\nc"}, "_meta": {"title": "long"}},
            "2": {"class_type": "APTextLines", "inputs": {"text": "x\ny"}, "_meta": {"title": "short"}},
            "3": {
                "class_type": "APStrategyPrompt",
                "inputs": {"question": ["1", 0], "answer": ["2", 0], "strategy": "reflect"},
            },
            "4": {"class_type": "APShowText", "inputs": {"value": ["3", 0]}},
            "5": {"class_type": "APLoadImage", "inputs": {"image": "example.png"}},
            "6": {"class_type": "APContactSheet", "inputs": {"images": ["5", 0], "captions": ["7", 0]}},
            "7": {"class_type": "APTextLines", "inputs": {"text": "one"}, "_meta": {"title": "captions"}},
            "8": {"class_type": "APSaveImage", "inputs": {"images": ["6", 0]}},
        }
    )
    assert "images=[load_image_file], captions=captions" in script
    printed = run_script(script)
    assert [(a in printed, b in printed) for a, b in zip("abc", "xyy", strict=True)] == [(True, True)] * 3


def test_several_outputs_of_a_node_called_for_each_element() -> None:
    script = script_of(
        {
            "1": {"class_type": "APTextLines", "inputs": {"text": "Is there a ring?\nIs there a star?"}},
            "2": {"class_type": "APAnsweringModel", "inputs": {"answerer": "demo"}},
            "3": {"class_type": "APQueryLVLM", "inputs": {"model": ["2", 0], "question": ["1", 0], "image": ["4", 0]}},
            "4": {"class_type": "APLoadImage", "inputs": {"image": "example.png"}},
            "5": {"class_type": "APShowText", "inputs": {"value": ["3", 0]}},
            "6": {"class_type": "APShowText", "inputs": {"value": ["3", 1]}},
        }
    )
    assert "for each_value in [one.tokens for one in query_lvlm]" in script
    # The loader says what the demo model knows, the node itself shows both answers, then these nodes show them and how
    # many tokens each took.
    about_demo, *shown = run_script(script).splitlines()
    assert about_demo.startswith("The demo model knows") and shown == ["yes"] * 4 + ["2"] * 2


def test_titles_and_texts_cannot_break_out() -> None:
    """Whoever sends a graph does not get to run code."""
    api = {
        "1": {"class_type": "APText", "inputs": {"text": '"""\n__import__("os")'}, "_meta": {"title": "a\nimport os"}},
        "2": {"class_type": "APShowText", "inputs": {"value": ["1", 0]}, "_meta": {"title": "print"}},
    }
    script = to_python(read_graph(api), all_nodes(), 'x\nimport os\u2028"""')
    tree = ast.parse(script)
    assert {alias.name for item in ast.walk(tree) if isinstance(item, ast.Import) for alias in item.names} == {"torch"}
    assert run_script(script) == '"""\n__import__("os")\n'


def test_a_file_that_its_writer_named_may_lie_anywhere(tmp_path: Path) -> None:
    picture = tmp_path / "far" / "away.png"
    picture.parent.mkdir()
    Image.new("RGB", (8, 8), "red").save(picture)
    api = {
        "1": {"class_type": "APLoadImage", "inputs": {"image": str(picture)}},
        "2": {"class_type": "APSaveImage", "inputs": {"images": ["1", 0]}},
    }
    Path("here").mkdir()
    os.chdir("here")
    with pytest.raises(BadInput, match="no such file"):
        run_script(to_python(read_graph(api), all_nodes()))
    run_script(to_python(read_graph(api), all_nodes(), trusted=[str(picture)]))
    assert pictures(Path("output"))["api-graph_00001_.png"][0, 0].tolist() == [255, 0, 0]


def test_a_node_that_no_script_can_import(registry: Registry, chain: dict[str, Any]) -> None:
    """pytest loads this folder's conftest under a name that only it knows."""
    spec = registry["TSave"]
    spec.function.__module__, before = __name__, spec.function.__module__
    try:
        with pytest.raises(BadInput, match="a script cannot import its function"):
            to_python(read_graph(chain), registry)
    finally:
        spec.function.__module__ = before


def test_a_graph_that_cannot_run_has_no_script() -> None:
    with pytest.raises(GraphError, match="no node class"):
        script_of({"1": {"class_type": "APNothing", "inputs": {}}})


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Ψ cls", "psi_cls"),
        ("Résumé", "resume"),
        ("3 boxes", "n_3_boxes"),
        ("图像", "otherwise"),
        ("", "otherwise"),
        ("for", "for_2"),
        ("print", "print_2"),
        ("taken", "taken_2"),
        ("α/β", "alpha_beta"),
    ],
)
def test_names_of_variables(title: str, name: str) -> None:
    names = VariableNames(["taken"])
    assert names.new(title, "otherwise") == name
    assert name.isidentifier()
    assert names.new(title, "otherwise") != name

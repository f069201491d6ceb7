"""A run that finds everything in the cache imports neither torch nor the nodes, and says what the first one said."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from api_graph.settings import shipped_graphs

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numpy", "PIL", "open_clip", "transformers", "safetensors", "api_graph.nodes.pack")

PROBE = f"""
import sys
from api_graph.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
print(*sorted({set(HEAVY)!r} & sys.modules.keys()), file=open("imported", "w"))
sys.exit(code)
"""


class Ran(NamedTuple):
    """What a run in a process of its own has printed, and which heavy modules it has imported."""

    out: str
    err: str
    imported: list[str]

    @property
    def results(self) -> list[str]:
        return self.out.splitlines()[:-1]

    @property
    def summary(self) -> str:
        return re.sub("; .*", "", self.out.splitlines()[-1])


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ran]:
    """`run("api_clip")`: in an empty folder with a cache of its own."""

    def call(*words: str) -> Ran:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "API_GRAPH_CACHE": "cache", "OMP_NUM_THREADS": "1"}
        ran = subprocess.run(
            [sys.executable, "-c", PROBE, "run", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert ran.returncode == 0, ran.stderr
        return Ran(ran.stdout, ran.stderr, (tmp_path / "imported").read_text().split())

    return call


@pytest.fixture
def own_graph(tmp_path: Path) -> str:
    """A user's graph: a text in another, and both shown."""
    graph: dict[str, Any] = {
        "1": {"class_type": "APText", "inputs": {"text": "a cat"}, "_meta": {"title": "query"}},
        "2": {"class_type": "APFormatQuestion", "inputs": {"question": ["1", 0]}},
        "3": {"class_type": "APShowText", "inputs": {"value": ["2", 0]}, "_meta": {"title": "Asked"}},
        "4": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}, "_meta": {"title": "Query"}},
    }
    (tmp_path / "own.json").write_text(json.dumps(graph))
    return "own.json"


SAID = {"api_clip_map": "Figures: ", "rec_foveal": "", "api_lvlm": "Answer"}


@pytest.mark.parametrize("graph", SAID)
def test_shipped_graphs(run: Callable[..., Ran], graph: str) -> None:
    first, second = run(graph), run(graph)
    assert "torch" in first.imported and second.imported == []
    assert second.results == first.results != []
    assert any(line.startswith(SAID[graph]) for line in second.results)
    assert " ran" in first.summary and " ran" not in second.summary
    steps = json.loads(run(graph, "--json").out)["steps"]
    assert {step["action"] for step in steps} <= {"disk", "saved", "unneeded"}


def test_a_graph_of_texts(run: Callable[..., Ran], own_graph: str) -> None:
    first, second = run(own_graph), run(own_graph)
    assert second.results == first.results and first.results[-1] == "Query: a cat"
    assert second.summary == "4 nodes: 2 from the cache, 2 not needed" and second.imported == []
    assert run(own_graph, "--out", "elsewhere").imported == []  # a text lies nowhere
    other = run(own_graph, "--set", "query=a dog")
    assert other.results[-1] == "Query: a dog" and other.summary == "4 nodes: 4 ran"
    assert run(own_graph, "--no-cache").summary == "4 nodes: 4 ran"


def test_what_has_changed_runs(run: Callable[..., Ran], tmp_path: Path) -> None:
    picture = tmp_path / "own.png"
    picture.write_bytes((shipped_graphs() / "api_graph_example.png").read_bytes())
    given = ("api_clip_map", "--set", "image=own.png", "--device", "cpu")
    first = run(*given)
    *files, figures = first.results

    def again(*more: str) -> Ran:
        """A run that has something to do, and the one after it, which has nothing."""
        ran, after = run(*given, *more), run(*given, *more)
        assert "torch" in ran.imported and after.imported == []
        assert after.results == ran.results
        return ran

    assert run(*given).imported == []
    assert again("--set", "query=the blue square").results[-1] != figures
    assert run(*given).results[-1] == figures

    (tmp_path / files[0]).unlink()  # a file that was saved is gone
    assert again().results[-1] == figures
    assert len(list((tmp_path / "output").glob("*.png"))) == 4

    with Image.open(picture) as before:
        turned = before.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned.save(picture)  # another picture of that name
    assert again().results[-1] != figures


def test_a_damaged_text_is_made_again(run: Callable[..., Ran], own_graph: str, tmp_path: Path) -> None:
    first = run(own_graph)
    sidecars = [path for path in (tmp_path / "cache").glob("*/*.json") if "a cat" in path.read_text()]
    for path in sidecars:
        path.write_text(path.read_text().replace("a cat", "a bat"))
    second = run(own_graph)
    assert second.results == first.results
    assert second.summary == "4 nodes: 4 ran" and "a damaged cache entry is rebuilt (" in second.err


def test_the_key_does_not_depend_on_who_has_imported_torch(run: Callable[..., Ran]) -> None:
    """Without torch a loader's "auto" is told from the machine, with it by torch."""
    keys = {step["title"]: step["key"] for step in json.loads(run("api_lvlm_ask", "--json").out)["steps"]}
    again = {step["title"]: step["key"] for step in json.loads(run("api_lvlm_ask", "--json").out)["steps"]}
    assert again == keys and all(keys.values())

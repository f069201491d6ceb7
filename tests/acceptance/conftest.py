"""The product as its user has it: the command line, called in this process, with the shipped graphs and model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from api_graph.settings import shipped_graphs
from tests.command_line import commands

PICTURE = shipped_graphs() / "api_graph_example.png"
STAR = "the orange star"


class Answer(NamedTuple):
    """What the command line answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def actions(self) -> dict[str, str]:
        """What was done with each node, by its title."""
        return {step["title"]: step["action"] for step in self.json["steps"]}

    def lines(self, kind: str = "error") -> list[str]:
        """The errors or the warnings, without their first word. No answer ever holds a traceback."""
        assert "Traceback" not in self.out + self.err
        return [line.removeprefix(f"{kind}: ") for line in self.err.splitlines() if line.startswith(f"{kind}: ")]

    def error(self) -> str:
        """The one error there is."""
        assert self.code in (1, 2)
        (line,) = self.lines()
        return line


Cli = Callable[..., Answer]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """`cli("run", "api_clip", query="a star")`: the answer, in an empty folder, with a cache of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("API_GRAPH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("API_GRAPH_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")

    def call(*words: str, **settings: object) -> Answer:
        typed = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        with pytest.raises(SystemExit) as ended:
            commands()([*words, *typed], prog_name="api-graph")
        written = capsys.readouterr()
        return Answer(int(ended.value.code or 0), written.out, written.err)

    return call


@pytest.fixture
def graph(cli: Cli) -> Callable[..., str]:
    """`graph({"image": {"image": "x.png"}})` writes api_clip_cls with other inputs by node title; returns its name."""

    def write(changes: dict[str, dict[str, Any]]) -> str:
        document = json.loads((shipped_graphs() / "api_clip_cls.json").read_text("utf-8"))
        for node in document.values():
            node["inputs"].update(changes.get(node["_meta"]["title"], {}))
        Path("graph.json").write_text(json.dumps(document), "utf-8")
        return "graph.json"

    return write


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A copy of the demo model in a folder of its own, outside the model folders."""
    import api_graph.clip

    folder = tmp_path / "elsewhere" / "clip"
    shutil.copytree(Path(api_graph.clip.__file__).parents[1] / "demo" / "clip", folder)
    return folder

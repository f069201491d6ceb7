"""The command line called in this process, on small nodes of its own."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
import torch
from pydantic import Field

from api_graph.context import Context
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.registry import Registry, all_nodes
from api_graph.sockets import Image
from api_graph.spec import node
from tests.command_line import commands

RUN: list[str] = []


class Answer(NamedTuple):
    """What the command line answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


Cli = Callable[..., Answer]


@node("TCount", category="test", title="Count", store=True)
def count(text: str, times: Annotated[int, Field(ge=1, le=9, description="How often.")] = 2) -> str:
    """A text several times over. Its result is kept on disk."""
    RUN.append("TCount")
    return text * times


@node("TFail", category="test", title="Fail")
def fail(text: str, how: Literal["bad input", "crash"]) -> str:
    """Fail, in one of two ways."""
    if how == "crash":
        raise ZeroDivisionError("one line\nand another")
    raise BadInput("is no good", input="text", value=text, hint="Give another.")


@node("TWarn", category="test", title="Warn")
def warn(text: str) -> str:
    """Warn twice of one thing, as libraries do of theirs."""
    print("a library says hello")
    for _ in range(2):
        warnings.warn("the text\nis cut", ApiGraphWarning, stacklevel=1)
    warnings.warn("nobody wants to know", UserWarning, stacklevel=1)
    return text


@node("TLoad", category="test", title="Load", model=True)
def load(device: Literal["auto", "cpu", "cuda"] = "auto") -> str:
    """Stands for a model: the name of its device."""
    return f"on {device}"


@node("TPicture", category="test", title="Picture")
def picture() -> Image:
    """A red picture of 6 × 4 pixels."""
    return torch.tensor([1.0, 0.0, 0.0]).expand(1, 4, 6, 3)  # (B, H, W, 3)


@node("TProgress", category="test", title="Progress")
def progress(context: Context) -> str:
    """Count to three."""
    for done in range(4):
        context.progress(done, 3)
    return "done"


@pytest.fixture
def ran() -> Iterator[list[str]]:
    """Names of the test nodes that have run, in order, as far as they keep count."""
    RUN.clear()
    yield RUN
    RUN.clear()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The command line's nodes: all there are, and the test's own, whoever has imported `all_nodes` before."""
    with monkeypatch.context() as patched:
        core = import_module("api_graph.nodes.core")
        patched.setattr(core, "CORE_NODES", [*core.CORE_NODES, count, fail, warn, load, picture, progress])
        patched.setattr("api_graph.registry.described_nodes", lambda: all_nodes())
        all_nodes.cache_clear()
        yield all_nodes()
    all_nodes.cache_clear()


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, registry: Registry) -> Cli:
    """`cli("run", "graph.json")`: the answer of the command line, in an empty folder, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_GRAPH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")

    def call(*words: str) -> Answer:
        with pytest.raises(SystemExit) as ended:
            commands()(list(words), prog_name="api-graph")
        written = capsys.readouterr()
        return Answer(int(ended.value.code or 0), written.out, written.err)

    return call


@pytest.fixture
def graph(tmp_path: Path) -> Callable[..., str]:
    """`graph({"1": ("TCount", {...}), ...})` writes a graph file and returns its name. A third part is a title."""

    def write(nodes: Mapping[str, tuple[Any, ...]], name: str = "graph.json") -> str:
        document = {
            id: {"class_type": parts[0], "inputs": parts[1], "_meta": {"title": parts[2] if len(parts) > 2 else ""}}
            for id, parts in nodes.items()
        }
        (tmp_path / name).write_text(json.dumps(document), "utf-8")
        return name

    return write


@pytest.fixture
def hello(graph: Callable[..., str]) -> str:
    """A graph that repeats and shows a text, and saves a picture."""
    return graph(
        {
            "1": ("APText", {"text": "hello "}, "query"),
            "2": ("TCount", {"text": ["1", 0], "times": 2}),
            "3": ("APShowText", {"value": ["2", 0]}, "Answer"),
            "4": ("TPicture", {}),
            "5": ("APSaveImage", {"images": ["4", 0], "filename_prefix": "red/pic"}),
        }
    )

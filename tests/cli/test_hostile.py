"""Whatever is typed or stands in a file, the command line answers in lines: nothing that "should not happen"."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_graph.editor.server import EditorServer
from api_graph.errors import BadInput
from tests.cli.conftest import Answer, Cli

LONG = ["x" * 256, "x" * 5000, "x/" * 3000 + "a.png", "é" * 200, "9" * 5000, "[" * 100_000]
STRINGS = [  # nothing outside the test's own folder: root may replace even devices
    *("", " ", "\0", "a\0b", "²", "٣", "1e999", "1e400", "-1", "NaN", "inf", "true", ".", "~"),
    *("\ud800", "\udcff", "\r\nX", "\x1b[31m", "{", "[]", "%s", "{0}", "--"),
    *LONG,
]
HUGE = 10**400
ODD: list[Any] = [
    HUGE,
    -HUGE,
    math.inf,
    math.nan,
    "²",
    "\0",
    "\ud800",
    *LONG[:2],
    [HUGE],
    {"a": HUGE},
    ["1", HUGE],
    None,
]

COMMANDS: list[list[str]] = [
    ["run", "X"],
    *(
        ["run", "hello.json", option, "X"]
        for option in ("--set", "--out", "--input", "--models", "--device", "--cache")
    ),
    ["run", "hello.json", "--set", "query=X"],
    ["run", "hello.json", "--set", "times=X"],
    ["run", "hello.json", "--set", "X=1"],
    ["check", "X"],
    ["nodes", "X"],
    ["export", "X", "--format", "api"],
    ["export", "hello.json", "--format", "X"],
    *(["export", "hello.json", "--format", "api", option, "X"] for option in ("--out", "--set")),
    ["export", "hello.json", "--format", "png", "--out", "X"],
    *(["export", "hello.json", "--format", f, "--set", "query=X"] for f in ("workflow", "python", "mermaid")),
    ["map", "X", "table.csv"],
    ["map", "hello.json", "X"],
    *(
        ["map", "hello.json", "table.csv", option, "X"]
        for option in ("--out", "--set", "--column", "--keep", "--memory")
    ),
    *(["map", "hello.json", "table.csv", option, "X"] for option in ("--shard", "--limit", "--memory", "--input")),
    ["merge", "X", "--out", "merged"],
    ["report", "X"],
    ["cache", "prune", "--to", "X"],
    ["cache", "info", "--cache", "X"],
    ["endpoints", "add", "X", "--url", "http://localhost:1/v1", "--model", "m"],
    ["endpoints", "add", "name", "--url", "X", "--model", "m"],
    ["endpoints", "add", "other", "--url", "http://localhost:1/v1", "--model", "X"],
    ["endpoints", "add", "third", "--url", "http://localhost:1/v1", "--model", "m", "--key-env", "X"],
    ["endpoints", "remove", "X"],
    ["endpoints", "test", "X"],
    ["edit", "--port", "X"],
    ["edit", "--host", "X"],
]

UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def sound(answer: Answer) -> bool:
    said = answer.out + answer.err
    return answer.code in (0, 1, 2) and "this should not happen" not in said and "Traceback" not in said


def listen(server: EditorServer) -> None:
    raise BadInput("it would listen now")


@pytest.fixture
def table(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("query\nhi\n")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_whatever_is_typed(
    cli: Cli, hello: str, table: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    (tmp_path / hello).rename(tmp_path / "hello.json")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(tmp_path / "endpoints.toml"))
    monkeypatch.setattr(EditorServer, "__enter__", listen)
    for text in STRINGS:
        answer = cli(*(word.replace("X", text) if "X" in word else word for word in command))
        assert sound(answer), (text[:40], answer.err[-600:])
        assert answer.err.count("\n") < 12, answer.err


def graph_with(value: Any, place: str) -> dict[str, Any]:
    """A graph that would show a number and a text, but for one odd value somewhere."""
    graph: dict[str, Any] = {
        "1": {"class_type": "PrimitiveFloat", "inputs": {"value": 1.5}},
        "2": {"class_type": "APText", "inputs": {"text": "hi"}, "_meta": {"title": "query"}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
        "4": {"class_type": "TCount", "inputs": {"text": ["2", 0], "times": 2}},
        "5": {"class_type": "APShowText", "inputs": {"value": ["4", 0]}},
        "6": {"class_type": "PrimitiveInt", "inputs": {"value": 3}},
    }
    *way, last = place.split("/")
    inside = graph
    for key in way:
        inside = inside[key]
    inside[last] = value
    return graph


PLACES = ["1/inputs/value", "6/inputs/value", "4/inputs/times", "2/inputs/text", "3/inputs/source", "5/inputs/value"]
PLACES += ["2/_meta/title", "2/_meta", "4/inputs", "4/class_type", "4", "prompt", "nodes", "extra"]


@pytest.mark.parametrize("place", PLACES)
def test_whatever_stands_in_a_graph(cli: Cli, tmp_path: Path, place: str) -> None:
    (tmp_path / "table.csv").write_text("query\nhi\n")
    for number, value in enumerate(ODD):
        name = f"{number}.json"
        (tmp_path / name).write_text(json.dumps(graph_with(value, place)))
        for words in (
            ["check", name],
            ["run", name],
            ["export", name, "--format", "python"],
            ["map", name, "table.csv"],
        ):
            more = ["--out", f"of {number}"] if words[0] == "map" else []
            answer = cli(*words, *more)
            assert sound(answer), (words, str(value)[:40], answer.err[-600:])


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_whatever_stands_in_a_row(cli: Cli, hello: str, tmp_path: Path, kind: str) -> None:
    for number, value in enumerate([*ODD, *STRINGS]):
        cell = str(value).encode("utf-8", "surrogatepass")
        row = json.dumps({"times": value}).encode() if kind == "jsonl" else b"query,times\nhi," + cell
        (tmp_path / f"table.{kind}").write_bytes(row + b"\n")
        answer = cli("map", hello, f"table.{kind}", "--out", f"of {number}", "--keep", "query")
        assert sound(answer), (str(value)[:40], answer.err[-600:])


files = st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
odd = st.sampled_from(
    [json.dumps(value).encode() for value in ODD] + [b"[" * 10**5, b'{"a":' * 10**5, b"1e999", b"\xff"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=UNHURRIED)
@given(content=files | odd, kind=st.sampled_from(["json", "csv", "tsv", "jsonl", "txt", "png"]))
def test_whatever_file_is_named(cli: Cli, hello: str, tmp_path: Path, content: bytes, kind: str) -> None:
    name = f"file.{kind}"
    (tmp_path / name).write_bytes(content)
    commands = (["check", name], ["export", name, "--format", "api"], ["map", hello, name], ["report", name])
    for words in commands:
        answer = cli(*words)
        assert sound(answer), (words, answer.err[-600:])

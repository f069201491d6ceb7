"""`api-graph explain`: a graph in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Cli = Callable[..., Any]


def test_a_graph_of_ones_own(cli: Cli, hello: str) -> None:
    answer = cli("explain", hello, "--set", "times=3")
    assert answer.code == 0
    assert answer.out.splitlines() == [
        "graph.json: 5 nodes, in the order in which they run.",
        "",
        "1. query: Shared text",
        "   A text that several nodes can share.",
        '   text = "hello "',
        "",
        "2. Count",
        "   A text several times over.",
        "   text: from 1. query",
        "   times = 3 (default 2)",
        "",
        "3. Answer: Show text",
        "   Show a text, or anything else as text.",
        "   value: from 2. Count",
        "",
        "4. Picture",
        "   A red picture of 6 × 4 pixels.",
        "",
        "5. Save images as PNG",
        "   Write images as PNG into the output folder, with the graph embedded, so that the picture can be run again.",
        "   images: from 4. Picture",
        '   filename_prefix = "red/pic" (default "api-graph")',
    ]


def test_what_stands_at_its_default_is_left_out(cli: Cli, hello: str) -> None:
    assert "times =" not in cli("explain", hello).out


def test_a_node_that_nothing_needs(cli: Cli, graph: Callable[..., str]) -> None:
    name = graph(
        {"1": ("APText", {"text": "a"}), "2": ("APText", {"text": "b"}), "3": ("APShowText", {"value": ["2", 0]})}
    )
    told = cli("explain", name).out.splitlines()
    assert told[-3:-1] == [
        "3. Shared text",
        "   A text that several nodes can share. Nothing that is saved or shown needs it: it does not run.",
    ]


def test_a_shipped_graph_says_what_it_is_for(cli: Cli) -> None:
    told = cli("explain", "api_clip_crop").out.splitlines()
    assert told[1:3] == [
        "What it does: a square crop of what the text means, and its box.",
        "When to use it: The thing is small in the image, and whoever gets it wants it large.",
    ]


def test_in_json(cli: Cli, hello: str) -> None:
    document = cli("explain", hello, "--json").json
    assert (document["ok"], document["graph"], len(document["steps"])) == (True, "graph.json", 5)
    assert document["steps"][1] == {
        "number": 2,
        "id": "2",
        "title": "Count",
        "name": "Count",
        "class_type": "TCount",
        "does": "A text several times over",
        "settings": [],
        "wires": [{"input": "text", "step": 1, "title": "query", "output": ""}],
        "output": False,
        "runs": True,
    }
    assert cli("explain", "api_clip", "--json").json["what"].startswith("the paper's recipe")


def test_mistakes_are_a_line(cli: Cli, hello: str) -> None:
    answer = cli("explain", "api_clp")
    assert (answer.code, len(answer.errors)) == (2, 1) and "Did you mean api_clip" in answer.err
    answer = cli("explain", hello, "--set", "times=eleven")
    assert (answer.code, len(answer.errors), answer.out) == (2, 1, "")

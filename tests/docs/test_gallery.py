"""The gallery has a card for every shipped graph, whose picture is there and whose command can run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest

from api_graph.docs.gallery import command, sentence
from api_graph.draw.cards import CARDS, GROUPS
from api_graph.graph import read_graph, set_inputs, validate
from api_graph.registry import described_nodes
from api_graph.settings import shipped

ROOT = Path(__file__).parents[2]
GALLERY = (ROOT / "docs" / "gallery.md").read_text("utf-8")
ENTRY = re.compile(
    r'^\* {3}<a id="(?P<id>\w+)"></a>!\[.*?\]\((?P<picture>\S+)\)\n\n.*?^ {4}```sh\n {4}(?P<run>.*?)\n', re.M | re.S
)


def test_every_graph_has_one_card() -> None:
    assert sorted(CARDS) == sorted(shipped())
    assert sum(len(group.cards) for group in GROUPS) == len(CARDS)
    assert [found["id"] for found in ENTRY.finditer(GALLERY)] == list(CARDS)


def test_every_card_has_a_picture_and_words_of_its_own() -> None:
    for found in ENTRY.finditer(GALLERY):
        assert (ROOT / "docs" / unquote(found["picture"])).is_file()
    assert len({card.what for card in CARDS.values()}) == len(CARDS)
    assert [
        name for name, card in CARDS.items() if card.what.startswith("the same") or not card.when.endswith(".")
    ] == []


def test_every_command_of_a_card_sets_what_its_graph_has() -> None:
    registry = described_nodes()
    for found in ENTRY.finditer(GALLERY):
        program, verb, name, *options = shlex.split(found["run"])
        assert (program, verb, name) == ("api-graph", "run", found["id"])
        assert options[::2] == ["--set"] * len(options[::2])
        values = dict(option.split("=", 1) for option in options[1::2])
        graph = read_graph(shipped()[name], registry)
        validate(set_inputs(graph, registry, {}, values), registry)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("api_clip", ["api-graph", "run", "api_clip", "--set", "query=the yellow ring"]),
        ("gaze_boxes", ["api-graph", "run", "gaze_boxes", "--set", "query=What colour is the star?"]),
        ("api_clip_questions", ["api-graph", "run", "api_clip_questions"]),  # its queries stand on three lines
        ("classify_plain", ["api-graph", "run", "classify_plain"]),  # it has none
    ],
)
def test_the_command_of_a_card(name: str, words: list[str]) -> None:
    registry = described_nodes()
    assert shlex.split(command(name, read_graph(shipped()[name], registry), registry)) == words


def test_sentences() -> None:
    assert sentence("a mask, drawn") == "A mask, drawn."
    assert sentence("which one?.") == "Which one?."

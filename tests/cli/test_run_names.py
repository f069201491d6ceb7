"""`api-graph run --names`: files whose names say what was asked of which graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture
def asked(graph: Callable[..., str]) -> str:
    """A graph that saves a picture, with a question and an image as its inputs."""
    return graph(
        {
            "1": ("APText", {"text": "Where is the RED ring?"}, "query"),
            "2": ("APText", {"text": "photos/my photo.jpg"}, "image"),
            "3": ("APText", {"text": ""}, "empty"),
            "4": ("TPicture", {}),
            "5": ("APSaveImage", {"images": ["4", 0], "filename_prefix": "sub/map"}),
        },
        name="my graph.json",
    )


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{graph}_{query.slug}", "my graph_where-is-the-red-ring_map_00001_.png"),
        ("{query.slug:8}", "where-is_map_00001_.png"),
        ("{image.stem}-{graph:2}", "my photo-my_map_00001_.png"),
        ("{empty}_{graph}", "my graph_map_00001_.png"),
        ("plain", "plain_map_00001_.png"),
        ("", "map_00001_.png"),
    ],
)
def test_names(cli: Cli, asked: str, template: str, name: str) -> None:
    answer = cli("run", asked, "--names", template)
    assert (answer.code, answer.out.splitlines()[0]) == (0, f"output/sub/{name}")
    assert Path("output/sub", name).is_file()


def test_what_is_set_is_what_the_name_says(cli: Cli, asked: str) -> None:
    answer = cli("run", asked, "--names", "{query.slug}", "--set", "query=../../a dog?")
    assert answer.out.splitlines()[0] == "output/sub/a-dog_map_00001_.png"


def test_other_names_are_other_files_and_equal_ones_still_stand(cli: Cli, asked: str) -> None:
    for template, names in (("{graph}", 1), ("{query.slug}", 2), ("{graph}", 2), ("", 3), ("{query.slug}", 3)):
        assert cli("run", asked, "--names", template).code == 0
        assert len(list(Path("output/sub").iterdir())) == names


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{key}", "has a field that is no column and no input: 'key'"),
        ("{row:3}", "has a field that is no column and no input: 'row'"),
        ("{nothing}", "There are: graph, and inputs."),
        ("../{graph}", "has what no file may be called: '../'"),
        ("{graph", "cannot be read"),
    ],
)
def test_templates_that_cannot_be_used(cli: Cli, asked: str, template: str, said: str) -> None:
    answer = cli("run", asked, "--names", template)
    assert (answer.code, len(answer.errors)) == (2, 1)
    assert said in answer.err and answer.err.startswith("error: --names: the template of file names")
    assert not Path("output").exists()

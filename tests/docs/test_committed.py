"""What is generated is committed as it is generated now."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from PIL import Image

from api_graph.draw import template_name
from api_graph.draw.core_templates import CORE_TEMPLATES
from api_graph.draw.templates import APPS, TEMPLATES
from api_graph.registry import own_nodes
from api_graph.settings import shipped

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
TEMPLATE_NAMES = [*TEMPLATES.values(), *CORE_TEMPLATES]


def test_all_texts_are_up_to_date(make_docs) -> None:
    """If not: python tools/make_docs.py"""
    texts = make_docs["texts"]()
    templates = len(shipped()) + len(CORE_TEMPLATES)
    assert len(texts) == 4 + 2 * 2 + 2 * len(own_nodes()) + templates + len(make_docs["BLUEPRINTS"])
    assert [path for path, text in texts.items() if not (ROOT / path).is_file()] == []
    assert [path for path, text in texts.items() if (ROOT / path).read_text("utf-8") != text] == []


def test_contributors_are_told_what_is_written(make_docs) -> None:
    (line,) = re.findall(r"^\| `python tools/make_docs\.py` \| (.+) \|$", CONTRIBUTING, flags=re.M)
    patterns = [f"{name}*" if name.endswith("/") else name for name in re.findall(r"`([^`]+)`", line)]
    written = [str(path) for path in make_docs["texts"]()]
    assert [path for path in written if not any(fnmatch(path, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(fnmatch(path, pattern) for path in written)] == []


def test_contributors_are_led_to_files_that_are_there() -> None:
    names = re.findall(r"`((?:api_graph|nodes|tests|tools|docs|benchmarks)/[\w./]*)`|\]\(([\w./]+)\)", CONTRIBUTING)
    assert [name for pair in names for name in pair if name and not (ROOT / name).exists()] == []


def test_nothing_is_left_over(make_docs) -> None:
    pictures = [f"example_workflows/{name}.jpg" for name in TEMPLATE_NAMES]
    assert make_docs["left_over"]([*make_docs["texts"](), *pictures]) == []


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_every_example_has_its_picture(name: str, make_docs) -> None:
    """If not: python tools/make_docs.py --pictures"""
    with Image.open(ROOT / "example_workflows" / f"{name}.jpg") as picture:
        assert picture.size == make_docs["THUMBNAIL"]
        assert picture.getextrema() != ((28, 28), (29, 29), (32, 32))  # not the empty ground


def test_templates_have_names_that_people_read() -> None:
    """Six to begin with, in this order; each a name that every file system takes."""
    assert list(TEMPLATES) and set(TEMPLATES) == set(shipped()) and len(set(TEMPLATES.values())) == len(TEMPLATES)
    assert [name[:2] for name in list(TEMPLATES.values())[:6]] == [f"{number} " for number in range(1, 7)]
    assert [name for name in TEMPLATE_NAMES if not re.fullmatch(r"[\w ,-]+(\.app)?", name, re.ASCII)] == []
    assert [graph for graph, name in TEMPLATES.items() if name.endswith(".app")] == list(APPS)


@pytest.mark.parametrize("graph", APPS)
def test_apps_ask_for_values_and_show_a_result(graph: str) -> None:
    saved = json.loads((ROOT / "example_workflows" / f"{template_name(graph)}.json").read_text("utf-8"))
    nodes = {node["id"]: node for node in saved["nodes"]}
    assert saved["extra"]["linearMode"] is True
    asked = saved["extra"]["linearData"]["inputs"]
    assert [(nodes[id]["type"], widget) for id, widget in asked] == [("APLoadImage", "image"), ("APText", "text")]
    (shown,) = saved["extra"]["linearData"]["outputs"]
    spec = own_nodes()[nodes[shown]["type"]]
    assert spec.output and "IMAGE" in [one.socket for one in spec.inputs]  # ComfyUI's App Mode shows no text

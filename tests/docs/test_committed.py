"""What is generated is committed as it is generated now."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from api_graph.registry import own_nodes
from api_graph.settings import shipped

ROOT = Path(__file__).parents[2]


def test_all_texts_are_up_to_date(make_docs) -> None:
    """If not: python tools/make_docs.py"""
    texts = make_docs["texts"]()
    assert len(texts) == 1 + 2 * 2 + 2 * len(own_nodes()) + len(shipped()) + len(make_docs["BLUEPRINTS"])
    assert [path for path, text in texts.items() if not (ROOT / path).is_file()] == []
    assert [path for path, text in texts.items() if (ROOT / path).read_text("utf-8") != text] == []


def test_nothing_is_left_over(make_docs) -> None:
    pictures = [f"example_workflows/{name}.jpg" for name in shipped()]
    assert make_docs["left_over"]([*make_docs["texts"](), *pictures]) == []


@pytest.mark.parametrize("name", shipped())
def test_every_example_has_its_picture(name: str, make_docs) -> None:
    """If not: python tools/make_docs.py --pictures"""
    with Image.open(ROOT / "example_workflows" / f"{name}.jpg") as picture:
        assert picture.size == make_docs["THUMBNAIL"]
        assert picture.getextrema() != ((28, 28), (29, 29), (32, 32))  # not the empty ground

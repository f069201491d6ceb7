"""The pictures of docs/concepts.md are those that tools/draw_concepts.py draws."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "concepts.md").read_text("utf-8")


@pytest.fixture(scope="module")
def drawn() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / "draw_concepts.py"))["pictures"]()


def test_the_page_shows_each_of_them(drawn: dict[str, Image.Image]) -> None:
    assert sorted(re.findall(r"\]\(concepts/(\w+)\.jpg\)", PAGE)) == sorted(drawn)
    assert {path.stem for path in (ROOT / "docs" / "concepts").iterdir()} == drawn.keys()


@pytest.mark.parametrize("name", ["psi", "blend", "geometry", "fovea", "recipes"])
def test_the_committed_picture_is_the_drawn_one(drawn: dict[str, Image.Image], name: str) -> None:
    """If not: python tools/draw_concepts.py. JPEG and another release of torch change single levels."""
    with Image.open(ROOT / "docs" / "concepts" / f"{name}.jpg") as committed:
        assert committed.size == drawn[name].size
        difference = np.asarray(ImageChops.difference(committed.convert("RGB"), drawn[name]), dtype=float)
    assert difference.mean() < 2.5

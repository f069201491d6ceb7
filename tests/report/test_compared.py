"""`api-graph report --compare`: the report leads to a page of this run beside another one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.comparison.conftest import Runs
from tests.report.test_command import call  # noqa: F401

NUMBERS = {"old": (1.0, 2.0, 3.0), "new": (2.0, 3.5, 5.0)}


@pytest.fixture
def two(tmp_path: Path) -> dict[str, Path]:
    runs = Runs(tmp_path)
    return {name: runs.numbers(name, numbers) for name, numbers in NUMBERS.items()}


def linked(page: Path) -> Sequence[str]:
    return page.read_text("utf-8").split('<p><a href="')[1:]


def test_the_page_beside_it(call: Any, two: dict[str, Path]) -> None:  # noqa: F811
    answer = call(str(two["new"]), "--compare", str(two["old"]), "--figure", "Figures.mass")
    assert answer.code == 0, answer.err
    beside = two["new"] / "report-compared.html"
    assert answer.out.splitlines()[0] == str(two["new"] / "report.html")
    assert answer.out.splitlines()[-1].startswith(f"{beside}: ")
    assert "+1.5" in answer.out.splitlines()[-1]  # (1 + 1.5 + 2) / 3
    (link,) = linked(two["new"] / "report.html")
    assert link.startswith("report-compared.html")
    assert beside.read_text("utf-8").startswith("<!doctype html>")


def test_another_name_and_json(call: Any, two: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    page = tmp_path / "a page #1.html"
    words = ["--compare", str(two["old"]), "--figure", "Figures.mass", "--out", str(page), "--json"]
    document = json.loads(call(str(two["new"]), *words).out)
    assert document["compared"] == str(tmp_path / "a page #1-compared.html")
    assert Path(document["compared"]).is_file()
    (link,) = linked(page)
    assert link.startswith("a%20page%20%231-compared.html")


def test_without_it_there_is_none(call: Any, two: dict[str, Path]) -> None:  # noqa: F811
    document = json.loads(call(str(two["new"]), "--json").out)
    assert "compared" not in document
    assert linked(two["new"] / "report.html") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--figure", "Figures.mass"], "Name it with --compare DIR."),
        (["--truth", "truth"], "Name it with --compare DIR."),
        (["--compare", "nowhere", "--figure", "Figures.mass"], "nowhere"),
        (["--compare", "OLD", "--figure", "Nothing"], "Nothing"),
    ],
)
def test_mistakes_write_nothing(call: Any, two: dict[str, Path], words: list[str], said: str) -> None:  # noqa: F811
    words = [str(two["old"]) if word == "OLD" else word for word in words]
    answer = call(str(two["new"]), *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert not list(two["new"].glob("*.html"))

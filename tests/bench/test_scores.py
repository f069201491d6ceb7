"""The files that say how a benchmark went: written, read back, and damaged in every way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.bench.scores import (
    FIGURES,
    SCORES,
    Figure,
    ItemScore,
    mean_figure,
    read_figures,
    read_scores,
    share_figure,
    write_figures,
    write_scores,
)
from api_graph.errors import BadInput

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
FRACTIONS = st.floats(0, 1)
ITEMS = st.builds(
    ItemScore,
    item=TEXTS.filter(str.strip),
    row=st.integers(0, 10**9),
    score=st.none() | FRACTIONS,
    category=st.none() | TEXTS,
    answer=TEXTS,
    truth=TEXTS | st.lists(TEXTS, max_size=3).map(tuple),
    status=st.sampled_from(["ok", "failed", "refused", "drawn"]),
)
NUMBERS = st.floats(-1e6, 1e6)
FIGURE = st.builds(
    Figure,
    name=TEXTS.filter(str.strip),
    value=NUMBERS,
    n=st.integers(0, 10**9),
    low=st.none() | NUMBERS,
    high=st.none() | NUMBERS,
)
LINE: dict[str, Any] = {
    "item": "a",
    "row": 0,
    "score": 0.3,
    "category": None,
    "answer": "",
    "truth": ["cat", "kitty"],
    "status": "ok",
}
A_FIGURE: dict[str, Any] = {"name": "accuracy", "value": 0.5, "n": 2, "low": 0.1, "high": None}


@given(st.lists(ITEMS, max_size=4, unique_by=lambda score: score.item))
def test_scores_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, scores: list[ItemScore]) -> None:
    folder = tmp_path_factory.mktemp("scores")
    assert write_scores(folder, scores) == folder / SCORES
    assert read_scores(folder) == scores


@given(st.lists(FIGURE, max_size=4))
def test_figures_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, figures: list[Figure]) -> None:
    folder = tmp_path_factory.mktemp("figures")
    assert write_figures(folder, figures) == folder / FIGURES
    assert read_figures(folder) == figures


def test_a_line_is_what_others_read(tmp_path: Path) -> None:
    write_scores(tmp_path, [ItemScore("a", 0, 0.3, None, "", ("cat", "kitty"))])
    assert [json.loads(line) for line in (tmp_path / SCORES).read_text().splitlines()] == [LINE]
    write_figures(tmp_path, [Figure("accuracy", 0.5, 2, 0.1)])
    assert json.loads((tmp_path / FIGURES).read_text()) == {"figures": [A_FIGURE]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("item", ""),
        ("item", 3),
        ("row", -1),
        ("row", 0.5),
        ("score", 1.5),
        ("score", "0.3"),
        ("score", True),
        ("category", 4),
        ("answer", None),
        ("truth", [1]),
        ("truth", None),
        ("status", "perhaps"),
        *((field, ...) for field in LINE),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, field: str, value: object) -> None:
    damaged = {**LINE, "item": "b", field: value}
    if value is ...:
        del damaged[field]
    (tmp_path / SCORES).write_text(f"{json.dumps(LINE)}\n{json.dumps(damaged)}\n")
    with pytest.raises(BadInput, match=rf"scores\.jsonl, line 2, field '{field}'"):
        read_scores(tmp_path)


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / SCORES).write_text(f"{json.dumps(LINE)}\n{json.dumps(LINE)[:20]}\n")
    with pytest.raises(BadInput, match=r"scores\.jsonl, line 2: this is no JSON"):
        read_scores(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("value", None), ("value", "0.5"), ("value", False), ("n", -1), ("n", 0.5), ("low", "x")]
    + [(field, ...) for field in A_FIGURE],
)
def test_a_damaged_figure_is_named(tmp_path: Path, field: str, value: object) -> None:
    damaged = {**A_FIGURE, field: value}
    if value is ...:
        del damaged[field]
    (tmp_path / FIGURES).write_text(json.dumps({"figures": [A_FIGURE, damaged]}))
    with pytest.raises(BadInput, match=rf"figures\.json, field 'figures\[1\]\.{field}'"):
        read_figures(tmp_path)


def test_one_item_has_one_score(tmp_path: Path) -> None:
    scores = [ItemScore("a", row, 1.0, None, "x", "x") for row in (0, 1)]
    with pytest.raises(BadInput, match="two scores are of one item"):
        write_scores(tmp_path, scores)
    assert list(tmp_path.iterdir()) == [], "nothing of it stays"
    (tmp_path / SCORES).write_text(f"{json.dumps(LINE)}\n{json.dumps(LINE)}\n")
    with pytest.raises(BadInput, match="line 2, field 'item': an earlier score is of the same item"):
        read_scores(tmp_path)


def test_a_folder_without_scores_says_what_helps(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="bench score"):
        read_scores(tmp_path)


def test_a_share_has_wilsons_interval() -> None:
    # By hand, z = 1.959964: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n) with p = 3/4, n = 4.
    z, p, n = 1.959964, 0.75, 4
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    figure = share_figure("accuracy", [True, True, False, True])
    assert (figure.name, figure.value, figure.n) == ("accuracy", 0.75, 4)
    assert figure.low == pytest.approx((p + z * z / (2 * n) - half) / (1 + z * z / n))
    assert figure.high == pytest.approx((p + z * z / (2 * n) + half) / (1 + z * z / n))
    assert mean_figure("accuracy", [1.0, 1, 0, 1.0]) == figure


def test_a_mean_of_fractions_has_the_bootstraps() -> None:
    figure = mean_figure("accuracy", [0.3, 0.9] * 50)
    assert figure.value == pytest.approx(0.6) and figure.n == 100
    assert figure.low is not None and figure.high is not None
    # The mean's standard error is 0.3 / √100; an interval of 95 % is near ± 1.96 of them.
    assert figure.low == pytest.approx(0.6 - 1.96 * 0.03, abs=0.01)
    assert figure.high == pytest.approx(0.6 + 1.96 * 0.03, abs=0.01)


def test_nothing_has_no_share() -> None:
    with pytest.raises(BadInput, match="nothing"):
        mean_figure("accuracy", [])

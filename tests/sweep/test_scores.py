"""The score of each setting, by hand and by numpy and the statistics of benchmarks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_graph import map_graph
from api_graph.errors import BadInput
from api_graph.sweep.scores import SettingScore, sweep_scores
from tests.table.runs import rows_of, table

from .conftest import Made

GRID = {"kernel_size": [7, 1], "mode": ["minmax", "none"]}


def test_means_and_wilsons_intervals(made: Made) -> None:
    # One of four is right with 7 and minmax, two with 7 and none; three with 1, and all but the last with 1 and none.
    right = {(7, "minmax"): 1, (7, "none"): 2, (1, "minmax"): 3, (1, "none"): 4}
    folder = made(GRID, lambda row, own: row < right[own["kernel_size"], own["mode"]])
    found = sweep_scores(folder)
    assert (found.figure, found.percent, found.axes, found.fixed) == ("Figures.mass", True, GRID, {})
    assert [(score.settings["kernel_size"], score.settings["mode"]) for score in found.scores] == list(right)
    assert [score.mean for score in found.scores] == [0.25, 0.5, 0.75, 1.0]
    assert [score.count for score in found.scores] == [4] * 4 and found.notes == []
    z = 1.959963984540054
    for score in found.scores:  # (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)
        p, n = score.mean, 4
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert score.low == pytest.approx(max(0, middle - half) / (1 + z * z / n), abs=1e-9)
        assert score.high == pytest.approx(min(1 + z * z / n, middle + half) / (1 + z * z / n), abs=1e-9)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(2, 6), st.integers(0, 999))
def test_each_mean_is_over_its_own_rows(made: Made, rows: int, seed: int) -> None:
    numbers = np.random.default_rng(seed).normal(size=(rows, 2, 2)).round(3)

    def score(row: int, own: Any) -> float:
        return float(numbers[row, GRID["kernel_size"].index(own["kernel_size"]), GRID["mode"].index(own["mode"])])

    found = sweep_scores(made(GRID, score, rows, f"run{rows}_{seed}"), seed=seed)
    assert not found.percent
    assert np.allclose([own.mean for own in found.scores], numbers.mean(0).ravel())
    assert all(own.low <= own.mean + 1e-12 and own.mean <= own.high + 1e-12 for own in found.scores)


def test_a_setting_can_be_looked_at_alone(made: Made) -> None:
    folder = made({"a": [1, 3, 2], "b": [0.5]}, lambda row, own: float(own["a"]))
    found = sweep_scores(folder)
    assert found.fixed == {"b": 0.5} and [score.mean for score in found.scores] == [1, 3, 2]
    assert [score.settings for score in sweep_scores(folder, at={"a": 3}).scores] == [{"a": 3, "b": 0.5}]
    assert sweep_scores(folder, at={"a": "3"}).scores == sweep_scores(folder, at={"a": 3}).scores
    assert sweep_scores(folder, at={"b": "0.5"}).scores == found.scores


def test_rows_without_a_score_are_counted(made: Made) -> None:
    found = sweep_scores(made(GRID, lambda row, own: None if row == 3 and own["kernel_size"] == 7 else float(row)))
    assert [score.count for score in found.scores] == [3, 3, 4, 4] and found.unscored == 2
    assert found.notes == [
        "2 rows have no score.",
        "Settings have 3 to 4 rows: finish the run before you compare them.",
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"at": {"kernel": 1}}, "no such input .*kernel_size, mode"),
        ({"at": {"kernel_size": 3}}, "no such value .*7, 1"),
        ({"figure": "Nothing"}, "no such figure"),
        ({"truth": "nothing"}, "no such column"),
    ],
)
def test_what_is_not_there_is_refused(made: Made, more: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=f"(?s){said}"):
        sweep_scores(made(GRID, lambda row, own: 1.0), **more)


def test_a_run_without_a_grid_is_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no grid of settings"):
        sweep_scores(made({}, lambda row, own: 1.0))
    with pytest.raises(BadInput, match="no such folder"):
        sweep_scores(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="no row has a score"):
        folder = made(GRID, lambda row, own: None if own["kernel_size"] == 7 else 1.0, name="half")
        sweep_scores(folder, at={"kernel_size": 7})


def test_a_run_in_shards_and_a_grid_that_grew(tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "APLoadImage", "inputs": {"image": "0.png"}, "_meta": {"title": "image"}},
        "2": {"class_type": "APText", "inputs": {"text": "?"}, "_meta": {"title": "said"}},
        "3": {"class_type": "APShowText", "inputs": {"value": ["2", 0]}, "_meta": {"title": "Answer"}},
        "4": {"class_type": "APSaveImage", "inputs": {"images": ["1", 0]}, "_meta": {"title": "Saved"}},
    }
    rows = [{**row, "truth": "yes" if number else "no"} for number, row in enumerate(rows_of(3, 1))]
    path = table(tmp_path, rows)

    def run(out: str, *said: str, **more: Any) -> None:
        list(map_graph(graph, path, output=tmp_path / out, grid={"said": list(said)}, cache=False, **more))

    def means(out: str) -> list[tuple[Any, float, int]]:
        found: list[SettingScore] = [*sweep_scores(tmp_path / out, "Answer", truth="truth").scores]
        return [(score.settings["said"], round(3 * score.mean), score.count) for score in found]

    expected = [("no", 1, 3), ("yes", 2, 3), ("both", 0, 3)]
    run("grown", "no", "yes")
    run("grown", "no", "yes", "both")
    for part in ("1/2", "2/2"):
        run("shards", "no", "yes", "both", shard=part)
    assert means("grown") == means("shards") == expected

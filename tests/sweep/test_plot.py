"""The drawing: what stands in the table, where the points and bars lie, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from api_graph.errors import BadInput
from api_graph.sweep import plot
from api_graph.sweep.plot import plot_sweep
from api_graph.sweep.scores import sweep_scores

from .conftest import Made

GRID = {"start_layer": [-1, -4, -2], "mode": ["minmax", "none $x$"]}


def score(row: int, own: Mapping[str, Any]) -> float:
    return row * row + 10.0 * own.get("start_layer", 0) + (own.get("mode") == "minmax")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are saved."""
    pytest.importorskip("matplotlib", reason="needs api-graph[plots]")
    seen: list[Any] = []
    whole = plot.save_figure
    monkeypatch.setattr(plot, "save_figure", lambda figure, *rest: (seen.append(figure), whole(figure, *rest))[1])
    return seen


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_table_and_curves(made: Made, figures: list[Any], tmp_path: Path) -> None:
    drawn = plot_sweep(made(GRID, score), tmp_path / "plot.svg")
    table, curves = figures[0].axes
    assert (drawn.files, drawn.notes) == ([tmp_path / "plot.svg"], [])
    # The mean of 0, 1, 4 and 9 is 3.5. Numbers lie in their order, whatever the grid's is.
    means = np.array([[-35.5, -15.5, -5.5], [-36.5, -16.5, -6.5]])
    assert np.allclose(table.images[0].get_array(), means)
    assert [text.split("\n")[0] for text in texts(table)] == [f"{mean:.1f}" for mean in means.ravel()]
    by_setting = {tuple(own.settings.values()): own for own in drawn.sweep.scores}
    low, high = (getattr(by_setting[-4, "minmax"], name) for name in ("low", "high"))
    assert texts(table)[0].split("\n")[1] == f"{low:.1f} to {high:.1f}"
    assert [label.get_text() for label in table.get_xticklabels()] == ["-4", "-2", "-1"]
    assert [label.get_text() for label in table.get_yticklabels()] == ["minmax", r"none \$x\$"]
    lines = [container.lines[0] for container in curves.containers]
    assert np.allclose([line.get_ydata() for line in lines], means)
    assert np.allclose(np.mean([line.get_xdata() for line in lines], axis=0), [-4, -2, -1])
    (bars,) = curves.containers[0].lines[2]
    assert np.allclose(bars.get_segments()[0][:, 1], [low, high])
    assert (curves.get_xlabel(), curves.get_ylabel()) == ("start_layer", "Figures.mass")
    assert [text.get_text() for text in curves.get_legend().get_texts()] == ["minmax", r"none \$x\$"]


def test_x_lines_and_kind_are_a_choice(made: Made, figures: list[Any], tmp_path: Path) -> None:
    folder = made(GRID, score)
    plot_sweep(folder, tmp_path / "a.png", x="mode", kind="curves")
    plot_sweep(folder, tmp_path / "b.png", lines="start_layer", kind="table")
    (curves,), (table,) = (figure.axes for figure in figures)
    assert len(curves.containers) == 3 and curves.get_xlabel() == "mode"
    assert curves.containers[0].lines[0].get_linestyle() == "None"  # no line joins what are no numbers
    assert table.images[0].get_array().shape == (3, 2)


def test_shares_are_percents_and_a_third_input_has_panels(made: Made, figures: list[Any], tmp_path: Path) -> None:
    folder = made({**GRID, "control": ["none", "blur"]}, lambda row, own: row >= 1 or own["control"] == "none")
    plot_sweep(folder, tmp_path / "plot.pdf")
    plot_sweep(folder, tmp_path / "curves.pdf", kind="curves")
    assert [axes.get_title() for axes in figures[0].axes] == ["control = none"] * 2 + ["control = blur"] * 2
    assert np.allclose(figures[0].axes[2].images[0].get_array(), 75)
    limits = {axes.get_ylim() for axes in figures[1].axes}
    assert len(limits) == 1 and figures[1].axes[0].get_ylabel() == "Figures.mass (%)"
    assert all(axes.get_ylim() == limits.copy().pop() for axes in figures[0].axes[1::2])


def test_one_input_is_a_curve_and_gaps_stay_empty(made: Made, figures: list[Any], tmp_path: Path) -> None:
    plot_sweep(made({"start_layer": [-1, -2, -4]}, score), tmp_path / "one.png")
    assert len(figures[0].axes) == 1 and figures[0].axes[0].get_legend() is None
    missing = lambda row, own: None if own == {"start_layer": -2, "mode": "minmax"} else 1.0  # noqa: E731
    drawn = plot_sweep(made(GRID, missing, name="gap"), tmp_path / "gap.png", "Figures.mass")
    table, curves = figures[1].axes
    assert texts(table)[1] == "–" and len(curves.containers[0].lines[0].get_xdata()) == 2
    assert drawn.notes == ["4 rows have no score."]


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_files_are_the_same_twice_and_of_their_size(made: Made, figures: list[Any], kind: str, tmp_path: Path) -> None:
    folder = made(GRID, score)
    one, other = tmp_path / f"one.{kind}", tmp_path / f"other.{kind}"
    plot_sweep(folder, one, width=5, dpi=80)
    plot_sweep(folder, other, width=5, dpi=80)
    assert one.read_bytes() == other.read_bytes()
    if kind == "png":
        with Image.open(one) as image:
            assert image.width == 400


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"out": "plot.jpg"}, "a .pdf, .svg or .png"),
        ({"out": "folder.png"}, "this is a folder"),
        ({"out": "file/plot.png"}, "cannot be written"),
        ({"width": 1.0}, "--width"),
        ({"dpi": 10}, "--dpi"),
        ({"x": "kernel"}, "not several values .*start_layer, mode"),
        ({"x": "mode", "lines": "mode"}, "along x already"),
        ({"at": {"start_layer": -1, "mode": "minmax"}}, "only one setting"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    made: Made, figures: list[Any], more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    out = tmp_path / more.pop("out", "plot.png")
    with pytest.raises(BadInput, match=said):
        plot_sweep(made(GRID, score), out, **more)


def test_too_many_inputs_and_values_are_refused(made: Made, figures: list[Any], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="4 inputs have several values"):
        plot_sweep(made({name: [1, 2] for name in "abcd"}, lambda row, own: 1.0), tmp_path / "a.png")
    folder = made({"a": [1, 2], "b": list("abcdefghi")}, lambda row, own: 1.0, name="lines")
    with pytest.raises(BadInput, match="9 values are too many lines"):
        plot_sweep(folder, tmp_path / "a.png")
    plot_sweep(folder, tmp_path / "a.png", x="b")


def test_without_matplotlib_the_command_to_install_it_is_said(
    made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    folder = made(GRID, score)
    with pytest.raises(BadInput, match=r"pip install 'api-graph\[plots\]'"):
        plot_sweep(folder, tmp_path / "plot.png")
    assert len(sweep_scores(folder).scores) == 6

"""Localisation metrics, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from api_graph.bench.localization import (
    Case,
    Scores,
    energy_in_box,
    evaluate_maps,
    iou_at_otsu,
    iou_best,
    otsu_threshold,
    peak,
    pointing_game,
)
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.sockets import Attribution

# A 2×2 grid over 20×10 source pixels: cells are 10 wide and 5 high.
GRID = torch.tensor([[0.0, 1.0], [3.0, -2.0]])
WIDE = Geometry.whole(20, 10)
MAPS = arrays(float, (3, 4), elements=st.integers(-4, 4).map(float))


def test_the_peak_is_the_centre_of_the_largest_cell() -> None:
    assert peak(GRID, WIDE) == (5.0, 7.5)
    assert peak(GRID) == (0.5, 1.5)  # a cell a pixel


def test_the_peak_lies_where_the_model_looked() -> None:
    crop = Geometry(20, 10, 5.0, 0.0, 15.0, 10.0)  # the centre square
    assert peak(GRID, crop) == (7.5, 7.5)


def test_pointing_game() -> None:
    assert pointing_game(GRID, (0, 5, 10, 10), WIDE)
    assert not pointing_game(GRID, (6, 5, 10, 10), WIDE)
    assert pointing_game(GRID, (6, 5, 10, 10), WIDE, tolerance=1)
    assert not pointing_game(GRID, (6, 5, 10, 10), WIDE, tolerance=0.9)


def test_of_equal_peaks_the_first_counts_row_by_row() -> None:
    """Cells of 10×5 pixels; 3 stands at the upper right and the lower left, and rows are read from the top."""
    tied = torch.tensor([[0.0, 3.0], [3.0, -2.0]])
    assert peak(tied, WIDE) == (15.0, 2.5)
    assert pointing_game(tied, (10, 0, 20, 5), WIDE)
    assert not pointing_game(tied, (0, 5, 10, 10), WIDE)
    # A map that says nothing points at its first cell, and so does one that is nowhere above zero.
    for nothing in (torch.zeros(2, 2), torch.full((2, 2), -0.5)):
        assert peak(nothing, WIDE) == (5.0, 2.5)
        assert pointing_game(nothing, (0, 0, 10, 5), WIDE)
        assert not pointing_game(nothing, (10, 5, 20, 10), WIDE)
    # Within a row it is the left one.
    assert peak(torch.tensor([[-1.0, -1.0], [-1.0, -1.0], [-4.0, -1.0]]), WIDE) == (5.0, 10 / 6)


def test_a_peak_on_the_edge_of_the_box_is_a_hit() -> None:
    for box in ((5.0, 0, 9, 10), (1, 0, 5.0, 10), (0, 7.5, 20, 9), (0, 2, 20, 7.5)):
        assert pointing_game(GRID, box, WIDE)  # its peak lies at (5, 7.5)


def test_energy_counts_positive_mass_and_parts_of_cells() -> None:
    assert energy_in_box(GRID, (0, 5, 10, 10), WIDE) == pytest.approx(3 / 4)
    # Half of the lower left cell, and half of the upper right one.
    assert energy_in_box(GRID, (5, 0, 15, 10), WIDE) == pytest.approx(0.5 * 3 / 4 + 0.5 * 1 / 4)
    assert energy_in_box(-torch.ones(2, 2), (0, 0, 1, 1)) == 0.0


def test_otsu_splits_two_groups() -> None:
    assert otsu_threshold(np.array([[0.0, 0.1, 0.2], [5.0, 5.1, 0.0]])) == 0.2


def test_otsu_maximises_the_variance_between_classes() -> None:
    values = np.array([[1.0, 2.0, 4.0, 4.0], [7.0, 1.0, 3.0, 9.0]])

    def between(threshold: float) -> float:
        low, high = values[values <= threshold], values[values > threshold]
        return low.size * high.size * (low.mean() - high.mean()) ** 2

    assert otsu_threshold(values) == max((1.0, 2.0, 3.0, 4.0, 7.0), key=between)


def test_a_constant_map_has_no_foreground() -> None:
    constant = torch.full((4, 4), 0.3)
    assert otsu_threshold(constant) == pytest.approx(0.3)
    assert iou_at_otsu(constant, (0, 0, 2, 2)) == 0.0
    # At or above its one value lies everything: 4 of 16 pixels.
    assert iou_best(constant, (0, 0, 2, 2)) == pytest.approx(4 / 16)


def test_iou_by_hand() -> None:
    # Otsu keeps the lower left cell alone (50 px); the box (40 px) covers 40 of it.
    assert iou_at_otsu(torch.tensor([[0.0, 0.0], [3.0, 0.0]]), (0, 5, 8, 10), WIDE) == pytest.approx(40 / 50)
    # The two largest cells, left and upper right, 100 px, hold all of 75 px of the box's 100.
    assert iou_best(torch.tensor([[3.0, 2.0], [0.0, 0.0]]), (0, 0, 15, 5), WIDE) == pytest.approx(75 / 100)


@given(MAPS, st.integers(0, 2), st.integers(0, 1), st.integers(1, 2), st.integers(1, 2))
def test_metrics_stay_in_range(values: np.ndarray, left: int, top: int, width: int, height: int) -> None:
    box = (left, top, left + width, top + height)
    otsu, best = iou_at_otsu(values, box), iou_best(values, box)
    assert 0 <= otsu <= best + 1e-12 <= 1 + 1e-9
    assert 0 <= energy_in_box(values, box) <= 1 + 1e-12
    if values.max() > 0:
        everything = (0, 0, 4, 3)
        assert energy_in_box(values, everything) == pytest.approx(1)


@given(MAPS, st.integers(-3, 8), st.integers(-3, 3))
def test_scaling_a_map_moves_neither_peak_nor_iou(values: np.ndarray, exponent: int, shift: int) -> None:
    other = values * 2.0**exponent + shift  # exact, so that equal values stay equal
    assert peak(values) == peak(other)
    assert iou_at_otsu(values, (1, 0, 3, 2)) == pytest.approx(iou_at_otsu(other, (1, 0, 3, 2)))
    assert iou_best(values, (1, 0, 3, 2)) == pytest.approx(iou_best(other, (1, 0, 3, 2)))


def test_evaluate_maps() -> None:
    """A map that finds "left" and answers "left" to everything else, too."""

    def always_left(images: object, queries: object) -> Attribution:
        count = len(list(queries))  # type: ignore[call-overload]
        return Attribution(torch.tensor([[[1.0, 0.0]]]).expand(count, 1, 2), (Geometry.whole(20, 10),) * count)

    image = Image.new("RGB", (20, 10))
    left, right = (0.0, 0.0, 10.0, 10.0), (10.0, 0.0, 20.0, 10.0)
    cases = [Case(image, "left", left, other=("right", right)), Case(image, "right", right)]
    scores = evaluate_maps(cases, {"left": always_left}, batch_size=1)["left"]
    assert scores.pointing.tolist() == [1, 0]
    assert scores.energy.tolist() == [1, 0]
    assert scores.iou_otsu.tolist() == [1, 0]
    assert scores.iou_best.tolist() == [1, 0.5]
    assert scores.swapped[0] == 0 and np.isnan(scores.swapped[1])
    assert scores.mean("pointing") == 0.5 and scores.mean("swapped") == 0
    assert scores.mean("pointing", np.array([True, False])) == 1
    assert np.isnan(Scores(*np.empty((7, 0))).mean("energy"))


@pytest.mark.parametrize(
    ("heatmap", "box", "message"),
    [
        (torch.zeros(3), (0, 0, 1, 1), "two sides"),
        (torch.tensor([[float("nan")]]), (0, 0, 1, 1), "not finite"),
        (torch.zeros(2, 2), (1, 0, 1, 1), "left < right"),
    ],
)
def test_bad_inputs(heatmap: torch.Tensor, box: tuple[float, float, float, float], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        energy_in_box(heatmap + 1, box)


def test_box_of_the_peak_and_precision() -> None:
    """A map that is 1 on the object is right in both, one that is 1 elsewhere or nowhere in neither."""
    mask = np.zeros((60, 60), dtype=bool)
    mask[20:50, 10:40] = True
    case = Case(Image.new("RGB", (60, 60)), "it", (10.0, 20.0, 40.0, 50.0), mask=mask)
    inside = torch.from_numpy(mask).float()
    elsewhere = torch.zeros(60, 60)
    elsewhere[:10, 50:] = 1
    tried = {"inside": inside, "elsewhere": elsewhere, "constant": torch.full((60, 60), 0.5)}
    functions = {
        name: lambda images, queries, values=values: Attribution(values[None], (Geometry.whole(60, 60),))
        for name, values in tried.items()
    }
    scores = evaluate_maps([case], functions)
    assert [float(scores[name].peak_box[0]) for name in tried] == [1, 0, 0]
    assert float(scores["inside"].precision[0]) == 1
    # All pixels of the object are among the equals at the end: as many of all pixels are the object's.
    assert float(scores["constant"].precision[0]) == pytest.approx(900 / 3600)
    assert float(scores["elsewhere"].precision[0]) == pytest.approx(900 / 3600)
    blind = Case(case.image, "it", case.box)
    assert np.isnan(evaluate_maps([blind], {"inside": functions["inside"]})["inside"].precision[0])

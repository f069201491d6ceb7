"""Peaks and their boxes: hills at known places, against a search of its own."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from api_graph.errors import BadInput
from api_graph.pixels.peaks import box_of_peak, find_peaks


def hills(*hills: tuple[int, int, float, float], size: tuple[int, int] = (120, 80)) -> torch.Tensor:
    """A map (1, H, W): the highest of Gaussian hills (x, y, height, deviation)."""
    x, y = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="xy")
    each = [h * torch.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * s * s)) for a, b, h, s in hills]
    return torch.stack(each).amax(0)[None]


def test_peaks_come_the_highest_first() -> None:
    found = find_peaks(hills((20, 20, 0.8, 5), (90, 50, 1.0, 5), (60, 70, 0.5, 5)), 5, threshold=0.6)
    assert found.points == ((90, 50), (20, 20))  # the third is too low
    assert found.values == pytest.approx((1.0, 0.8))
    assert find_peaks(hills((20, 20, 0.8, 5), (90, 50, 1.0, 5)), 1).points == ((90, 50),)


def test_a_box_is_that_of_its_own_peak() -> None:
    """A Gaussian is above 60 % of its height within σ·√(2 ln(1/0.6)), 5.05 pixels of σ = 5."""
    found = find_peaks(hills((20, 20, 0.8, 5), (90, 50, 1.0, 5)), 2, threshold=0.6)
    assert found.boxes.values.tolist() == [[85, 45, 96, 56], [15, 15, 26, 26]]
    assert found.boxes.size == (120, 80)


def test_peaks_on_one_region_part_it() -> None:
    found = find_peaks(hills((40, 40, 1.0, 10), (60, 40, 0.95, 10)), 2, threshold=0.3)
    (_, _, right, _), (left, _, _, _) = found.boxes.values.tolist()
    assert right == pytest.approx(50, abs=2) and left == pytest.approx(50, abs=2)


def test_what_is_near_a_higher_one_is_no_peak() -> None:
    both = hills((40, 40, 1.0, 3), (52, 40, 0.95, 3))
    assert len(find_peaks(both, 2, min_distance=0.1).points) == 2  # 8 of 80 pixels
    assert find_peaks(both, 2, min_distance=0.2).points == ((40, 40),)


def test_a_plateau_is_one_peak_and_its_point_is_the_middle() -> None:
    heatmap = torch.zeros(1, 40, 40)
    heatmap[0, 10:21, 20:31] = 1.0
    found = find_peaks(heatmap, 9, min_distance=0.5)
    assert found.points == ((25, 15),)
    assert found.boxes.values.tolist() == [[20, 10, 31, 21]]


def test_a_point_lies_on_its_summit() -> None:
    """The middle of a ring is its hole: the point is the ring's nearest pixel."""
    rows, columns = np.indices((41, 41))
    ring = np.abs(np.hypot(rows - 20, columns - 20) - 10) <= 1
    ((x, y),) = find_peaks(torch.from_numpy(ring).float()[None], min_distance=0.9).points
    assert ring[y, x]


def reached_from(inside: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """What is connected to a pixel, searched pixel by pixel."""
    seen = np.zeros_like(inside)
    seen[start] = True
    waiting = deque([start])
    while waiting:
        row, column = waiting.popleft()
        for r in range(max(row - 1, 0), min(row + 2, inside.shape[0])):
            for c in range(max(column - 1, 0), min(column + 2, inside.shape[1])):
                if inside[r, c] and not seen[r, c]:
                    seen[r, c] = True
                    waiting.append((r, c))
    return seen


@given(
    arrays(np.float32, (9, 11), elements=st.integers(0, 9).map(float)).filter(lambda a: float(np.ptp(a)) > 0),
    st.sampled_from([0.0, 0.3, 0.6, 1.0]),
)
def test_the_box_of_the_peak_is_around_what_is_connected_to_it(values: np.ndarray, threshold: float) -> None:
    boxes, mask = box_of_peak(torch.from_numpy(values)[None], threshold)
    low, high = float(values.min()), float(values.max())
    start = np.unravel_index(int(values.argmax()), values.shape)
    inside = values >= np.float32(low + threshold * (high - low))
    part = reached_from(inside, (int(start[0]), int(start[1])))
    rows, columns = np.nonzero(part)
    assert mask[0].numpy().astype(bool).tolist() == part.tolist()
    assert boxes.values.tolist() == [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]


def test_each_map_of_a_batch_has_its_own_box() -> None:
    batch = torch.cat([hills((20, 20, 1.0, 5)), hills((90, 50, 0.3, 5))])
    boxes, mask = box_of_peak(batch)
    assert boxes.values.tolist() == [[15, 15, 26, 26], [85, 45, 96, 56]]
    assert mask.sum((1, 2)).tolist() == [mask[0].sum()] * 2


def test_other_high_places_do_not_widen_the_box() -> None:
    """What `Boxes around masks` gave: one strip over everything that is high."""
    boxes, _ = box_of_peak(hills((20, 20, 0.9, 5), (60, 40, 1.0, 5), (100, 60, 0.9, 5)), 0.5)
    assert boxes.values.tolist() == [[55, 35, 66, 46]]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"count": 0}, "count"),
        ({"threshold": -0.1}, "threshold"),
        ({"min_distance": 2.0}, "min_distance"),
        ({"heatmap": torch.ones(1, 4, 4)}, "heatmap"),
        ({"heatmap": torch.rand(2, 4, 4)}, "heatmap"),
        ({"heatmap": torch.full((1, 2, 2), torch.inf)}, "heatmap"),
    ],
)
def test_what_is_refused(values: dict[str, object], named: str) -> None:
    with pytest.raises(BadInput) as refused:
        find_peaks(**{"heatmap": hills((20, 20, 1.0, 5)), **values})  # pyright: ignore[reportArgumentType]
    assert refused.value.input == named

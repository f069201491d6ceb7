"""`Geometry` with numbers worked out by hand; tests/clip/test_model.py holds it against open_clip's own transforms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.geometry import Geometry


def rectangle(geometry: Geometry) -> tuple[float, float, float, float]:
    """Left, top, right, bottom."""
    return geometry.left, geometry.top, geometry.right, geometry.bottom


@pytest.mark.parametrize(
    ("size", "model_size", "mode", "expected"),
    [
        ((90, 61), (32, 32), "squash", (0, 0, 90, 61)),
        # The shorter side fits; of 448 the middle 224 are left.
        ((448, 224), (224, 224), "shortest", (112, 0, 336, 224)),
        ((224, 448), (224, 224), "shortest", (0, 112, 224, 336)),
        # 100×33 becomes 96×32 (96.97 is cut), of which 32 to 64 are left: times 100/96.
        ((100, 33), (32, 32), "shortest", (100 / 3, 0, 200 / 3, 33)),
        # An odd rest: 1.5 and 2.5 are both rounded to 2, the even neighbour.
        ((35, 32), (32, 32), "shortest", (2, 0, 34, 32)),
        ((37, 32), (32, 32), "shortest", (2, 0, 34, 32)),
        # 24 rows of 32: the scale is the larger of 24/50 and 32/100, so 48×24, of which 8 to 40 are left.
        ((100, 50), (24, 32), "shortest", (50 / 3, 0, 250 / 3, 50)),
        # Where the sides differ, the resized ones are rounded: 33·0.96 = 31.68 is 32, and is not cut to 31.
        ((33, 25), (24, 30), "shortest", (33 / 32, 0, 31 * 33 / 32, 25)),
        # 32×16 in 32×32: 8 rows of padding above and below, in the source's pixels 25.
        ((100, 50), (32, 32), "longest", (0, -25, 100, 75)),
        # 32×15: 17 rows of padding, 8 above and 9 below, each two pixels high.
        ((64, 30), (32, 32), "longest", (0, -16, 64, 48)),
        ((30, 64), (32, 32), "longest", (-16, 0, 48, 64)),
        ((64, 26), (32, 32), "longest", (0, -18, 64, 46)),  # 19 rows: 9 above and 10 below
    ],
)
def test_what_the_model_sees(size: Any, model_size: Any, mode: Any, expected: tuple[float, ...]) -> None:
    geometry = Geometry.of_resize(*size, model_size, mode)
    assert (geometry.width, geometry.height) == size
    assert rectangle(geometry) == pytest.approx(expected)


def test_the_edges_of_cells() -> None:
    xs, ys = Geometry(80, 40, 20.0, -5.0, 60.0, 35.0).cell_edges((2, 4))
    assert xs == [20, 30, 40, 50, 60] and ys == [-5, 15, 35]
    assert Geometry.whole(3, 2).cell_edges((1, 2)) == ([0, 1.5, 3], [0, 2])


@pytest.mark.parametrize(
    ("seen", "unseen"),
    [
        ((0, 0, 80, 40), 0),
        ((20, 0, 60, 40), 1 / 2),
        ((20, 10, 60, 30), 3 / 4),
        ((-40, -20, 40, 20), 3 / 4),  # padding does not count as seen
        ((-10, -10, 90, 50), 0),
        ((80, 0, 160, 40), 1),
        ((90, 50, 100, 60), 1),
    ],
)
def test_the_unseen_share(seen: tuple[float, ...], unseen: float) -> None:
    assert Geometry(80, 40, *seen).unseen == pytest.approx(unseen)


@given(st.tuples(*[st.integers(-6, 14)] * 4), st.integers(1, 9), st.integers(1, 9))
def test_the_unseen_share_is_a_count_of_pixels(corners: tuple[int, ...], width: int, height: int) -> None:
    left, right = sorted(corners[:2])
    top, bottom = sorted(corners[2:])
    seen = sum(left <= x < right and top <= y < bottom for x in range(width) for y in range(height))
    assert Geometry(width, height, left, top, right, bottom).unseen == pytest.approx(1 - seen / (width * height))


@given(
    st.tuples(st.integers(1, 500), st.integers(1, 500)),
    st.tuples(st.integers(8, 64), st.integers(8, 64)),
    st.sampled_from(["shortest", "longest", "squash"]),
)
def test_a_turned_image_has_a_turned_geometry(size: tuple[int, int], model: tuple[int, int], mode: Any) -> None:
    try:
        geometry = Geometry.of_resize(*size, model, mode)
    except ZeroDivisionError:  # so long and thin that nothing of its shorter side would be left
        return
    turned = Geometry.of_resize(*reversed(size), (model[1], model[0]), mode)
    assert rectangle(turned) == (geometry.top, geometry.left, geometry.bottom, geometry.right)
    if mode == "shortest":
        assert geometry.left >= -1 and geometry.right <= size[0] + max(size)
    if mode == "longest":
        assert geometry.left <= 0.5 * size[0] and geometry.right >= 0.5 * size[0]

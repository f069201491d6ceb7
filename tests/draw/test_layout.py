"""Where nodes stand in a drawing."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.draw.layout import Layers, _kept_apart, layers_of, layout

Feeding = dict[str, list[str]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Feeding, dict[str, tuple[float, float]]]:
    """Acyclic graphs with sizes of nodes."""
    count = draw(st.integers(1, 12))
    feeding: Feeding = {}
    for i in range(count):
        feeding[str(i)] = draw(st.lists(st.sampled_from(list(feeding)), unique=True, max_size=3)) if feeding else []
    side = st.floats(10, 500)
    return feeding, {node: (draw(side), draw(side)) for node in feeding}


@given(graphs())
def test_links_run_to_the_right_and_nodes_do_not_touch(drawn: tuple[Feeding, dict[str, tuple[float, float]]]) -> None:
    feeding, sizes = drawn
    corners = layout(feeding, sizes).corners
    assert corners.keys() == feeding.keys()
    for node, sources in feeding.items():
        for source in sources:
            assert corners[source][0] + sizes[source][0] < corners[node][0]
    for a, b in combinations(corners, 2):
        (ax, ay), (bx, by), (aw, ah), (bw, bh) = corners[a], corners[b], sizes[a], sizes[b]
        assert ax + aw < bx or bx + bw < ax or ay + ah < by or by + bh < ay
    assert min(x for x, _ in corners.values()) == 0
    assert min(y for _, y in corners.values()) == 0


@given(graphs())
def test_the_same_graph_is_always_drawn_alike(drawn: tuple[Feeding, dict[str, tuple[float, float]]]) -> None:
    assert layout(*drawn) == layout(*drawn)


def test_a_layer_is_the_longest_path_and_sources_stand_by_their_first_reader() -> None:
    feeding: Feeding = {"a": [], "b": ["a"], "c": ["b", "a"], "late": [], "d": ["c", "late"], "alone": []}
    assert layers_of(feeding) == {"a": 0, "b": 1, "c": 2, "late": 2, "d": 3, "alone": 0}


def test_two_crossed_links_are_uncrossed() -> None:
    layers = Layers({"a": [], "b": [], "y": ["b"], "x": ["a"], "z": ["x", "y"]})
    assert layers.crossings() == 0


def test_crossings_are_counted() -> None:
    """K(3,3) has nine in every order: each pair of sources crosses in three of its readers' pairs."""
    layers = Layers({"a": [], "b": [], "c": [], **{reader: ["a", "b", "c"] for reader in "xyz"}})
    assert layers.crossings() == 9


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1, 100)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_items_are_moved_apart_as_little_as_possible(items: list[tuple[float, float]], chance: random.Random) -> None:
    """No other positions that keep them apart are closer to what they want: random ones are tried."""
    wanted, apart = [w for w, _ in items], [d for _, d in items][1:]
    placed = _kept_apart(wanted, apart)
    assert all(below - above >= gap - 1e-6 for (above, below), gap in zip(pairwise(placed), apart, strict=True))

    def cost(positions: list[float]) -> float:
        return sum((p - w) ** 2 for p, w in zip(positions, wanted, strict=True))

    for _ in range(20):
        other = [placed[0] + chance.uniform(-100, 100)]
        for gap in apart:
            other.append(max(other[-1] + gap, placed[len(other)] + chance.uniform(-100, 100)))
        assert cost(placed) <= cost(other) + 1e-6


def test_positions_by_hand() -> None:
    """Two that want one position stand around it; a third that wants far below gets what it wants."""
    assert _kept_apart([10.0, 10.0, 100.0], [20.0, 20.0]) == [0.0, 20.0, 100.0]


def test_a_long_link_passes_between_the_nodes_of_each_column() -> None:
    feeding: Feeding = {"a": [], "b": ["a"], "c": ["b"], "d": ["c", "a"]}
    drawn = layout(feeding, dict.fromkeys(feeding, (100.0, 50.0)))
    assert list(drawn.passages) == [("a", "d")]
    for node, ((left, above), (right, below)) in zip("bc", drawn.passages["a", "d"], strict=True):
        x, y = drawn.corners[node]
        assert (left, right, above) == (x, x + 100, below)
        assert above < y or above > y + 50


@pytest.mark.parametrize("readers", [1, 3000])
def test_large_graphs(readers: int) -> None:
    """A chain of thousands, whose first node feeds all others too."""
    feeding: Feeding = {"0": []} | {str(i): sorted({str(i - 1), "0"}) for i in range(1, readers + 1)}
    corners = layout(feeding, dict.fromkeys(feeding, (100.0, 50.0))).corners
    assert [corners[str(i)][0] for i in range(readers + 1)] == [180 * i for i in range(readers + 1)]

"""Samples are even, whatever the order and whatever the table's pattern."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from api_graph.report.sample import EvenSample, fitting


def sampled(numbers: list[int], most: int) -> EvenSample[int]:
    sample: EvenSample[int] = EvenSample(most)
    for number in numbers:
        sample.add(number, number)
    return sample


@given(st.integers(1, 60), st.integers(0, 3000), st.integers(0, 10**9))
def test_gaps_have_three_lengths_at_most(most: int, rows: int, start: int) -> None:
    """The three-distance theorem; and no stretch of the table that is 3 times a fair share is left out."""
    kept = sampled(list(range(start, start + rows)), most).ordered()
    assert len(kept) == min(most, rows)
    gaps = {b - a for a, b in pairwise(kept)}
    assert len(gaps) <= 3
    if kept:
        assert max([*gaps, kept[0] - start, start + rows - 1 - kept[-1]]) <= 3 * rows / len(kept) + 1


@given(st.lists(st.integers(0, 10**12), unique=True, max_size=200), st.integers(0, 50), st.randoms())
def test_order_of_arrival_does_not_matter(numbers: list[int], most: int, random) -> None:
    kept = sampled(numbers, most).ordered()
    random.shuffle(numbers)
    assert sampled(numbers, most).ordered() == kept == sorted(kept)


def test_the_first_of_a_ranked_sample_are_a_smaller_sample() -> None:
    numbers = list(range(5000))
    assert sorted(sampled(numbers, 200).ranked()[:37]) == sampled(numbers, 37).ordered()


def test_it_does_not_fall_in_step_with_the_table() -> None:
    """Of eight questions about each image all come about as often, 25 times; each 32nd row is always the first."""
    kinds = Counter(number % 8 for number in sampled(list(range(32 * 200)), 200).ordered())
    assert [20 <= kinds[question] <= 30 for question in range(8)] == [True] * 8


def test_an_item_that_is_wanted_is_kept_and_no_other() -> None:
    sample = sampled(list(range(1000)), 10)
    for number in range(1000, 1100):
        wanted = sample.wants(number)
        sample.add(number, number)
        assert (number in sample.ordered()) == wanted


def test_no_place_at_all() -> None:
    sample = sampled([1, 2, 3], 0)
    assert (sample.ordered(), sample.wants(4)) == ([], False)


def test_one_number_many_times() -> None:
    assert sampled([7] * 100, 3).ordered() == [7, 7, 7]


def test_what_fits_is_the_beginning() -> None:
    assert fitting([3, 4, 5, 1], lambda size: size, 8) == [3, 4]
    assert fitting([3, 4], lambda size: size, 7) == [3, 4]
    assert fitting([9, 1], lambda size: size, 8) == []

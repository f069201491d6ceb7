"""Intervals and tests, each against another implementation or numbers worked out by hand."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.bench import answers, localization, statistics
from api_graph.bench.statistics import (
    Comparison,
    bootstrap_interval,
    compare_scores,
    mcnemar_p,
    paired_bootstrap_interval,
    score_interval,
    statistic_interval,
    wilson_interval,
)
from api_graph.errors import BadInput

RIGHT_OR_WRONG = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)
VQA = [0.0, 0.3, 0.6, 0.9, 1.0]


def of_two(first: list[float], second: list[float]) -> Comparison:
    return compare_scores(first, second, resamples=500)


class TestWilson:
    def test_by_hand(self) -> None:
        # 8 of 10: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n), in Newcombe 1998 for the like
        low, high = wilson_interval(8, 10)
        assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
        assert wilson_interval(0, 0) == (0.0, 1.0)
        assert wilson_interval(10, 10)[1] == 1.0 and wilson_interval(0, 10)[0] == 0.0

    @pytest.mark.parametrize("hits", [0.8, -1, 11])
    def test_a_share_is_no_count(self, hits: float) -> None:
        with pytest.raises(BadInput, match="hits: it counts hits among 10 trials"):
            wilson_interval(hits, 10)  # type: ignore[arg-type]

    @given(st.integers(0, 400), st.integers(1, 400), st.sampled_from([0.8, 0.95, 0.99]))
    def test_as_scipy_has_it(self, hits: int, trials: int, level: float) -> None:
        from scipy.stats import binomtest, norm

        hits = min(hits, trials)
        interval = binomtest(hits, trials).proportion_ci(level, method="wilson")
        assert wilson_interval(hits, trials, norm.ppf((1 + level) / 2)) == pytest.approx(
            (interval.low, interval.high), abs=1e-12
        )

    @given(st.integers(1, 200), st.data())
    def test_its_ends_are_where_the_score_test_turns(self, trials: int, data: st.DataObject) -> None:
        """What Wilson asks for: at either end, the share lies z standard errors *of that end* away."""
        hits = data.draw(st.integers(1, trials))
        for end in wilson_interval(hits, trials):
            if 0 < end < 1:
                error = math.sqrt(end * (1 - end) / trials)
                assert abs(hits / trials - end) / error == pytest.approx(1.959964, abs=1e-5)


class TestMcNemar:
    def test_only_pairs_that_differ_count(self) -> None:
        # 1 against 5 of six: 2 · (1 + 6) / 2⁶.
        first = [True] * 10 + [True] + [False] * 5
        second = [True] * 10 + [False] + [True] * 5
        assert mcnemar_p(first, second) == mcnemar_p(second, first) == pytest.approx(14 / 64)

    def test_one_where_nothing_speaks_for_either(self) -> None:
        assert mcnemar_p([True, False], [True, False]) == 1.0
        assert mcnemar_p([True, False], [False, True]) == 1.0
        assert mcnemar_p([], []) == 1.0

    def test_small_where_all_pairs_agree(self) -> None:
        assert mcnemar_p([True] * 20, [False] * 20) == pytest.approx(2 / 2**20)

    @pytest.mark.parametrize(("b", "c"), [(3, 9), (0, 6), (12, 12), (90, 130), (480, 520), (3000, 3100)])
    def test_as_the_sum_of_binomials(self, b: int, c: int) -> None:
        tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) if b + c < 2000 else None
        from scipy.stats import binomtest

        p = mcnemar_p([True] * b + [False] * c, [False] * b + [True] * c)
        assert p == pytest.approx(binomtest(b, b + c, 0.5).pvalue, rel=1e-9)
        if tail is not None:
            assert p == pytest.approx(float(min(Fraction(1), Fraction(2 * tail, 2 ** (b + c)))), rel=1e-9)

    def test_as_the_chi_square_for_many(self) -> None:
        """With continuity correction (Edwards 1948): the p-value of (|b − c| − 1)² / (b + c), one degree of freedom."""
        b, c = 900, 1000
        chi_square = (abs(b - c) - 1) ** 2 / (b + c)
        p = mcnemar_p([True] * b + [False] * c, [False] * b + [True] * c)
        assert p == pytest.approx(math.erfc(math.sqrt(chi_square / 2)), rel=0.01)


class TestBootstrap:
    def test_of_one_value(self) -> None:
        assert bootstrap_interval([0.4, 0.4, 0.4]) == (pytest.approx(0.4), pytest.approx(0.4))

    def test_what_is_no_sample(self) -> None:
        with pytest.raises(BadInput, match="values: an interval needs at least one value"):
            bootstrap_interval([])
        with pytest.raises(BadInput, match="a value is NaN or infinite"):
            bootstrap_interval([0.4, float("nan")])
        with pytest.raises(BadInput, match="level: a level is a share"):
            bootstrap_interval([0.4], level=95)
        with pytest.raises(BadInput, match="resamples: it counts from 1"):
            bootstrap_interval([0.4], resamples=0)
        with pytest.raises(BadInput, match="values: one number for each item"):
            bootstrap_interval([[0.4, 1.0]])  # type: ignore[list-item]

    def test_as_all_draws_there_are(self) -> None:
        """Of four values there are 4⁴ draws: the middle 90 % of their means, counted out."""
        values = [0.0, 1.0, 5.0, 6.5]
        means = [sum(draw) / 4 for draw in itertools.product(values, repeat=4)]
        expected = np.percentile(means, [5, 95])
        assert bootstrap_interval(values, level=0.9, resamples=40_000) == pytest.approx(expected, abs=0.13)

    @pytest.mark.parametrize("count", [60, 700])  # few different values are drawn by their counts, many one by one
    def test_as_scipy_has_it(self, count: int) -> None:
        from scipy.stats import bootstrap

        values = np.random.RandomState(5).gamma(2.0, size=count)
        theirs = bootstrap((values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(1))
        width = theirs.confidence_interval.high - theirs.confidence_interval.low
        assert bootstrap_interval(values.tolist()) == pytest.approx(tuple(theirs.confidence_interval), abs=0.05 * width)

    def test_both_ways_of_drawing_agree(self, monkeypatch: pytest.MonkeyPatch) -> None:
        values = [float(n % 5) for n in range(90)]
        by_counts = bootstrap_interval(values)
        monkeypatch.setattr(statistics, "_FEW_VALUES", 0)
        monkeypatch.setattr(statistics, "_DRAWN_AT_ONCE", 1000)
        assert bootstrap_interval(values) == pytest.approx(by_counts, abs=0.03)

    @pytest.mark.parametrize("count", [60, 700])
    def test_seeded(self, count: int) -> None:
        values = np.random.RandomState(5).rand(count).tolist()
        assert bootstrap_interval(values) == bootstrap_interval(values[::-1]) == bootstrap_interval(values, seed=0)
        assert bootstrap_interval(values) != bootstrap_interval(values, seed=1)

    def test_pairs_are_drawn_together(self) -> None:
        """Items vary much, the difference hardly: paired it shows, where each on its own would hide it."""
        from scipy.stats import bootstrap

        generator = np.random.RandomState(3)
        first = generator.rand(80) * 10
        second = first + 0.1 + generator.randn(80) * 0.05
        low, high = paired_bootstrap_interval(first.tolist(), second.tolist())
        theirs = bootstrap(
            (first, second),
            lambda a, b, axis=-1: b.mean(axis) - a.mean(axis),
            paired=True,
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(2),
        )
        assert (low, high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.002)
        assert 0.05 < low < high < 0.15

    def test_of_any_figure(self) -> None:
        """The ratio of two means, as scipy has it."""
        from scipy.stats import bootstrap

        generator = np.random.RandomState(3)
        ours, theirs = 5 + generator.rand(50), 8 + generator.rand(50)
        found = statistic_interval(lambda drawn: float(ours[drawn].mean() / theirs[drawn].mean()), 50, resamples=4000)
        expected = bootstrap(
            (ours, theirs),
            lambda a, b, axis=-1: a.mean(axis) / b.mean(axis),
            paired=True,
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(2),
        )
        assert found == pytest.approx(tuple(expected.confidence_interval), abs=0.001)

    def test_draws_without_the_figure_are_left_out(self) -> None:
        def first_alone(drawn: np.ndarray) -> float:
            return 7.0 if (drawn == 0).all() else float("nan")

        assert statistic_interval(first_alone, 2) == (7.0, 7.0)
        with pytest.raises(BadInput, match="no draw of the items has this figure"):
            statistic_interval(lambda drawn: float("nan"), 3)
        with pytest.raises(BadInput, match="count: an interval needs at least one item"):
            statistic_interval(lambda drawn: 1.0, 0)


class TestScoreInterval:
    def test_counts_have_wilsons(self) -> None:
        assert score_interval([1, 1, 0, 1]) == wilson_interval(3, 4)
        assert score_interval([True, True, False]) == wilson_interval(2, 3)

    def test_shares_have_the_bootstraps(self) -> None:
        assert score_interval([1, 0.3, 0]) == bootstrap_interval([1, 0.3, 0])


class TestComparison:
    def test_of_right_and_wrong(self) -> None:
        found = of_two([1, 1, 0, 0, 0], [1, 0, 1, 1, 0])
        assert (found.n, found.first, found.second, found.higher, found.lower) == (5, 0.4, 0.6, 2, 1)
        assert found.difference == pytest.approx(0.2)
        assert found.p == mcnemar_p([True, True, False, False, False], [True, False, True, True, False]) == 1.0

    def test_shares_have_no_p(self) -> None:
        assert of_two([1, 0.3], [1, 0]).p is None

    def test_rounding_is_no_difference(self) -> None:
        found = of_two([0.3, 1.0, 0.0], [0.1 + 0.2, 1.0, 0.0])
        assert (found.higher, found.lower, found.difference) == (0, 0, 0)
        balanced = compare_scores([0.3] * 3 + [0.0], [0.2] * 3 + [0.3])
        assert balanced.difference == pytest.approx(0, abs=1e-12)

    @pytest.mark.parametrize(
        ("second", "problem"),
        [
            ([1], "second: there are 1 scores where the first has 2"),
            ([1, math.inf], "second: a value is NaN or infinite"),
        ],
    )
    def test_what_is_no_pair(self, second: list[float], problem: str) -> None:
        with pytest.raises(BadInput, match=problem):
            of_two([1, 0], second)

    @given(RIGHT_OR_WRONG)
    def test_the_other_way_round(self, pairs: list[tuple[bool, bool]]) -> None:
        first, second = ([float(one) for one in each] for each in zip(*pairs, strict=True))
        there, back = of_two(first, second), of_two(second, first)
        assert (there.difference, there.higher, there.lower) == (-back.difference, back.lower, back.higher)
        assert there.p == back.p
        assert there.low <= there.difference <= there.high

    def test_no_difference_in_words(self) -> None:
        first, second = [1.0] * 200 + [0.0] * 100, [1.0] * 199 + [0.0] * 97 + [1.0] * 4
        found = compare_scores(first, second)
        assert not found.is_told
        words = found.in_words("plain", "annotated")
        assert words.startswith(
            "No difference can be told from n = 300: annotated − plain = +1.0 points (95 % interval −"
        )
        assert words.endswith(f", p = {float(found.p or 0):.2f}).")

    def test_the_same_in_words(self) -> None:
        words = of_two([1.0] * 300, [1.0] * 300).in_words()
        assert words == "No difference can be told from n = 300: A and B score the same on every item."

    @pytest.mark.parametrize(("swap", "word", "sign"), [(False, "higher", "+"), (True, "lower", "−")])
    def test_a_difference_in_words(self, swap: bool, word: str, sign: str) -> None:
        scores = [0.0] * 40, [0.0] * 20 + [1.0] * 20
        found = compare_scores(*reversed(scores)) if swap else compare_scores(*scores)
        words = found.in_words("plain", "annotated")
        assert found.is_told
        assert words.startswith(f"annotated scores {word} than plain: {sign}50.0 points (95 % interval {sign}")
        assert words.endswith(", p < 0.001, n = 40).")

    def test_numbers_that_are_no_shares(self) -> None:
        found = of_two([12.5] * 8, [15.0] * 7 + [14.0])
        assert found.in_words(percent=False).startswith("B scores higher than A: +2.38 (95 % interval +")

    def test_both_tests_must_tell(self) -> None:
        """5 against none: the interval leaves out 0, but p is 2 / 2⁵ = 0.0625."""
        found = compare_scores([0.0] * 10, [1.0] * 5 + [0.0] * 5)
        assert found.low > 0 and found.p == pytest.approx(0.0625)
        assert not found.is_told

    @pytest.mark.parametrize(("low", "high", "told"), [(0, 3, False), (-3, 0, False), (1, 3, True), (-3, -1, True)])
    def test_an_interval_that_touches_nothing_tells_nothing(self, low: float, high: float, told: bool) -> None:
        assert Comparison(9, 0, 1, 1, low, high, higher=9, lower=0, p=0.01).is_told is told

    @pytest.mark.parametrize(("count", "told"), [(5, False), (6, True)])
    def test_a_few_shares_tell_nothing(self, count: int, told: bool) -> None:
        """All of them higher: chance does that to five in 2 / 2⁵ of all cases, to six in 2 / 2⁶."""
        assert compare_scores([0.1] * count, [0.4] * count).is_told is told

    def test_how_often_chance_is_taken_for_a_difference(self) -> None:
        """Scores drawn alike: at most 5 %, and a little for luck, of 300 comparisons may tell a difference."""
        generator = np.random.RandomState(11)
        told = [of_two(*generator.choice(VQA, (2, 60)).tolist()).is_told for _ in range(300)]
        assert 1 <= sum(told) <= 27  # P(more | 5 %) < 0.1 %


@pytest.mark.parametrize(
    ("value", "percent", "text"),
    [(-1.25, True, "−1.2"), (0.04, True, "0.0"), (-0.04, True, "0.0"), (0, False, "0"), (1234.5, False, "+1.23e+03")],
)
def test_signed(value: float, percent: bool, text: str) -> None:
    assert statistics.signed(value, percent=percent) == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.0001, "p < 0.001"), (0.0314, "p = 0.031"), (0.5, "p = 0.50"), (1, "p = 1.00")]
)
def test_p_in_words(p: float, text: str) -> None:
    assert statistics.p_in_words(p) == text


def test_where_they_were_in_version_0_1() -> None:
    assert answers.mcnemar_p is mcnemar_p
    assert (localization.wilson_interval, localization.bootstrap_interval) == (wilson_interval, bootstrap_interval)

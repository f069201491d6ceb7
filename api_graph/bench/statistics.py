"""How sure a score is, and whether two scores of the same items differ: intervals, tests, and the verdict in words.

A score is a number for each item. Where all are 0 or 1 (wrong or right) the formulas for counts are used, else the
bootstrap. All is pure and seeded: the same scores give the same intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from api_graph.errors import BadInput

LEVEL = 0.95
RESAMPLES = 10_000
Z_95 = NormalDist().inv_cdf(0.975)
"""1.96: how many standard deviations the 95 % interval of a normal distribution reaches to either side."""

_FEW_VALUES = 256  # so many different ones are drawn by their counts
_DRAWN_AT_ONCE = 4_000_000  # item numbers, 32 MB
_ROUNDING = 1e-9  # by which two numbers may differ and be equal, as a share of them


def wilson_interval(hits: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a proportion p = hits / n; 95 % by default, (0, 1) for no trial at all.

        (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927), 209–212.
    Raises BadInput unless `hits` counts some of the `trials`: a share or a percentage would give an interval, too.
    """
    if hits != int(hits) or not 0 <= hits <= trials:
        raise BadInput(f"it counts hits among {trials} trials", input="hits", value=hits, hint="Give whole numbers.")
    if trials == 0:
        return 0.0, 1.0
    p, z2 = hits / trials, z * z
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = z / (1 + z2 / trials) * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials))
    # At its ends the interval is exact, which rounding would hide.
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    return low, 1.0 if hits == trials else min(1.0, centre + half)


def bootstrap_interval(
    values: Sequence[float], *, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap: the interval of the mean of `values`.

    The values are drawn with replacement, as many as there are, `resamples` times; the interval holds the middle
    `level` of the means. Source: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
    Raises BadInput for no value, and for NaN and infinity.
    """
    sample = _checked(values, "values")
    return _middle(_resampled_means(sample, _checked_count(resamples), seed), level)


def paired_bootstrap_interval(
    first: Sequence[float],
    second: Sequence[float],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """The interval of mean(second) − mean(first) over the same items: percentile bootstrap of their differences.

    An item is drawn with both its scores, so that what makes it hard for both does not blur the difference. Source:
    Efron and Tibshirani 1993, section 13.3, of one sample of pairs; for scores of two systems P. Koehn, Statistical
    significance tests for machine translation evaluation, EMNLP 2004. Raises BadInput as `compare_scores` does.
    """
    differences = _differences(*_paired(first, second))
    return bootstrap_interval(differences.tolist(), resamples=resamples, level=level, seed=seed)


def statistic_interval(
    statistic: Callable[[NDArray[np.intp]], float],
    count: int,
    *,
    resamples: int = 2000,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap of any figure of `count` items: F1, a ratio of means, a difference of two such.

    `statistic` gets the numbers of the items drawn, of which some come twice, and gives the figure that they have; NaN
    where they have none, and that draw is left out. Source: as for `bootstrap_interval`. Raises BadInput if no draw
    has one.
    """
    if count < 1:
        raise BadInput("an interval needs at least one item", input="count", value=count)
    generator = np.random.RandomState(seed)
    drawn = [statistic(generator.randint(count, size=count)) for _ in range(_checked_count(resamples))]
    figures = np.asarray([figure for figure in drawn if not math.isnan(figure)], dtype=float)
    if figures.size == 0:
        raise BadInput("no draw of the items has this figure", input="statistic", hint="Leave it out.")
    return _middle(figures, level)


def score_interval(
    values: Sequence[float], *, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> tuple[float, float]:
    """The interval of a mean score: Wilson's where every score is 0 or 1, else the bootstrap's."""
    sample = _checked(values, "values")
    if not _is_right_or_wrong(sample):
        return bootstrap_interval(values, resamples=resamples, level=level, seed=seed)
    return wilson_interval(int(sample.sum()), sample.size, NormalDist().inv_cdf((1 + _checked_level(level)) / 2))


def mcnemar_p(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Exact two-sided p-value that two ways of asking the same questions are equally often right.

    Only the questions count that one of them gets right and the other one wrong, b and c of them; under the null
    hypothesis each of the two is right in half: min(1, 2 · P(X ≤ min(b, c))), X ~ Binomial(b + c, ½). 1.0 where there
    is no such question. Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions
    or percentages, Psychometrika 12 (1947), 153–157, whose χ² = (b − c)² / (b + c) approximates this.
    """
    only_first = sum(bool(a) and not b for a, b in zip(first, second, strict=True))
    only_second = sum(bool(b) and not a for a, b in zip(first, second, strict=True))
    if only_first + only_second == 0:
        return 1.0
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))


@dataclass(frozen=True)
class Comparison:
    """Two scores of the same n items. `difference` is second − first; its interval of `level` is `low` to `high`.

    `higher` and `lower` count the items on which the second scores more and less. `p` is McNemar's; None unless every
    score is 0 or 1.
    """

    n: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    higher: int
    lower: int
    p: float | None
    level: float = LEVEL

    @property
    def is_told(self) -> bool:
        """Whether the scores show a difference: each test that there is has to say so.

        The interval leaves out 0, and McNemar's p is below 1 − level. Where there is no p, the scores have to differ on
        k items with 2 / 2ᵏ below 1 − level, which is how likely chance puts all of them on one side: an interval from
        fewer is too narrow.
        """
        chance = 2.0 ** (1 - self.higher - self.lower) if self.p is None else self.p
        return (self.low > 0 or self.high < 0) and chance < 1 - self.level

    def in_words(self, first: str = "A", second: str = "B", *, percent: bool = True) -> str:
        """The verdict on scores called `first` and `second`, as a sentence; in percentage points, or as they are."""
        if self.higher == self.lower == 0:
            return f"No difference can be told from n = {self.n}: {first} and {second} score the same on every item."
        scale, unit = (100.0, " points") if percent else (1.0, "")
        by = signed(scale * self.difference, percent=percent) + unit
        within = " to ".join(signed(scale * end, percent=percent) for end in (self.low, self.high))
        sure = f"{100 * self.level:g} % interval {within}" + ("" if self.p is None else f", {p_in_words(self.p)}")
        if not self.is_told:
            return f"No difference can be told from n = {self.n}: {second} − {first} = {by} ({sure})."
        word = "higher" if self.difference > 0 else "lower"
        return f"{second} scores {word} than {first}: {by} ({sure}, n = {self.n})."


def compare_scores(
    first: Sequence[float],
    second: Sequence[float],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Comparison:
    """Compare two scores of the same items: `first[i]` and `second[i]` are of one item.

    Raises BadInput for scores of different lengths, for none at all, and for NaN and infinity.
    """
    one, other = _paired(first, second)
    differences = _differences(one, other)
    low, high = bootstrap_interval(differences.tolist(), resamples=resamples, level=level, seed=seed)
    counts = _is_right_or_wrong(one) and _is_right_or_wrong(other)
    return Comparison(
        n=one.size,
        first=float(one.mean()),
        second=float(other.mean()),
        difference=float(differences.mean()),
        low=low,
        high=high,
        higher=int((differences > 0).sum()),
        lower=int((differences < 0).sum()),
        p=mcnemar_p((one == 1).tolist(), (other == 1).tolist()) if counts else None,
        level=level,
    )


def p_in_words(p: float) -> str:
    """`p = 0.031`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"


def signed(value: float, *, percent: bool) -> str:
    """A difference with its sign: to a tenth of a point, or to three figures."""
    text = f"{value:+.1f}" if percent else f"{value:+.3g}"
    # Neither a minus before nothing, nor a hyphen for a minus.
    return text.lstrip("+-") if not float(text) else text.replace("-", "\N{MINUS SIGN}", 1)


def _resampled_means(sample: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """The means of as many draws with replacement, (resamples,).

    Where there are few different values, what is drawn is how often each of them comes: the same law, and much quicker.
    """
    generator = np.random.RandomState(seed)  # the one generator of numpy whose numbers never change
    values, counts = np.unique(sample, return_counts=True)
    if len(values) <= _FEW_VALUES:
        drawn = generator.multinomial(sample.size, counts / sample.size, size=resamples)  # (resamples, values)
        return drawn @ values / sample.size
    ordered, at_once = np.sort(sample), max(1, _DRAWN_AT_ONCE // sample.size)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    return np.concatenate(
        [ordered[generator.randint(sample.size, size=(size, sample.size))].mean(axis=1) for size in sizes]
    )


def _differences(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """other − one; 0 where they differ by rounding alone, as 0.1 + 0.2 and 0.3 do."""
    return np.where(np.isclose(one, other, rtol=_ROUNDING, atol=0), 0.0, other - one)


def _middle(figures: NDArray[np.float64], level: float) -> tuple[float, float]:
    tail = 50 * (1 - _checked_level(level))
    low, high = np.percentile(figures, [tail, 100 - tail])
    rounding = _ROUNDING * float(np.abs(figures).max())  # an end that is 0 must not look like one beside it
    return float(low) if abs(low) > rounding else 0.0, float(high) if abs(high) > rounding else 0.0


def _is_right_or_wrong(sample: NDArray[np.float64]) -> bool:
    return bool(((sample == 0) | (sample == 1)).all())


def _paired(first: Sequence[float], second: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(first) != len(second):
        problem = f"there are {len(second)} scores where the first has {len(first)}"
        raise BadInput(problem, input="second", hint="Give both scores of the same items, in the same order.")
    return _checked(first, "first"), _checked(second, "second")


def _checked(values: ArrayLike, name: str) -> NDArray[np.float64]:
    sample = np.asarray(values, dtype=float)
    if sample.size == 0:
        raise BadInput("an interval needs at least one value", input=name)
    if sample.ndim != 1:
        raise BadInput("one number for each item is needed", input=name, value=sample.shape)
    if not np.isfinite(sample).all():
        raise BadInput("a value is NaN or infinite", input=name, hint="Leave out the cases that have none.")
    return sample


def _checked_level(level: float) -> float:
    if not 0 < level < 1:
        raise BadInput("a level is a share", input="level", value=level, hint="Give one between 0 and 1, say 0.95.")
    return level


def _checked_count(resamples: int) -> int:
    if resamples < 1:
        raise BadInput("it counts from 1", input="resamples", value=resamples)
    return resamples

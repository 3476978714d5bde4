"""Intervals for weighted samples whose rows come in clusters (several comparisons to one prompt).

Statistics are functions of weighted totals: a row's features are summed over its cluster, and the
design bootstrap draws clusters with replacement, one less than there are (Rao & Wu 1988), so a
million-row pool costs what its sample costs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Weighted totals of features, [..., features] -> [...].
Statistic = Callable[[Floats], Floats]

LEVEL = 0.95
DRAWS = 1000
_BLOCK = 4_000_000  # resampled cluster numbers held at once


class Interval(NamedTuple):
    """From where to where; None where the data say nothing."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, and how many rows it rests on; None where nothing, or too
    little, was measured."""

    value: float | None = None
    ci: Interval | None = None
    n: int = 0


def z_of(level: float) -> float:
    """The normal quantile of a two-sided interval."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def t_of(level: float, df: float) -> float:
    """Student's quantile by Cornish and Fisher's expansion (Abramowitz & Stegun 26.7.5).

    Within 0.3 % from 4 degrees of freedom on; below, where it fails, by summing up the density over
    the angle atan(t / √df). Less than 1 counts as 1.
    """
    v = max(1.0, df)
    if v < 4:
        angles = np.linspace(0, math.pi / 2, 4001)
        heights = np.cos(angles) ** (v - 1)
        inside = np.concatenate([[0.0], np.cumsum(heights[1:] + heights[:-1])])
        return math.sqrt(v) * math.tan(float(np.interp(level * inside[-1], inside, angles)))
    z = z_of(level)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / v**power for power, term in enumerate(terms, start=1))


def student_p(t: float, df: float) -> float:
    """How likely Student's t is as far from 0, or farther: the density over the angle, as above."""
    v = max(1.0, df)
    first = math.atan(abs(t) / math.sqrt(v))
    # Of many degrees of freedom nothing is left so far out.
    angles = np.linspace(first, min(math.pi / 2, first + 12 / math.sqrt(v)), 4001)
    heights = np.cos(angles) ** (v - 1)
    outside = float(np.trapezoid(heights, angles))
    gammas = math.lgamma((v + 1) / 2) - math.lgamma(v / 2)
    return min(1.0, 2 * outside * math.exp(gammas) / math.sqrt(math.pi))


def wilson(p: float, n: float, *, level: float = LEVEL) -> Interval:
    """Wilson's score interval (1927) of a proportion of n equally probable, independent rows."""
    if n <= 0:
        return Interval(0.0, 1.0)
    z = z_of(level)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def kish(weights: Floats) -> float:
    """How many equally weighted rows would weigh as evenly (Kish 1965): (Σw)² / Σw²."""
    total = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / total if total else 0.0


def codes(clusters: Sequence[Any] | NDArray[Any]) -> Ints:
    """Cluster names as numbers from 0."""
    return np.unique(np.asarray(clusters), return_inverse=True)[1].astype(np.int64).reshape(-1)


def cluster_totals(features: Floats, weights: Floats, clusters: Ints) -> Floats:
    """Weighted features [rows, k] summed over their clusters: [clusters, k]."""
    count = int(clusters.max()) + 1 if len(clusters) else 0
    columns = [
        np.bincount(clusters, weights=features[:, k] * weights, minlength=count)
        for k in range(features.shape[1])
    ]
    return np.stack(columns, axis=1)


def bootstrap(totals: Floats, statistic: Statistic, *, seed: int = 0, draws: int = DRAWS) -> Floats:
    """A statistic of resampled cluster totals, once for each draw; NaN where it has no value."""
    # Single precision: a resampled total needs no more, and takes a tenth of the time.
    drawn = _resampled(len(totals), seed, draws) @ totals.astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        return statistic(drawn.astype(np.float64))


@lru_cache(maxsize=2)
def _resampled(count: int, seed: int, draws: int) -> NDArray[np.float32]:
    """How often each cluster is drawn: [draws, clusters]. All numbers of an audit rest on the same
    draws, so they are made once.

    One less than there are is drawn, and each counts for a little more than once: all of them would
    vary too little, by half where there are two.
    """
    rng = np.random.default_rng(seed)
    taken = max(1, count - 1)
    found = np.empty((draws, count), dtype=np.float32)
    block = max(1, min(draws, _BLOCK // max(1, count)))
    for first in range(0, draws, block):
        size = min(block, draws - first)
        drawn = rng.integers(0, count, size=(size, taken))
        drawn += np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=size * count)
        found[first : first + size] = times.reshape(size, count) * (count / taken)
    return found


def percentiles(values: Floats, *, level: float = LEVEL) -> Interval | None:
    """The middle of bootstrapped values; None where most of them are no number."""
    finite = values[np.isfinite(values)]
    if len(finite) * 2 < len(values) or not len(finite):
        return None
    low, high = np.quantile(finite, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(low), float(high))


def estimate(
    features: Floats,
    weights: Floats,
    clusters: Ints,
    statistic: Statistic,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> Estimate:
    """A statistic of weighted rows with its design-bootstrap interval.

    Rows of a single cluster have none: redrawing it would give a width of zero.
    """
    if not len(features):
        return Estimate()
    totals = cluster_totals(features, weights, clusters)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(totals.sum(axis=0)))
    if not math.isfinite(value):
        return Estimate(n=len(features))
    if clusters.min() == clusters.max():
        return Estimate(value, None, len(features))
    drawn = bootstrap(totals, statistic, seed=seed, draws=draws)
    return Estimate(value, percentiles(drawn), len(features))


def mean(values: Sequence[float | None], clusters: Ints) -> Estimate:
    """The mean of the values that are there, with its bootstrap interval over clusters."""
    row = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    there = ~np.isnan(row)
    features = np.stack([row[there], np.ones(int(there.sum()))], axis=1)
    return estimate(features, features[:, 1], clusters[there], ratio)


def rate(values: Sequence[bool], clusters: Ints) -> Estimate:
    """The share of rows [rows] that are true, with an interval that has a width at 0 and 1 too,
    where a bootstrap has none: see `bounded_mean`.

    Rows of a single cluster have no interval; no rows, nothing.
    """
    if not len(values):
        return Estimate()
    row = np.array(values, dtype=np.float64)
    share = float(row.mean())
    if clusters.min() == clusters.max():
        return Estimate(share, None, len(row))
    return Estimate(share, bounded_mean(row, np.ones(len(row)), clusters), len(row))


def ratio(totals: Floats) -> Floats:
    """The first of two totals over the second: a mean, where the second counts rows."""
    found: Floats = totals[..., 0] / totals[..., 1]
    return found


def bounded_mean(
    residuals: Floats,
    weights: Floats,
    clusters: Ints,
    *,
    around: float | None = None,
    level: float = LEVEL,
) -> Interval:
    """The interval of a weighted mean that lies between 0 and 1, by design and by clusters.

    Agresti and Coull (1998) with weights: as many rows of 0 and of 1 as make z² are added, each
    with the sample's weight-averaged weight Σw²/Σw; then the linearised variance between clusters
    (Binder 1983) and Student's quantile for the effective number of rows, or of clusters where they
    are fewer. With equal weights and clusters of one it is theirs, so it covers near 0 and 1 and in
    small samples, where a bootstrap of a sample without a single 0 has no width. A single cluster
    says nothing of others: from 0 to 1. `around` is the estimate itself where `residuals` are what
    a predictor leaves over.
    """
    total, n = float(weights.sum()), kish(weights)
    mean = float(weights @ residuals) / total
    centre = mean if around is None else around
    z = z_of(level)
    each = float(weights @ weights) / total
    added = each * z * z
    middle = (total * min(1.0, max(0.0, centre)) + added / 2) / (total + added)
    deviations = np.bincount(clusters, weights=weights * (residuals - mean))
    count = len(deviations)
    if count < 2:
        return Interval(0.0, 1.0)
    between = float(deviations @ deviations) * (count / (count - 1))
    prior = each * added * ((1 - middle) ** 2 + middle**2) / 2
    # The residuals' mean is not the middle: what lies between them is part of the spread.
    shift = each * total * (min(1.0, max(0.0, centre)) - middle) ** 2
    half = t_of(level, min(n, count) - 1) * math.sqrt(between + prior + shift) / (total + added)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of many tests at once (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda n: p_values[n])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, n in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[n]))
        adjusted[n] = highest
    return adjusted

"""What an answer depends on that it should not: which side came first, which one is longer."""

import math
from typing import NamedTuple

import numpy as np

from cai_app.agreement.raters import rate
from cai_app.intervals import LEVEL, Estimate, Floats, Interval, Ints, t_of


class Orders(NamedTuple):
    """A judge asked in both orders (RLAIF 2309.00267, table 4).

    `gap` is the mean distance of the two chances, `first_gain` the mean gain of being shown first,
    `flip_rate` how often the other response is chosen after a swap.
    """

    gap: Estimate
    first_gain: Estimate
    flip_rate: Estimate


def orders(a_first: Floats, b_first: Floats, weights: Floats, clusters: Ints) -> Orders:
    """P(a) with a shown first and with b shown first; rows that lack one are left out."""
    both = np.isfinite(a_first) & np.isfinite(b_first)
    a, b, w = a_first[both], b_first[both], weights[both]
    own = np.unique(clusters[both], return_inverse=True)[1].reshape(-1)
    flipped = ((a - 0.5) * (b - 0.5) < 0).astype(float)
    return Orders(_mean(np.abs(a - b), w, own), _mean(a - b, w, own), rate(flipped, w, own))


def _mean(values: Floats, weights: Floats, clusters: Ints) -> Estimate:
    """A weighted mean with the linearised interval, None of a single cluster; there may be a
    million rows."""
    if not len(values):
        return Estimate()
    shares = weights / weights.sum()
    mean = float(shares @ values)
    sums = np.bincount(clusters, weights=shares * (values - mean))
    if len(sums) < 2:
        return Estimate(mean, None, len(values))
    error = math.sqrt(float(sums @ sums) * len(sums) / (len(sums) - 1))
    half = t_of(LEVEL, len(sums) - 1) * error
    return Estimate(mean, Interval(mean - half, mean + half), len(values))


def longer_wins(
    answers: Floats, a_length: Floats, b_length: Floats, weights: Floats, clusters: Ints
) -> Estimate:
    """How often the longer response is chosen, where one is longer; a tie counts half."""
    differ = a_length != b_length
    longer = np.where(a_length > b_length, answers, 1 - answers)
    own = np.unique(clusters[differ], return_inverse=True)[1].reshape(-1)
    return rate(longer[differ], weights[differ], own)

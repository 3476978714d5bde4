"""Two raters and many: agreement, Cohen's kappa (1960), Krippendorff's alpha (2004).

An answer is 1 (a is better), 0 (b is better) or 0.5 (a tie). Kappa and alpha depend on how often
each side is chosen, so they are taken on sides in a seeded random order (`sides`), not on whichever
side a data set happens to put first.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from cai_app.intervals import (
    Estimate,
    Floats,
    Ints,
    bounded_mean,
    estimate,
    wilson,
)

Ties = Literal["out", "half"]
Bools = np.typing.NDArray[np.bool_]


def hard(p: Floats) -> Floats:
    """Chances as answers: above a half 1, below it 0, exactly there a tie."""
    found: Floats = (np.sign(p - 0.5) + 1) / 2
    return found


def scores(one: Floats, other: Floats) -> Floats:
    """1 where two answers are the same, 0 where they are opposite, half where one is a tie."""
    found: Floats = 1 - np.abs(one - other)
    return np.where((one == 0.5) | (other == 0.5), 0.5, found)


def rate(values: Floats, weights: Floats, clusters: Ints) -> Estimate:
    """A weighted mean of values between 0 and 1 with an interval that stays there.

    Wilson's under equal probabilities and one row a cluster, else `bounded_mean`.
    """
    if not len(values):
        return Estimate()
    mean = float(weights @ values / weights.sum())
    alone = len(np.unique(clusters)) == len(clusters)
    if alone and np.allclose(weights, weights[0]):
        return Estimate(mean, wilson(mean, len(values)), len(values))
    return Estimate(mean, bounded_mean(values, weights, clusters), len(values))


def sides(ids: Sequence[str], seed: int) -> Bools:
    """Whether each comparison is shown swapped: a fair coin for each id and seed."""
    digests = (hashlib.sha256(f"{seed}-{id}".encode()).digest()[0] for id in ids)
    return np.fromiter((byte & 1 for byte in digests), dtype=bool, count=len(ids))


def turned(answers: Floats, swapped: Bools) -> Floats:
    """Answers as they read for swapped sides."""
    return np.where(swapped, 1 - answers, answers)


def kappa(
    one: Floats, other: Floats, weights: Floats, clusters: Ints, *, ties: Ties = "out"
) -> Estimate:
    """Cohen's kappa of two raters' answers, weighted.

    Ties are left out, or count half for either side.
    """
    if ties == "out":
        kept = (one != 0.5) & (other != 0.5)
        one, other, weights, clusters = one[kept], other[kept], weights[kept], clusters[kept]
        if len(clusters):
            clusters = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    cells = np.stack(
        [one * other, one * (1 - other), (1 - one) * other, (1 - one) * (1 - other)], axis=1
    )
    return estimate(cells, weights, clusters, kappa_of)


def kappa_of(cells: Floats) -> Floats:
    """Kappa of a 2 × 2 table [..., 4]: both a, a and b, b and a, both b."""
    shares = cells / cells.sum(axis=-1, keepdims=True)
    aa, ab, ba, bb = (shares[..., k] for k in range(4))
    chance = (aa + ab) * (aa + ba) + (ba + bb) * (ab + bb)
    found: Floats = (aa + bb - chance) / (1 - chance)
    return found


def alpha(units: Ints, answers: Floats, weights: Floats, clusters: Ints) -> Estimate:
    """Krippendorff's nominal alpha of any number of raters, some of whom are silent on some units.

    One row an answer: its unit, the unit's weight and cluster. Units with one answer say nothing
    and are left out; `n` counts the others.
    """
    kinds, codes_ = np.unique(answers, return_inverse=True)
    names, first, place = np.unique(units, return_index=True, return_inverse=True)
    counts = np.zeros((len(names), len(kinds)))
    np.add.at(counts, (place.reshape(-1), codes_.reshape(-1)), 1)
    total = counts.sum(axis=1)
    paired = total >= 2
    if not paired.any():
        return Estimate()
    counts, total = counts[paired], total[paired]
    # Coincidences of a unit: ordered pairs of its answers, each answer counted once in all.
    pairs = counts[:, :, None] * counts[:, None, :]
    same = np.arange(len(kinds))
    pairs[:, same, same] -= counts
    features = (pairs / (total - 1)[:, None, None]).reshape(len(counts), -1)
    own = weights[first][paired]
    found = np.unique(clusters[first][paired], return_inverse=True)[1].reshape(-1)
    distance = (kinds[:, None] != kinds[None, :]).astype(float)

    def statistic(totals: Floats) -> Floats:
        table = totals.reshape(*totals.shape[:-1], len(kinds), len(kinds))
        margin = table.sum(axis=-1)
        n = margin.sum(axis=-1)
        seen = (table * distance).sum(axis=(-1, -2))
        expected = ((margin @ distance) * margin).sum(axis=-1)
        value: Floats = 1 - (n - 1) * seen / expected
        return value

    return estimate(features, own / own.mean(), found, statistic)

"""Corrected estimates over a frozen pool: what people would say of all of it, from a sample.

Weighted prediction-powered inference (Angelopoulos et al. 2023, arXiv 2301.09633; power tuning
2311.01453; cross-fitting Zrnic & Candès 2309.16598): a predictor is averaged over the pool, and the
sample corrects it with known inclusion probabilities (a difference estimator, Särndal et al. 1992,
chapter 6). However wrong the predictor is, the estimate is right on average; the better it is, the
narrower the interval.
"""

import math
from typing import NamedTuple

import numpy as np

from cai_app.intervals import Floats, Interval, Ints, bounded_mean, z_of

FOLDS = 5
# A predictor with d coefficients needs some rows each before it is worth fitting.
_ROWS_EACH = 8
_RIDGE = 4.0  # as if so many rows had no effect at all


class Sample(NamedTuple):
    """The labelled rows of a pool.

    `rows` are their places in the pool, `y` the answers between 0 and 1, `probabilities` the
    chances with which the rows were drawn, `clusters` the numbers of their prompts.
    """

    rows: Ints
    y: Floats
    probabilities: Floats
    clusters: Ints


class Corrected(NamedTuple):
    """An estimate over the pool. `tuning` is how far the predictor was trusted (0: not at all)."""

    estimate: float
    ci: Interval
    n: int
    tuning: float


def corrected(sample: Sample, features: Floats, *, seed: int = 0) -> Corrected | None:
    """The mean answer over the pool, whose features are [rows, d]; None without labels.

    `features` may hold anything known of every row before a person saw it.
    """
    n = len(sample.y)
    if not n:
        return None
    weights = 1.0 / sample.probabilities
    shares = weights / weights.sum()
    own, over_pool = _crossfitted(sample, features, shares, seed)
    tuning = _tuned(sample.y, own, weights)
    residuals = sample.y - tuning * own
    value = tuning * over_pool + float(shares @ residuals)
    value = min(1.0, max(0.0, value))
    interval = bounded_mean(residuals, weights, sample.clusters, around=value)
    return Corrected(value, interval, n, tuning)


def _crossfitted(
    sample: Sample, features: Floats, shares: Floats, seed: int
) -> tuple[Floats, float]:
    """Each labelled row's prediction by a model that has not seen its prompt, and the mean
    prediction over the pool of the same models, in the same proportions."""
    prompts = np.unique(sample.clusters)
    fold_of = np.random.default_rng(seed).permutation(len(prompts)) % FOLDS
    fold = fold_of[np.searchsorted(prompts, sample.clusters)]
    own, over_pool = np.zeros(len(sample.y)), 0.0
    inside = features[sample.rows]
    for number in range(FOLDS):
        held = fold == number
        if not held.any():
            continue
        model = _fit(inside[~held], sample.y[~held], shares[~held])
        own[held] = _predict(model, inside[held])
        over_pool += float(shares[held].sum()) * float(_predict(model, features).mean())
    return own, over_pool


class _Model(NamedTuple):
    centre: Floats
    coefficients: Floats
    level: float


def _fit(x: Floats, y: Floats, shares: Floats) -> _Model:
    """Weighted ridge regression; without enough rows for the features, the level alone."""
    total = float(shares.sum())
    if not total:
        return _Model(np.zeros(x.shape[1]), np.zeros(x.shape[1]), 0.5)
    w = shares / total
    centre: Floats = w @ x
    level = float(w @ y)
    if len(y) < _ROWS_EACH * 2:
        return _Model(centre, np.zeros(x.shape[1]), level)
    around = x - centre
    moments = (around * w[:, None]).T @ around
    # Features without spread, and more features than the rows can carry, are held down.
    penalty = _RIDGE * max(1.0, _ROWS_EACH * x.shape[1] / len(y)) / len(y)
    scale = np.diag(moments) + 1e-9
    matrix = moments + np.diag(penalty * scale + 1e-9)
    slopes = np.linalg.solve(matrix, (around * w[:, None]).T @ (y - level))
    return _Model(centre, np.asarray(slopes, dtype=np.float64), level)


def _predict(model: _Model, x: Floats) -> Floats:
    # (x − centre) @ coefficients, without a copy of a whole pool's features.
    level = model.level - float(model.centre @ model.coefficients)
    found: Floats = np.clip(level + x @ model.coefficients, 0.0, 1.0)
    return found


def _tuned(y: Floats, predicted: Floats, weights: Floats) -> float:
    """The share of the predictor that leaves the least variance (2311.01453, eq. 6)."""
    w = weights**2 / float(weights @ weights)
    away = predicted - w @ predicted
    spread = float(w @ away**2)
    if spread < 1e-12:
        return 0.0
    return min(1.0, max(0.0, float(w @ (away * (y - w @ y))) / spread))


def more_labels(n: int, half_width: float, interval: Interval, *, level: float = 0.95) -> int:
    """How many labels more would bring an interval of n labels down to ± half_width, if they are
    drawn as these were."""
    if half_width <= 0:
        raise ValueError(f"half width {half_width} should be above 0")
    present = (interval.high - interval.low) / 2
    # Width falls with the square root of n, beside the z² rows that the interval adds.
    added = z_of(level) ** 2
    needed = (n + added) * (present / half_width) ** 2 - added
    return max(0, math.ceil(needed - n))

"""How far chances can be believed: reliability bins, expected calibration error, Brier score."""

from typing import NamedTuple

import numpy as np

from cai_app.agreement.raters import rate
from cai_app.intervals import Estimate, Floats, Ints, estimate, ratio

BINS = 10


class Bin(NamedTuple):
    """Rows with chances from `low` to `high`: their share of the weight, what was promised on
    average, and how often it came true."""

    low: float
    high: float
    share: float
    promised: float | None
    rate: Estimate


class Calibration(NamedTuple):
    """The bins, the mean distance of promise and rate (Naeini et al. 2015), and the mean squared
    distance of chance and outcome (Brier 1950)."""

    bins: tuple[Bin, ...]
    ece: Estimate
    brier: Estimate


def calibration(
    chances: Floats,
    outcomes: Floats,
    weights: Floats,
    clusters: Ints,
    *,
    bins: int = BINS,
    low: float = 0.0,
) -> Calibration:
    """Chances against outcomes between 0 and 1, in bins of equal width from `low` to 1."""
    return Calibration(
        reliability(chances, outcomes, weights, clusters, bins=bins, low=low),
        ece(chances, outcomes, weights, clusters, bins=bins, low=low),
        brier(chances, outcomes, weights, clusters),
    )


def reliability(
    chances: Floats,
    outcomes: Floats,
    weights: Floats,
    clusters: Ints,
    *,
    bins: int = BINS,
    low: float = 0.0,
) -> tuple[Bin, ...]:
    """The bins of `calibration` alone."""
    place = _places(chances, bins, low)
    edges = np.linspace(low, 1, bins + 1)
    total = float(weights.sum())
    found = []
    for number in range(bins):
        inside = place == number
        w = weights[inside]
        promised = float(w @ chances[inside] / w.sum()) if inside.any() else None
        rows = rate(outcomes[inside], w, _renumbered(clusters[inside]))
        span = float(edges[number]), float(edges[number + 1])
        found.append(Bin(*span, float(w.sum()) / total if total else 0.0, promised, rows))
    return tuple(found)


def ece(
    chances: Floats,
    outcomes: Floats,
    weights: Floats,
    clusters: Ints,
    *,
    bins: int = BINS,
    low: float = 0.0,
) -> Estimate:
    """The calibration error alone: between promise and rate, weighted by the bins' shares."""
    place = _places(chances, bins, low)
    inside = np.eye(bins)[place] if len(place) else np.zeros((0, bins))
    # A bin's share times its distance is the sum of what lies between, over the whole weight.
    features = np.concatenate(
        [inside * (chances - outcomes)[:, None], np.ones((len(chances), 1))], axis=1
    )
    return estimate(
        features,
        weights,
        clusters,
        lambda totals: np.abs(totals[..., :-1]).sum(axis=-1) / totals[..., -1],
    )


def brier(chances: Floats, outcomes: Floats, weights: Floats, clusters: Ints) -> Estimate:
    """The mean squared distance of chance and outcome."""
    return estimate(
        np.stack([(chances - outcomes) ** 2, np.ones(len(chances))], axis=1),
        weights,
        clusters,
        ratio,
    )


def _places(chances: Floats, bins: int, low: float) -> Ints:
    """The bin of each chance."""
    return np.clip(((chances - low) / (1 - low) * bins).astype(int), 0, bins - 1)


def _renumbered(clusters: Ints) -> Ints:
    return np.unique(clusters, return_inverse=True)[1].reshape(-1)

"""Means with intervals where rows that share a prompt are no independent news; pure functions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cai_app.records import Record

DRAWS = 1000
# A bootstrap over fewer clusters says more than it knows.
LEAST_CLUSTERS = 2


class Estimate(Record):
    """A mean over `n` rows from `clusters` prompts, with its 95 % interval; None where nothing, or
    too little, was measured."""

    value: float | None = None
    ci: tuple[float, float] | None = None
    n: int = 0
    clusters: int = 0


class Bootstrap:
    """Means of rows, with percentile intervals from redrawing whole clusters (here: prompts)."""

    def __init__(self, clusters: Sequence[str], *, draws: int = DRAWS, seed: int = 0) -> None:
        self.names, self.member = np.unique(np.array(clusters, dtype=object), return_inverse=True)
        k = len(self.names)
        rng = np.random.default_rng(seed)
        # How often each cluster is in each redraw.
        self.counts = rng.multinomial(k, np.full(k, 1 / k), size=draws) if k else np.zeros((0, 0))

    def mean(self, values: Sequence[float | None] | Any) -> Estimate:
        """The mean over rows that have a value."""
        row = np.array([np.nan if v is None else float(v) for v in values], dtype=float)
        there = ~np.isnan(row)
        n = int(there.sum())
        if not n:
            return Estimate()
        k = len(self.names)
        sums = np.bincount(self.member[there], weights=row[there], minlength=k)
        sizes = np.bincount(self.member[there], minlength=k)
        clusters = int((sizes > 0).sum())
        value = float(row[there].mean())
        if clusters < LEAST_CLUSTERS:
            return Estimate(value=value, n=n, clusters=clusters)
        total = self.counts @ sizes
        means = (self.counts @ sums)[total > 0] / total[total > 0]
        low, high = np.quantile(means, (0.025, 0.975))
        return Estimate(value=value, ci=(float(low), float(high)), n=n, clusters=clusters)

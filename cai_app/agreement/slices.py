"""A rate by slices, and which slices differ from the rest when many are looked at (Holm 1979)."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cai_app.agreement.raters import rate
from cai_app.intervals import Estimate, Floats, Ints, holm, student_p

FEW = 20  # labels; a slice with fewer is shown, but nothing is to be read into it


class Slice(NamedTuple):
    """One slice. `p_value` says how well chance explains its difference from the rest, adjusted
    for all slices; None where one of the two has under 20 labels, or a single prompt."""

    name: str
    rate: Estimate
    p_value: float | None

    @property
    def few(self) -> bool:
        """Whether it has too few labels to be read."""
        return self.rate.n < FEW


def slices(
    names: Sequence[Any], values: Floats, weights: Floats, clusters: Ints
) -> tuple[Slice, ...]:
    """The rate in every slice, the largest first."""
    labels = np.asarray([str(name) for name in names], dtype=object)
    kinds, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    found, raw = [], []
    for name in kinds[order]:
        inside = labels == name
        own = np.unique(clusters[inside], return_inverse=True)[1].reshape(-1)
        found.append((str(name), rate(values[inside], weights[inside], own)))
        raw.append(_difference(inside, values, weights, clusters))
    tested = [p for p in raw if p is not None]
    adjusted = iter(holm(tested))
    return tuple(
        Slice(name, one, None if p is None else next(adjusted))
        for (name, one), p in zip(found, raw, strict=True)
    )


def _difference(
    inside: np.typing.NDArray[np.bool_], values: Floats, weights: Floats, clusters: Ints
) -> float | None:
    """Two-sided p of slice against rest, by the linearised variance between clusters and Student's
    t of the side with fewer of them."""
    if min(int(inside.sum()), int((~inside).sum())) < FEW:
        return None
    counts = [len(np.unique(clusters[rows])) for rows in (inside, ~inside)]
    if min(counts) < 2:
        return None
    influence, means = np.zeros(len(values)), []
    for rows, sign, count in zip((inside, ~inside), (1.0, -1.0), counts, strict=True):
        w = weights[rows] / weights[rows].sum()
        mean = float(w @ values[rows])
        influence[rows] = sign * math.sqrt(count / (count - 1)) * w * (values[rows] - mean)
        means.append(mean)
    sums = np.bincount(clusters, weights=influence)
    spread = math.sqrt(float(sums @ sums))
    if not spread:
        return 1.0 if means[0] == means[1] else 0.0
    return student_p((means[0] - means[1]) / spread, min(counts) - 1)

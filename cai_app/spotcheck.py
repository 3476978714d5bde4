"""Spot-checks: which rows people see, with what chance, in which order, and which way round.

Rows are drawn independently, each with a known chance (Poisson sampling, Särndal et al. 1992, 3.5),
and served in random order, so that a person who stops early has still seen a sample: every chance
is then the same share of what it was, and shares cancel in weighted means.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cai_app.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Rule = Literal["uniform", "confidence", "principle", "disagreement"]
RULES: tuple[Rule, ...] = ("uniform", "confidence", "principle", "disagreement")
# A row's size is at least this share of the mean size: weights stay within four times the average.
FLOOR = 0.25


class Pool(NamedTuple):
    """What is known of every row before anybody looks: ids, AI chances, and what the rules use.

    `gap` is the distance of the two orders, `spread` that of the principles, `other` the distance
    of the judge from the preference model; 0 where unknown.
    """

    ids: Sequence[str]
    p: Floats
    principles: Sequence[str | None]
    gap: Floats
    spread: Floats
    other: Floats


class Draw(NamedTuple):
    """A drawn sample: every row's chance, and the drawn rows in serving order."""

    probabilities: Floats
    order: Ints


def draw(pool: Pool, rule: Rule, n: int, *, seed: int, floor: float = FLOOR) -> Draw:
    """Draw about n rows. The same pool, rule and seed give the same draw, however it is sorted.

    Raises InputError for an empty pool, n below 1, or a floor outside 0.01 to 1.
    """
    if not len(pool.ids):
        raise InputError("there is nothing to draw from: label some comparisons first")
    if n < 1:
        raise InputError(f"--n {n}: draw at least one row")
    if not 0.01 <= floor <= 1:
        raise InputError(f"floor {floor} should be from 0.01 to 1")
    chances = probabilities(sizes(pool, rule), n, floor=floor)
    coins = np.array([_chance(seed, "draw", id) for id in pool.ids])
    drawn = np.flatnonzero(coins < chances)
    order = np.array([_chance(seed, "order", pool.ids[int(k)]) for k in drawn])
    return Draw(chances, drawn[np.argsort(order, kind="stable")])


def sizes(pool: Pool, rule: Rule) -> Floats:
    """How much a rule wants to see each row, before the floor."""
    match rule:
        case "uniform":
            return np.ones(len(pool.ids))
        case "confidence":  # the less sure, the more
            return 1 - np.abs(2 * pool.p - 1)
        case "principle":  # as many rows of a rare principle as of a common one
            names = np.array([name or "" for name in pool.principles])
            _, place, counts = np.unique(names, return_inverse=True, return_counts=True)
            shares: Floats = 1.0 / counts[place.reshape(-1)]
            return shares
        case "disagreement":
            return pool.gap + pool.spread + pool.other


def probabilities(sizes: Floats, n: float, *, floor: float = FLOOR) -> Floats:
    """Chances in proportion to sizes that are at least `floor` of their mean, summing to n.

    Rows whose share would be above 1 are certain, and the others share what is left.
    """
    mean = float(sizes.mean())
    lifted = floor + (1 - floor) * (sizes / mean if mean > 0 else np.ones(len(sizes)))
    if n >= len(sizes):
        return np.ones(len(sizes))
    found = np.zeros(len(sizes))
    certain = np.zeros(len(sizes), dtype=bool)
    while True:
        left = n - int(certain.sum())
        found = np.where(certain, 1.0, left * lifted / lifted[~certain].sum())
        over = (found > 1) & ~certain
        if not over.any():
            return found
        certain |= over


def _chance(*parts: object) -> float:
    """A number from 0 to below 1 that follows from the parts alone."""
    digest = hashlib.sha256("-".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def swapped(seed: int, rater: str, comparison: str, *, repeat: bool = False) -> bool:
    """Whether this rater sees this comparison with its sides exchanged; a repeat the other way."""
    return (_chance(seed, "side", rater, comparison) < 0.5) != repeat


class Serving(NamedTuple):
    """How a queue is served. `overlap` is the share of rows that every rater sees, `repeats` the
    share that a rater sees a second time, at least `apart` rows later."""

    seed: int
    overlap: float = 0.2
    repeats: float = 0.05
    apart: int = 10


def overlapping(serving: Serving, comparison: str) -> bool:
    """Whether every rater sees this row."""
    return _chance(serving.seed, "overlap", comparison) < serving.overlap


# Asked of every answered row for every next one.
@lru_cache(maxsize=1 << 15)
def _planted(serving: Serving, rater: str, comparison: str) -> bool:
    return _chance(serving.seed, "repeat", rater, comparison) < serving.repeats


class Next(NamedTuple):
    """What a rater sees next."""

    comparison: str
    repeat: bool


def following(
    order: Sequence[str],
    serving: Serving,
    rater: str,
    *,
    mine: Sequence[str],
    repeated: Collection[str] = (),
    taken: Collection[str] = (),
    seen: Collection[str] = (),
) -> Next | None:
    """The next row of a queue for one rater; None at its end.

    `mine` are the rows that this rater answered or skipped, the oldest first, `repeated` those
    answered twice, `taken` what other raters have, and `seen` what this person saw elsewhere with
    the AI's answer, which is no longer blind and is passed over.
    """
    due = mine[: max(0, len(mine) - serving.apart)]
    for one in due:
        if _planted(serving, rater, one) and one not in repeated and one not in seen:
            return Next(one, repeat=True)
    done = {*mine, *seen}
    for one in order:
        if one not in done and (one not in taken or overlapping(serving, one)):
            return Next(one, repeat=False)
    return None


class Response(NamedTuple):
    """How many of the served rows were answered, and what the skipped ones could hide.

    The rate if every skipped row were answered the worst way, and the best (Manski 1989).
    """

    served: int
    skipped: int
    skip_rate: float
    worst: float
    best: float


def response(values: Floats, weights: Floats, skipped_weights: Floats) -> Response:
    """Non-response: the bounds that skips put around a weighted rate of values from 0 to 1."""
    served, skipped = len(values) + len(skipped_weights), len(skipped_weights)
    answered, missing = float(weights @ values), float(skipped_weights.sum())
    total = float(weights.sum()) + missing
    if not total:
        return Response(served, skipped, 0.0, 0.0, 1.0)
    worst, best = answered / total, (answered + missing) / total
    return Response(served, skipped, skipped / served, worst, best)


def repeat_rate(
    first: Mapping[str, float], second: Mapping[str, float]
) -> tuple[float | None, int]:
    """How often a rater said the same of a planted repeat, and of how many."""
    both = [one for one in second if one in first]
    if not both:
        return None, 0
    return sum(first[one] == second[one] for one in both) / len(both), len(both)

"""A simulation: 95 % intervals cover the pool's true rate under every sampling rule.

The fast one repeats each hard case a few hundred times, the slow one a grid of them more often.
"""

import functools
from typing import NamedTuple

import numpy as np
import pytest

from cai_app import agreement, spotcheck
from cai_app.agreement import Sample

N = 1500
LEAST = 0.93
# Enough that a coverage of 95 % is two standard errors or more above the bar.
FAST, SLOW = 400, 800


class World(NamedTuple):
    """A pool with the truth about it."""

    pool: spotcheck.Pool
    prompts: np.ndarray
    features: np.ndarray
    answers: np.ndarray


def world(rng: np.random.Generator, rate: float, *, slope: float) -> World:
    """AI labels with prompts in common, and whether people agree: more often where the AI is sure
    (slope above 0), wherever, or where it is not (below 0)."""
    prompts = np.sort(rng.integers(0, int(N * 0.6), N))
    sure = rng.beta(2, 1.2, N)
    principle = rng.integers(0, 8, N)
    gap = rng.beta(1, 4, N) * (1 - sure)
    lean = slope * (sure - gap) + 0.5 * (principle % 3) + rng.normal(0, 0.7, N)[prompts]
    answers = (rng.random(N) < _sigmoid(lean + _level(lean, rate))).astype(float)
    pool = spotcheck.Pool(
        ids=[str(k) for k in range(N)],
        p=0.5 + sure / 2,
        principles=[f"p{k}" for k in principle],
        gap=gap,
        spread=np.zeros(N),
        other=np.zeros(N),
    )
    dummies = [principle == k for k in range(1, 8)]
    features = np.column_stack([sure, gap, rng.normal(0, 1, N), *dummies]).astype(float)
    return World(pool, prompts, features, answers)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _level(lean: np.ndarray, rate: float) -> float:
    low, high = -12.0, 12.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(lean + middle).mean() < rate else (low, middle)
    return low


class Coverage(NamedTuple):
    """How often the intervals held the truth, and how wide they were."""

    plain: float
    corrected: float
    naive: float
    plain_width: float
    corrected_width: float


@functools.lru_cache(maxsize=1)
def simulated(
    rules: tuple[spotcheck.Rule, ...],
    rate: float,
    n: int,
    *,
    slope: float,
    times: int,
    preference: bool = False,
) -> dict[spotcheck.Rule, Coverage]:
    """Draw, answer and estimate so many times, by each rule in the same worlds. `preference`: the
    rate at which people prefer a, predicted from p(A), instead of agreement."""
    rng = np.random.default_rng(7)
    held = {rule: np.zeros(3) for rule in rules}
    width = {rule: np.zeros(2) for rule in rules}
    for number in range(times):
        made = world(rng, rate, slope=slope)
        luck = rng.random(N)
        y, features = made.answers, made.features
        if preference:
            p = np.where(rng.random(N) < 0.75, y, 1 - y) * made.pool.p
            features = np.column_stack([p, made.features[:, 0]])
        for rule in rules:
            chances = spotcheck.probabilities(spotcheck.sizes(made.pool, rule), n)
            rows = np.flatnonzero(luck < chances)
            truth, own = y.mean(), agreement.codes(made.prompts[rows])
            plain = agreement.bounded_mean(y[rows], 1 / chances[rows], own)
            found = agreement.corrected(
                Sample(rows, y[rows], chances[rows], own), features, seed=number
            )
            assert found is not None
            naive = agreement.wilson(y[rows].mean(), len(rows))
            held[rule] += [i.low <= truth <= i.high for i in (plain, found.ci, naive)]
            width[rule] += [i.high - i.low for i in (plain, found.ci)]
    return {rule: Coverage(*held[rule] / times, *width[rule] / times) for rule in rules}


@pytest.mark.parametrize("rule", spotcheck.RULES)
def test_intervals_cover_at_accuracy_97_with_50_labels(rule: spotcheck.Rule) -> None:
    found = simulated(spotcheck.RULES, 0.97, 50, slope=3, times=FAST)[rule]
    assert min(found.plain, found.corrected) >= LEAST, found
    assert found.plain_width < 0.25, "an interval that says nothing covers too"


def test_unweighted_wilson_under_confidence_sampling_does_not_cover() -> None:
    """The reason for all of this: unsure rows are seen more often, and disagree more often."""
    found = simulated(("confidence",), 0.8, 300, slope=3, times=100)["confidence"]
    assert found.naive < 0.6 and min(found.plain, found.corrected) >= LEAST, found


def test_a_good_predictor_narrows_the_corrected_preference_and_it_still_covers() -> None:
    found = simulated(("uniform",), 0.5, 200, slope=0, times=FAST, preference=True)["uniform"]
    assert found.corrected >= LEAST, found
    assert found.corrected_width < 0.92 * found.plain_width, found


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("preference", [False, True])
@pytest.mark.parametrize("slope", [3.0, 0.0, -3.0])
@pytest.mark.parametrize("n", [50, 100, 300])
@pytest.mark.parametrize("rate", [0.97, 0.8, 0.05])
@pytest.mark.parametrize("rule", spotcheck.RULES)
def test_intervals_cover_everywhere(
    rule: spotcheck.Rule, rate: float, n: int, slope: float, preference: bool
) -> None:
    found = simulated(spotcheck.RULES, rate, n, slope=slope, times=SLOW, preference=preference)[
        rule
    ]
    assert min(found.plain, found.corrected) >= LEAST, found


def test_the_corrected_estimate_is_right_on_average_with_a_wrong_predictor() -> None:
    """Features that say nothing, or the opposite: the mean of many estimates is the pool's rate."""
    rng = np.random.default_rng(3)
    off = []
    for number in range(150):
        made = world(rng, 0.8, slope=-3)
        chances = spotcheck.probabilities(spotcheck.sizes(made.pool, "confidence"), 100)
        rows = np.flatnonzero(rng.random(N) < chances)
        own = agreement.codes(made.prompts[rows])
        found = agreement.corrected(
            Sample(rows, made.answers[rows], chances[rows], own), made.features, seed=number
        )
        assert found is not None
        off.append(found.estimate - made.answers.mean())
    assert abs(np.mean(off)) < 3 * np.std(off) / np.sqrt(len(off)) + 0.003

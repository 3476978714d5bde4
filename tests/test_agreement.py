"""Agreement statistics against the libraries that people trust, and against tables by hand."""

import math
import warnings

import numpy as np
import pytest

from cai_app import agreement
from cai_app.agreement import Interval
from cai_app.agreement.raters import kappa_of
from cai_app.intervals import bootstrap, cluster_totals, kish, percentiles, student_p, t_of

SEEDS = range(12)
EXACT = 1e-9


def table(seed: int, n: int = 90, *, ties: bool = False) -> tuple[np.ndarray, ...]:
    """Two raters' answers that agree more often than not, weights, and clusters."""
    rng = np.random.default_rng(seed)
    kinds = [0.0, 0.5, 1.0] if ties else [0.0, 1.0]
    one = rng.choice(kinds, n)
    other = np.where(rng.random(n) < 0.7, one, rng.choice(kinds, n))
    return one, other, rng.uniform(0.5, 4, n), rng.integers(0, n // 2, n)


def alone(n: int) -> np.ndarray:
    return np.arange(n)


@pytest.mark.parametrize("seed", SEEDS)
def test_kappa_is_that_of_scikit_learn_weighted_or_not(seed: int) -> None:
    from sklearn.metrics import cohen_kappa_score

    one, other, weights, clusters = table(seed)
    plain = agreement.kappa(one, other, np.ones(len(one)), clusters).value
    assert plain == pytest.approx(cohen_kappa_score(one, other), abs=EXACT)
    weighted = agreement.kappa(one, other, weights, clusters).value
    expected = cohen_kappa_score(one, other, sample_weight=weights)
    assert weighted == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("seed", SEEDS)
def test_kappa_without_ties_is_that_of_the_rows_without_them(seed: int) -> None:
    from sklearn.metrics import cohen_kappa_score

    one, other, weights, clusters = table(seed, ties=True)
    kept = (one != 0.5) & (other != 0.5)
    expected = cohen_kappa_score(one[kept], other[kept], sample_weight=weights[kept])
    found = agreement.kappa(one, other, weights, clusters, ties="out")
    assert found.value == pytest.approx(expected, abs=EXACT) and found.n == kept.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_kappa_counts_half_a_tie_for_either_side(seed: int) -> None:
    """As if every tie were two rows of half the weight, or four where both tie."""
    from sklearn.metrics import cohen_kappa_score

    one, other, weights, clusters = table(seed, ties=True)
    rows = [
        (x, y, w / (len(xs) * len(ys)))
        for a, b, w in zip(one, other, weights, strict=True)
        for xs, ys in [((0, 1) if a == 0.5 else (a,), (0, 1) if b == 0.5 else (b,))]
        for x in xs
        for y in ys
    ]
    x, y, w = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = agreement.kappa(one, other, weights, clusters, ties="half").value
    assert found == pytest.approx(cohen_kappa_score(x, y, sample_weight=w), abs=EXACT)


def test_kappa_of_a_table_worked_by_hand() -> None:
    """20, 5, 10, 15: agreement 0.7, by chance 0.5, so kappa is 0.4."""
    assert kappa_of(np.array([20.0, 5.0, 10.0, 15.0])) == pytest.approx(0.4, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_alpha_is_that_of_krippendorff_with_many_raters_and_missing_answers(seed: int) -> None:
    import krippendorff

    rng = np.random.default_rng(seed)
    truth = rng.choice([0.0, 0.5, 1.0], 40)
    data = np.where(rng.random((4, 40)) < 0.6, truth, rng.choice([0.0, 0.5, 1.0], (4, 40)))
    data[rng.random((4, 40)) < 0.4] = np.nan
    raters, units = np.nonzero(~np.isnan(data))
    ones = np.ones(len(units))
    found = agreement.alpha(units, data[raters, units], ones, units)
    expected = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
    assert found.value == pytest.approx(expected, abs=EXACT)
    assert found.n == (np.sum(~np.isnan(data), axis=0) >= 2).sum()
    assert found.ci is not None and found.ci.low < expected < found.ci.high


@pytest.mark.parametrize("seed", SEEDS)
def test_wilson_and_holm_are_those_of_statsmodels(seed: int) -> None:
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import proportion_confint

    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 400))
    k = int(rng.integers(0, n + 1))
    assert agreement.wilson(k / n, n) == pytest.approx(
        proportion_confint(k, n, method="wilson"), abs=EXACT
    )
    p = rng.random(9) ** 3
    assert agreement.holm(list(p)) == pytest.approx(multipletests(p, method="holm")[1], abs=EXACT)


@pytest.mark.parametrize("n", [1, 7, 50, 300])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_with_equal_weights_the_bounded_interval_is_agresti_and_coull_s(
    n: int, share: float
) -> None:
    """Theirs with Student's quantile, so never narrower than statsmodels' and hardly wider."""
    from statsmodels.stats.proportion import proportion_confint

    k = round(share * n)
    values = np.array([1.0] * k + [0.0] * (n - k))
    low, high = agreement.bounded_mean(values, np.ones(n) * 3, alone(n))
    theirs = np.clip(proportion_confint(k, n, method="agresti_coull"), 0, 1)
    assert low <= theirs[0] + 1e-3 and high >= theirs[1] - 1e-3
    if n >= 50:
        assert (high - low) < 1.12 * (theirs[1] - theirs[0])


@pytest.mark.parametrize("df", [1, 1.4, 2, 3, 3.9, 4, 10, 40, 1000])
def test_student_s_quantile_is_near_scipy_s(df: float) -> None:
    from scipy.stats import t

    assert t_of(0.95, df) == pytest.approx(t.ppf(0.975, df), rel=3e-3)


@pytest.mark.parametrize("df", [1, 2, 5, 30, 400_000])
@pytest.mark.parametrize("value", [0.0, -0.7, 2.5, 6.0])
def test_student_s_tails_are_scipy_s(df: float, value: float) -> None:
    from scipy.stats import t

    assert student_p(value, df) == pytest.approx(2 * t.sf(abs(value), df), rel=1e-4)


def test_one_prompt_says_nothing_of_others_and_two_say_little() -> None:
    values, ones = np.tile([1.0, 0.0], 50), np.ones(100)
    one, two = np.zeros(100, dtype=np.int64), np.repeat([0, 1], 50)
    assert agreement.rate(values, ones, one).ci == (0, 1)
    apart = np.repeat([0.3, 0.9], 50)
    assert agreement.rate(apart, ones, two).ci == (0, 1)
    assert agreement.orders(apart, apart / 2, ones, one).gap.ci is None
    wide = agreement.orders(apart, apart / 2, ones, two).gap.ci
    assert wide is not None and wide.low < 0.15 < 0.45 < wide.high


def test_a_slice_of_one_prompt_is_not_told_from_the_rest_and_one_of_two_hardly() -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([np.ones(30), (rng.random(90) < 0.5).astype(float)])
    names, own = np.repeat(["x", "y"], [30, 90]), np.concatenate([np.zeros(30), np.arange(1, 91)])
    clusters = own.astype(np.int64)
    assert {one.p_value for one in agreement.slices(names, values, np.ones(120), clusters)} == {
        None
    }
    clusters[15:30] = 91
    found = agreement.slices(names, values, np.ones(120), clusters)
    assert all(one.p_value is not None and one.p_value > 0.01 for one in found)


@pytest.mark.parametrize("seed", SEEDS)
def test_calibration_is_that_of_scikit_learn(seed: int) -> None:
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import brier_score_loss

    rng = np.random.default_rng(seed)
    chances = rng.random(300)
    outcomes = (rng.random(300) < chances**2).astype(float)
    ones, own = np.ones(300), alone(300)
    found = agreement.calibration(chances, outcomes, ones, own)
    rates, promised = calibration_curve(outcomes, chances, n_bins=10)
    filled = [one for one in found.bins if one.rate.n]
    assert [one.rate.value for one in filled] == pytest.approx(rates, abs=EXACT)
    assert [one.promised for one in filled] == pytest.approx(promised, abs=EXACT)
    assert found.brier.value == pytest.approx(brier_score_loss(outcomes, chances), abs=EXACT)
    shares = np.array([one.share for one in filled])
    assert found.ece.value == pytest.approx(shares @ np.abs(rates - promised), abs=EXACT)
    weights = rng.uniform(1, 3, 300)
    weighted = agreement.calibration(chances, outcomes, weights, own).brier.value
    expected = brier_score_loss(outcomes, chances, sample_weight=weights)
    assert weighted == pytest.approx(expected, abs=EXACT)


def test_a_row_counted_twice_is_a_row_of_twice_the_weight() -> None:
    one, other, _, clusters = table(3)
    twice = np.concatenate([np.arange(90), np.arange(30)])
    weights = np.where(np.arange(90) < 30, 2.0, 1.0)
    score = agreement.scores(one, other)
    repeated = agreement.rate(score[twice], np.ones(120), clusters[twice])
    assert agreement.rate(score, weights, clusters).value == pytest.approx(repeated.value)


def test_ties_are_half_an_agreement() -> None:
    one, other = np.array([1.0, 0.5, 0.5, 0.0]), np.array([1.0, 1.0, 0.5, 1.0])
    assert list(agreement.scores(one, other)) == [1.0, 0.5, 0.5, 0.0]
    assert list(agreement.hard(np.array([0.2, 0.5, 0.9]))) == [0.0, 0.5, 1.0]


def test_kappa_does_not_depend_on_which_side_a_data_set_puts_first() -> None:
    """Answers that all say a: agreement by chance is certain there, on random sides it is not."""
    n = 400
    human = np.ones(n)
    ai = np.where(np.arange(n) % 4 == 0, 0.0, 1.0)
    ones, own = np.ones(n), alone(n)
    assert agreement.kappa(human, ai, ones, own).value == pytest.approx(0.0)
    swapped = agreement.sides([str(k) for k in range(n)], 1)
    assert 0.4 < swapped.mean() < 0.6
    turned = (agreement.turned(answers, swapped) for answers in (human, ai))
    assert agreement.kappa(*turned, ones, own).value == pytest.approx(0.5, abs=0.05)
    again = agreement.sides([str(k) for k in range(n)], 1)
    assert (again == swapped).all() and (agreement.sides(["0", "1"] * 9, 2)[::2].std() == 0)


def test_a_flip_is_another_response_after_a_swap() -> None:
    a_first, b_first = np.array([0.9, 0.6, 0.2, 0.7]), np.array([0.8, 0.4, 0.1, np.nan])
    found = agreement.orders(a_first, b_first, np.ones(4), alone(4))
    assert found.flip_rate.value == pytest.approx(1 / 3) and found.flip_rate.n == 3
    assert found.gap.value == pytest.approx((0.1 + 0.2 + 0.1) / 3)
    assert found.first_gain.value == pytest.approx((0.1 + 0.2 + 0.1) / 3)


def test_longer_wins_counts_only_pairs_of_unequal_length() -> None:
    answers = np.array([1.0, 0.0, 1.0, 0.5])
    found = agreement.longer_wins(
        answers, np.array([9.0, 9, 5, 2]), np.array([1.0, 1, 5, 1]), np.ones(4), alone(4)
    )
    assert found.n == 3 and found.value == pytest.approx(0.5)


def test_rows_of_one_prompt_are_one_cluster_and_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat((rng.random(40) < 0.7).astype(float), 5)
    ones = np.ones(200)
    apart = agreement.bounded_mean(values, ones, alone(200))
    together = agreement.bounded_mean(values, ones, np.repeat(np.arange(40), 5))
    assert together.high - together.low > 1.8 * (apart.high - apart.low)


def test_the_bootstrap_s_spread_is_that_of_the_linearised_variance() -> None:
    one, other, weights, clusters = table(5, n=400)
    y = agreement.scores(one, other)
    own = agreement.codes(clusters)
    totals = cluster_totals(np.stack([y, np.ones(400)], axis=1), weights, own)
    drawn = bootstrap(totals, lambda t: t[..., 0] / t[..., 1], draws=4000)
    w = weights / weights.sum()
    sums = np.bincount(own, weights=w * (y - w @ y))
    assert drawn.std() == pytest.approx(math.sqrt(sums @ sums), rel=0.06)
    few = bootstrap(np.array([[0.0, 1.0], [1.0, 1.0]]), lambda t: t[..., 0] / t[..., 1])
    assert few.std() == pytest.approx(0.5, rel=0.06), "not half of it, as if both were drawn"
    assert (bootstrap(totals, lambda t: t[..., 0], draws=5) == bootstrap(
        totals, lambda t: t[..., 0], draws=5
    )).all()  # fmt: skip


def test_a_slice_that_differs_is_told_from_many_that_do_not() -> None:
    rng = np.random.default_rng(1)
    names = np.repeat([f"p{k}" for k in range(8)] + ["tiny"], [100] * 8 + [19])
    values = (rng.random(819) < np.where(names == "p3", 0.4, 0.75)).astype(float)
    found = {one.name: one for one in agreement.slices(names, values, np.ones(819), alone(819))}
    assert found["p3"].p_value is not None and found["p3"].p_value < 1e-4
    others = [one.p_value for name, one in found.items() if name not in ("p3", "tiny")]
    assert min(p for p in others if p is not None) > 0.05
    assert found["tiny"].few and found["tiny"].p_value is None
    assert sum(one.rate.n for one in found.values()) == 819


def test_nothing_is_said_of_nothing() -> None:
    none = np.zeros(0)
    own = np.zeros(0, dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert agreement.rate(none, none, own).value is None
        assert agreement.kappa(none, none, none, own).value is None
        assert agreement.alpha(own, none, none, own).value is None
        assert agreement.calibration(none, none, none, own).ece.value is None
        assert agreement.longer_wins(none, none, none, none, own).n == 0
        lone = agreement.alpha(np.array([0, 1]), np.ones(2), np.ones(2), np.array([0, 1]))
        assert lone.value is None
        same = agreement.kappa(np.ones(5), np.ones(5), np.ones(5), alone(5))
        assert same.value is None, "kappa of a constant is 0 / 0"
    assert percentiles(np.full(9, np.nan)) is None


def test_more_labels_are_what_the_binomial_says() -> None:
    """±0.095 at n=100 and accuracy 0.63; ±0.05 needs about 358 (method.md, 6)."""
    interval = agreement.wilson(0.63, 100)
    needed = agreement.more_labels(100, 0.05, interval)
    assert 230 <= needed <= 270
    assert agreement.more_labels(100, 0.5, interval) == 0
    with pytest.raises(ValueError, match="above 0"):
        agreement.more_labels(100, 0.0, Interval(0, 1))


def test_kish_counts_equal_weights_whole() -> None:
    assert kish(np.full(7, 3.0)) == pytest.approx(7)
    assert kish(np.array([1.0, 1, 1, 9])) < 2

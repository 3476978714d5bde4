"""Sampling with known chances, and how a queue is served."""

from collections import Counter

import numpy as np
import pytest

from cai_app import spotcheck
from cai_app.errors import InputError
from cai_app.spotcheck import Next, Serving, following

N = 600


def pool(order: int = 1) -> spotcheck.Pool:
    """A pool with a rare principle, some unsure and some inconsistent rows."""
    rng = np.random.default_rng(2)
    p, gap = rng.random(N), rng.beta(1, 5, N)
    principles = ["rare" if k % 50 == 0 else "common" for k in range(N)]
    ids = [f"c{k}" for k in range(N)]
    rows = slice(None, None, order)
    none = np.zeros(N)
    return spotcheck.Pool(ids[rows], p[rows], principles[rows], gap[rows], none, none)


@pytest.mark.parametrize("rule", spotcheck.RULES)
def test_chances_are_known_sum_to_what_was_asked_and_stay_above_the_floor(
    rule: spotcheck.Rule,
) -> None:
    chances = spotcheck.probabilities(spotcheck.sizes(pool(), rule), 60)
    assert chances.sum() == pytest.approx(60)
    assert chances.min() >= 0.9 * spotcheck.FLOOR * 60 / N and chances.max() <= 1


@pytest.mark.parametrize("rule", spotcheck.RULES)
def test_every_row_is_drawn_as_often_as_its_chance_says(rule: spotcheck.Rule) -> None:
    found = pool()
    seen = np.zeros(N)
    times = 300
    for seed in range(times):
        drawn = spotcheck.draw(found, rule, 60, seed=seed)
        seen[drawn.order] += 1
    chances = drawn.probabilities
    off = (seen - times * chances) / np.sqrt(times * chances * (1 - chances) + 1e-12)
    assert np.abs(off).max() < 4.5 and off.std() == pytest.approx(1, abs=0.15)


def test_rules_look_where_they_say() -> None:
    def share(rule: spotcheck.Rule, rows: np.ndarray) -> float:
        chances = spotcheck.probabilities(spotcheck.sizes(pool(), rule), 60)
        return float(chances[rows].mean())

    unsure = np.abs(pool().p - 0.5) < 0.1
    assert share("confidence", unsure) > 1.5 * share("confidence", ~unsure)
    rare = np.array(pool().principles) == "rare"
    assert share("principle", rare) > 3 * share("principle", ~rare)
    wide = pool().gap > 0.3
    assert share("disagreement", wide) > 1.5 * share("disagreement", ~wide)
    assert share("uniform", wide) == pytest.approx(0.1)


def test_a_small_pool_is_drawn_whole_and_a_large_size_is_certain() -> None:
    assert (spotcheck.probabilities(np.ones(5), 9) == 1).all()
    chances = spotcheck.probabilities(np.array([1000.0, 1, 1, 1, 1]), 3)
    assert chances[0] == 1 and chances.sum() == pytest.approx(3)
    assert (spotcheck.probabilities(np.zeros(4), 2) == 0.5).all(), "no size, no difference"


def test_a_draw_does_not_depend_on_how_the_pool_is_sorted() -> None:
    one, other = pool(), pool(-1)
    first, second = (spotcheck.draw(rows, "uniform", 60, seed=3) for rows in (one, other))
    assert [one.ids[k] for k in first.order] == [other.ids[k] for k in second.order]
    again = spotcheck.draw(one, "uniform", 60, seed=4)
    assert list(again.order) != list(first.order)


def test_the_serving_order_is_random_so_its_beginning_is_a_sample() -> None:
    """Confidence sampling, stopped at a third: those served are as unsure as those drawn."""
    early, all_ = [], []
    for seed in range(60):
        drawn = spotcheck.draw(pool(), "confidence", 90, seed=seed)
        unsure = np.abs(2 * pool().p[drawn.order] - 1)
        early.append(unsure[: len(unsure) // 3].mean())
        all_.append(unsure.mean())
    assert np.mean(early) == pytest.approx(np.mean(all_), abs=0.02)


@pytest.mark.parametrize(
    ("n", "floor", "said"), [(0, 0.25, "at least one"), (5, 0.0, "floor"), (5, 2.0, "floor")]
)
def test_a_draw_that_means_nothing_is_refused(n: int, floor: float, said: str) -> None:
    with pytest.raises(InputError, match=said):
        spotcheck.draw(pool(), "uniform", n, seed=0, floor=floor)


def test_an_empty_pool_is_told() -> None:
    none = np.zeros(0)
    with pytest.raises(InputError, match="nothing to draw from"):
        spotcheck.draw(spotcheck.Pool([], none, [], none, none, none), "uniform", 5, seed=0)


def rated(rater: str, serving: Serving, taken: set[str] = frozenset()) -> list[Next]:  # type: ignore[assignment]
    """What one rater sees of a queue of 200, to its end."""
    order = [f"c{k}" for k in range(200)]
    mine: list[str] = []
    repeated: set[str] = set()
    seen = []
    while (one := following(
        order, serving, rater, mine=mine, repeated=repeated, taken=taken
    )) is not None:  # fmt: skip
        seen.append(one)
        if one.repeat:
            repeated.add(one.comparison)
        else:
            mine.append(one.comparison)
    return seen


def test_two_raters_share_the_overlap_and_split_the_rest() -> None:
    serving = Serving(seed=1, overlap=0.25, repeats=0)
    first = [one.comparison for one in rated("ann", serving)]
    assert len(first) == 200
    half = set(first[:100])
    second = {one.comparison for one in rated("bob", serving, half)}
    assert not set(first[100:]) - second, "what nobody has is open to everybody"
    assert 0.15 * 100 < len(half & second) < 0.35 * 100


def test_planted_repeats_come_later_and_the_other_way_round() -> None:
    serving = Serving(seed=1, overlap=0, repeats=0.2, apart=10)
    seen = rated("ann", serving)
    repeats = [one for one in seen if one.repeat]
    assert 20 < len(repeats) < 60 and max(Counter(seen).values()) == 1
    for again in repeats:
        first, second = (seen.index(Next(again.comparison, repeat)) for repeat in (False, True))
        assert second - first >= 10
        ways = [
            spotcheck.swapped(1, "ann", again.comparison, repeat=repeat) for repeat in (False, True)
        ]
        assert ways[0] != ways[1]


def test_sides_are_a_fair_coin_for_each_rater() -> None:
    ways = {
        rater: [spotcheck.swapped(1, rater, f"c{k}") for k in range(2000)] for rater in ("a", "b")
    }
    assert all(0.45 < np.mean(one) < 0.55 for one in ways.values())
    same = np.mean(np.array(ways["a"]) == np.array(ways["b"]))
    assert 0.45 < same < 0.55


def test_what_a_person_saw_elsewhere_leaves_that_queue() -> None:
    serving = Serving(seed=1)
    found = following(["c1", "c2"], serving, "ann", mine=[], seen={"c1"})
    assert found == Next("c2", repeat=False)


def test_skips_are_bounded_by_the_worst_and_the_best() -> None:
    found = spotcheck.response(np.array([1.0, 0.0, 1.0]), np.ones(3), np.array([2.0]))
    assert (found.worst, found.best) == (2 / 5, 4 / 5)
    assert (found.served, found.skipped, found.skip_rate) == (4, 1, 0.25)
    nobody = spotcheck.response(np.zeros(0), np.zeros(0), np.zeros(0))
    assert (nobody.worst, nobody.best, nobody.skip_rate) == (0, 1, 0)


def test_the_repeat_rate_counts_the_same_answers() -> None:
    first, second = {"x": 1.0, "y": 0.0, "z": 0.5}, {"x": 1.0, "y": 1.0}
    assert spotcheck.repeat_rate(first, second) == (0.5, 2)
    assert spotcheck.repeat_rate(first, {}) == (None, 0)

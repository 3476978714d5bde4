"""How pocket judges: accuracy, order, calibration, whether it follows the question asked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cai_app.pocket import replies
from cai_app.pocket.principles import Wording
from cai_app.pocket.replies import Reply
from cai_app.pocket.tally import Bench, Tally, Unseen, cases, fill, unseen
from cai_app.pocket.world import Scene
from cai_app.prompts import CHOICES, Shots, human_turn, judge
from cai_app.records import Prompt


def measure_judging(bench: Bench, tally: Tally, suffix: str) -> None:
    """Prefers the better response in both orders, as surely as the world does."""
    sort = unseen(bench, "judging", suffix)
    count = cases(bench, sort)
    drawn = [judged(sort) for _ in range(count)]
    extra = count - sum(case.clear for case in drawn)
    drawn += fill(extra, lambda: judged(sort), lambda case: case.clear)
    orders = both_orders(bench, drawn, bench.shots("judge"))
    known: list[tuple[str, float, float]] = []
    for index, (case, (ab, ba)) in enumerate(zip(drawn, orders, strict=True)):
        act, flipped = case.scene.act.id, (ab > 0.5) != (ba > 0.5)
        right = case.right((ab, ba))
        if case.clear:
            tally.add(f"judge_accuracy{suffix}", act, right)
            tally.add(f"judge_flip_clear{suffix}", act, flipped)
        if index >= count:
            continue  # drawn to be clear: for these two keys alone
        tally.add(f"judge_flip{suffix}", act, flipped)
        # Apart: where both are worth the same, no verdict is kept for a reason.
        sort_of = "ties" if case.p == 0.5 else "unequal"
        tally.add(f"judge_flip_{sort_of}{suffix}", act, flipped)
        tally.add(f"judge_error{suffix}", act, abs((ab + ba) / 2 - case.p))
        known.append((act, case.p, (ab + ba) / 2))
        if not suffix and not case.clear and case.p != 0.5:
            tally.add("hard_close_pairs", act, right)
    if not suffix:
        tally.slopes["judge_slope"] = known


def measure_wording(bench: Bench, tally: Tally) -> None:
    """Clear pairs under questions never seen, and under opposite ones: the order must reverse."""
    sort = unseen(bench, "wording")
    shots = bench.shots("judge")
    drawn = list(
        fill(bench.cases, lambda: judged(sort, wording_unseen=True), lambda case: case.clear)
    )
    for case, chances in zip(drawn, both_orders(bench, drawn, shots), strict=True):
        tally.add("judge_new_wording", case.scene.act.id, case.right(chances))
    _measure_following(bench, tally, shots)


@dataclass(frozen=True)
class Judged:
    """A pair, what is asked of it, and what the world answers."""

    scene: Scene
    a: Reply
    b: Reply
    wording: Wording
    request: str

    @property
    def p(self) -> float:
        """The known probability that `a` is chosen."""
        return replies.p_first(
            self.a, self.b, self.wording.aspect, self.scene.act, worse=self.wording.worse
        )

    @property
    def clear(self) -> bool:
        """Whether the world is sure."""
        return abs(self.p - 0.5) > 0.3

    def right(self, chances: tuple[float, float]) -> bool:
        """Whether the mean of both orders is on the world's side."""
        return (sum(chances) / 2 > 0.5) == (self.p > 0.5)


def judged(sort: Unseen, *, wording_unseen: bool = False) -> Judged:
    """A pair to judge, drawn from what training never saw."""
    author = sort.author
    scene, a, b = author.pair(sort.unseen, sort.kinds)
    wording = author.wordings.question(author.rng, unseen=wording_unseen)
    return Judged(scene, a, b, wording, human_turn(author.ask(scene)))


def both_orders(bench: Bench, cases: Sequence[Judged], shots: Shots) -> list[tuple[float, float]]:
    """P(a is better) with a first, and with b first."""
    prompts = [
        judge(case.request, first.text, second.text, case.wording.question, shots=shots)
        for case in cases
        for first, second in ((case.a, case.b), (case.b, case.a))
    ]
    return _paired(chances_of(bench, prompts))


def _paired(chances: Sequence[float]) -> list[tuple[float, float]]:
    """P(a is better) in both orders, from P(A) of each prompt."""
    return [(chances[i], 1 - chances[i + 1]) for i in range(0, len(chances), 2)]


def chances_of(bench: Bench, prompts: Sequence[Prompt]) -> list[float]:
    """P(A) of every prompt."""
    scores = bench.backend.choice_logprobs(prompts, CHOICES)
    return [float(1 / (1 + np.exp(second - first))) for first, second in scores]


def _measure_following(bench: Bench, tally: Tally, shots: Shots) -> None:
    """Ask a clear pair for the better and for the worse: the order must reverse."""
    author = bench.author("following")
    drawn: list[Judged] = []
    while len(drawn) < 2 * bench.cases:
        scene, a, b = author.pair("scene")
        request = human_turn(author.ask(scene))
        aspect = author.rng.choice([x for x in replies.ASPECTS if x != "brand"])
        if abs(replies.p_first(a, b, aspect, scene.act) - 0.5) <= 0.3:
            continue
        for worse in (False, True):
            wording = author.wordings.question(author.rng, aspect=aspect, worse=worse)
            drawn.append(Judged(scene, a, b, wording, request))
    orders = both_orders(bench, drawn, shots)
    for i in range(0, len(drawn), 2):
        both = drawn[i].right(orders[i]) and drawn[i + 1].right(orders[i + 1])
        tally.add("judge_follows_principle", drawn[i].scene.act.id, both)

"""Two questions asked of one pair: a principle and its opposite, a principle and another one.

Generators of growing results, as in `effects`; the last one is whole.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, product

from cai_app.constitution import Constitution
from cai_app.errors import InputError
from cai_app.intervals import codes, mean, rate
from cai_app.judge.effects import Principles, able, judged, label
from cai_app.judge.results import (
    Case,
    Conflict,
    Conflicts,
    Inversion,
    Inverted,
    Progress,
    Shift,
)
from cai_app.judge.scores import Pair, Scores
from cai_app.records import PreferencePrinciple

# A label this far from even is clear: it should turn with its question.
CLEAR = 0.3
# Both sides at least this sure: a conflict worth reading, and not two coin tosses.
SURE = 0.2


def invert(
    scores: Scores, pairs: Sequence[Pair], principles: Sequence[tuple[PreferencePrinciple, str]]
) -> Iterator[Inversion]:
    """Whether the judge turns round when its question does: each principle with its opposite.

    Only clear labels are asked again: a judge that reads turns P(a) to about 1 − P(a).
    """
    if not principles:
        raise InputError("no principle has a negation to test with; write one, and ask again")
    cases: list[Case] = []
    unscored: dict[str, str] = {}
    questions = [one.question for one, _ in principles]
    for batch, progress in judged(scores, pairs, questions):
        clear = [
            (pair, one, turned, p)
            for pair in batch
            for one, turned in principles
            if isinstance(p := scores.get(pair, one.question), float) and abs(p - 0.5) >= CLEAR
        ]
        scores.fill([(pair, turned) for pair, _, turned, _ in clear])
        for pair, (one, _) in product(batch, principles):
            if isinstance(why := scores.get(pair, one.question), str):
                unscored[pair.id] = why
        for pair, one, turned, p in clear:
            q = scores.get(pair, turned)
            if isinstance(q, float):
                cases.append(Case(principle=one.id, comparison=pair.id, prompt=pair.prompt,
                                  a=pair.a, b=pair.b, p=p, p_inverted=q,
                                  flipped=(p > 0.5) != (q > 0.5)))  # fmt: skip
            else:
                unscored[pair.id] = str(q)
        yield _inversion(cases, principles, unscored, progress)


def _inversion(
    cases: Sequence[Case],
    principles: Sequence[tuple[PreferencePrinciple, str]],
    unscored: dict[str, str],
    progress: Progress,
) -> Inversion:
    rows = []
    for one, turned in principles:
        own = [case for case in cases if case.principle == one.id]
        turns = rate([case.flipped for case in own], codes([case.prompt for case in own]))
        rows.append(Inverted(id=one.id, question=one.question, negated=turned, n=len(own),
                             flips=sum(case.flipped for case in own), flip_rate=turns))  # fmt: skip
    prompts = codes([case.prompt for case in cases])
    return Inversion(
        progress=progress,
        n=len(cases),
        unscored=unscored,
        clear=CLEAR,
        flips=sum(case.flipped for case in cases),
        flip_rate=rate([case.flipped for case in cases], prompts),
        error=mean([abs(case.p_inverted - (1 - case.p)) for case in cases], prompts),
        principles=tuple(rows),
        rows=tuple(sorted(cases, key=lambda case: -abs(case.p_inverted - (1 - case.p)))),
    )


def conflicts(
    scores: Scores, pairs: Sequence[Pair], constitution: Constitution
) -> Iterator[Conflicts]:
    """How often two principles choose different sides of the same pair."""
    principles = able(constitution)
    if len(principles) < 2:
        raise InputError(
            f"constitution {constitution.name} has fewer than two principles that can be drawn; "
            "conflicts need two"
        )
    seen: list[Pair] = []
    unscored: dict[str, str] = {}
    for batch, progress in judged(scores, pairs, [one.question for one in principles]):
        seen += [p for p in batch if label(scores, p, principles, unscored) is not None]
        yield Conflicts(
            progress=progress,
            n=len(seen),
            unscored=unscored,
            sure=SURE,
            ids=tuple(one.id for one in principles),
            questions=tuple(one.question for one in principles),
            pairs=tuple(_conflicts(scores, seen, principles)),
        )


def _conflicts(scores: Scores, pairs: Sequence[Pair], principles: Principles) -> Iterator[Conflict]:
    prompts = codes([pair.prompt for pair in pairs])
    p = {one.id: [_p(scores, pair, one) for pair in pairs] for one in principles}
    for first, second in combinations(principles, 2):
        both = list(zip(p[first.id], p[second.id], strict=True))
        apart = [(x > 0.5) != (y > 0.5) for x, y in both]
        sure = [
            d and min(abs(x - 0.5), abs(y - 0.5)) >= SURE
            for d, (x, y) in zip(apart, both, strict=True)
        ]
        worst = sorted(
            (n for n, d in enumerate(apart) if d),
            key=lambda n: -min(abs(both[n][0] - 0.5), abs(both[n][1] - 0.5)),
        )[:3]
        yield Conflict(
            first=first.id,
            second=second.id,
            disagree=rate(apart, prompts),
            sure=rate(sure, prompts),
            examples=tuple(
                Shift(comparison=pairs[n].id, prompt=pairs[n].prompt, a=pairs[n].a, b=pairs[n].b,
                      p_old=both[n][0], p_new=both[n][1], flipped=True)
                for n in worst
            ),
        )  # fmt: skip


def _p(scores: Scores, pair: Pair, principle: PreferencePrinciple) -> float:
    score = scores.get(pair, principle.question)
    assert isinstance(score, float), score
    return score

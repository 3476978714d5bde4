"""Drawing a spot-check queue from what an AI rater has labelled; its pool is frozen with it."""

from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from cai_app import spotcheck
from cai_app.errors import InputError
from cai_app.records import Queue, QueueRow, Rater, Record
from cai_app.workbench.audit.against import Against, held_against

if TYPE_CHECKING:
    from cai_app.store import Store
    from cai_app.store.audit import PoolColumns


class QueuePlan(Record):
    """What drawing would do: `expected` of `pool` rows, each with a chance from `low` to `high`.

    `pm` is the preference model that the judge is held against, which has scored both sides of
    `scored` rows; None without one.
    """

    pool: int
    expected: float
    low: float
    high: float
    pm: str | None = None
    scored: int = 0


class _Known(NamedTuple):
    """A pool before it is drawn from; of every row the principle and the question drawn for it.
    `wanted` names the preference model that was found."""

    pool: spotcheck.Pool
    questions: list[str | None]
    rule: spotcheck.Rule
    wanted: Queue
    against: Against


def draw(store: "Store", ai: Rater, wanted: Queue) -> Queue:
    """Freeze the pool, draw from it with known chances, and keep both; the same queue only once.

    Of a comparison that was judged under several principles, one is drawn for the question; its p
    is that principle's. Raises InputError where there is nothing to draw from.
    """
    pool, questions, rule, wanted, _ = _known(store, ai, wanted)
    drawn = spotcheck.draw(pool, rule, wanted.wanted, seed=wanted.seed, floor=wanted.floor)
    place = {int(row): number for number, row in enumerate(drawn.order)}
    rows = (
        QueueRow.model_construct(
            queue=wanted.id,
            comparison=id,
            probability=float(drawn.probabilities[n]),
            place=place.get(n),
            p=float(pool.p[n]),
            gap=float(pool.gap[n]),
            spread=float(pool.spread[n]),
            other=float(pool.other[n]),
            principle=pool.principles[n],
            question=questions[n],
        )
        for n, id in enumerate(pool.ids)
    )
    store.queues.create(wanted, rows)
    return wanted


def plan(store: "Store", ai: Rater, wanted: Queue) -> QueuePlan:
    """What `draw` would do. Raises InputError where it would."""
    pool, _, rule, wanted, against = _known(store, ai, wanted)
    chances = spotcheck.draw(
        pool, rule, wanted.wanted, seed=wanted.seed, floor=wanted.floor
    ).probabilities
    return QueuePlan(
        pool=len(chances),
        expected=float(chances.sum()),
        low=float(chances.min()),
        high=float(chances.max()),
        pm=against.rater.name if against.rater else None,
        scored=against.scored,
    )


def _known(store: "Store", ai: Rater, wanted: Queue) -> _Known:
    from cai_app.store import audit

    if wanted.rule not in get_args(spotcheck.Rule):
        raise InputError(f"rule {wanted.rule!r}: choose one of {', '.join(spotcheck.RULES)}")
    columns = audit.pool(store, ai.id)
    if wanted.source is not None:
        kept = columns.source == wanted.source
        columns = type(columns)(*(column[kept] for column in columns))
    asked = audit.one_question_each(store, ai.id, wanted.seed)
    each = [asked.get(id, (None, None, None)) for id in columns.comparison]
    own = np.array([p for p, _, _ in each], dtype=np.float64)
    p = np.where(np.isfinite(own), own, columns.p)
    rule: spotcheck.Rule = wanted.rule  # type: ignore[assignment]
    # The other rules look at no preference model.
    named = wanted.pm if rule == "disagreement" else None
    against = held_against(store, named, but=ai.id, comparisons=list(columns.comparison), p=p)
    found = _pool(columns, p, [principle for _, principle, _ in each], against.distance)
    wanted = wanted.model_copy(update={"pm": against.rater.id if against.rater else None})
    return _Known(found, [question for _, _, question in each], rule, wanted, against)


def _pool(
    columns: "PoolColumns",
    p: spotcheck.Floats,
    principles: list[str | None],
    other: spotcheck.Floats,
) -> spotcheck.Pool:
    return spotcheck.Pool(
        ids=list(columns.comparison),
        p=p,
        principles=principles,
        gap=np.nan_to_num(np.abs(columns.p_a_first - columns.p_b_first)),
        spread=np.nan_to_num(columns.spread),
        other=other,
    )

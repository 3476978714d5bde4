"""Queues closed and deleted, the judge held against a preference model, versions side by side."""

from typing import Any

import numpy as np
import pytest
from test_audit import AI, BOB, QUESTIONS, N, ai_label, labelled, pair, rate, rating, said, truth

from cai_app.errors import InputError
from cai_app.records import AuditOptions, Comparison, ConstitutionRef, Label, Queue, Rater
from cai_app.store import Store
from cai_app.workbench.audit import Rating, audit, draw
from cai_app.workbench.audit.drawing import plan

__all__ = ["labelled"]
PM = Rater(kind="preference_model", name="pocket@pm", backend="pocket@pm")


def wanted(**more: Any) -> Queue:
    return Queue(**{"name": "check", "ai": AI.id, "rule": "disagreement", "wanted": 40, **more})


def scored(one: Comparison, difference: float) -> list[Label]:
    """A preference model's scores, of which the first response's is so much higher."""
    fields: dict[str, Any] = {"about": "response", "kind": "score", "rater": PM, "run": "run-2"}
    return [
        Label(subject=side.id, value=value, **fields)
        for side, value in ((one.a, difference), (one.b, 0.0))
    ]


def test_where_judge_and_preference_model_differ_people_look_more_often(labelled: Store) -> None:
    far = [pair(k) for k in range(0, N // 2)]
    # The judge says about 3/4 for one side, the model the opposite.
    scores = [scored(pair(k), -3.0 if k % 2 else 3.0) for k in range(N // 2)]
    labelled.labels.add([one for both in scores for one in both])
    alone, held = (plan(labelled, AI, wanted(pm=pm)) for pm in ("none", "auto"))
    assert (alone.pm, held.pm, held.scored) == (None, "pocket@pm", N // 2)
    made = draw(labelled, AI, wanted(pm="auto"))
    assert made.pm == PM.id and labelled.queues.find(made.id) == made
    rows = labelled.sql(
        f"SELECT comparison, other, probability FROM queue_rows WHERE queue = '{made.id}'"
    )
    ids = {one.id for one in far}
    near_chance = [p for id, other, p in rows.rows if id not in ids]
    far_chance = [p for id, other, p in rows.rows if id in ids]
    assert np.mean(far_chance) > 2 * np.mean(near_chance) and min(near_chance) > 0
    assert sum(p for *_, p in rows.rows) == pytest.approx(40)
    assert {other for id, other, _ in rows.rows if id not in ids} == {0.0}


def test_a_preference_model_that_has_scored_nothing_is_told_how_to(labelled: Store) -> None:
    with pytest.raises(InputError, match="label --source NAME --backend pocket@pm"):
        draw(labelled, AI, wanted(pm="pocket@pm"))
    assert draw(labelled, AI, wanted(pm="auto")).pm is None
    labelled.labels.add(scored(pair(N + 1), 1.0))  # of a pair that the judge never saw
    labelled.comparisons.add([pair(N + 1)])
    with pytest.raises(InputError, match="none of these pairs"):
        draw(labelled, AI, wanted(pm="pocket@pm"))


def test_other_rules_look_at_no_preference_model(labelled: Store) -> None:
    assert draw(labelled, AI, wanted(rule="uniform", pm="auto")).pm is None


def test_a_closed_queue_serves_nobody_and_loses_nothing(labelled: Store) -> None:
    made = draw(labelled, AI, wanted(rule="uniform", overlap=0, repeats=0))
    rate(labelled, 5)
    labels = labelled.labels.count()
    assert labelled.queues.close(made.id) is True
    at_work = rating(labelled, BOB)
    assert at_work.next() is None and at_work.progress().left == 0
    assert labelled.labels.count() == labels and labelled.queues.find(made.id) == made
    assert audit(labelled, AuditOptions(queue=made.id)).n == 5
    # What was on a screen when it closed is still kept.
    at_work.answer(at_work.order[-1], "tie")
    assert len(labelled.queues.answers(made.id)) == 6
    labelled.queues.reopen(made.id)
    assert rating(labelled, BOB).next() is not None


def test_a_queue_that_nobody_answered_is_deleted_and_one_with_undone_answers_is_not(
    labelled: Store,
) -> None:
    made = draw(labelled, AI, wanted(rule="uniform", repeats=0))
    assert labelled.queues.close(made.id) is False
    assert labelled.queues.find(made.id) is None
    assert labelled.sql("SELECT count(*) FROM queue_rows").rows == ((0,),)
    again = draw(labelled, AI, wanted(rule="uniform", repeats=0))
    assert again == made, "the same draw can be made again"
    at_work = Rating(labelled, again, BOB, blind="page")
    shown = at_work.next()
    assert shown is not None
    at_work.answer(shown.comparison, "a")
    at_work.undo()
    assert labelled.queues.close(made.id) is True


def test_versions_of_a_constitution_stand_side_by_side_where_the_question_is_the_same(
    store: Store,
) -> None:
    old, new = (
        Rater(kind="ai", backend="m", constitution=ConstitutionRef(name="mine", hash=hash * 8))
        for hash in ("0123abcd", "4567abcd")
    )
    pairs = [pair(k) for k in range(N)]
    store.comparisons.add(pairs)
    question, labels = QUESTIONS["kind"], []
    for k, one in enumerate(pairs):
        right = 0.9 if truth(k) else 0.1
        first = ai_label(one, right).model_dump(exclude={"id", "rater"})
        second = {**first, "value": right if k % 3 else 1 - right}
        if k >= 90:
            second["question"] = "another one"
        labels += [Label(**first, rater=new), Label(**second, rater=old)]
        labels.append(said(one, truth(k), question=question))
    store.labels.add(labels)
    found = audit(store, AuditOptions(ai=new.id, slice="constitution")).slices
    by_name = {one.name: one for one in found}
    assert {one.by for one in found} == {"constitution"}
    assert by_name["mine 4567abcd"].n == N and by_name["mine 4567abcd"].agreement == 1
    assert by_name["mine 0123abcd"].n == 90
    assert by_name["mine 0123abcd"].agreement == pytest.approx(2 / 3)
    assert {one.p_value for one in found} != {None}
    assert "constitution" in {one.by for one in audit(store, AuditOptions(ai=new.id)).slices}
    with pytest.raises(InputError, match="one constitution"):
        audit(store, AuditOptions(ai=new.id, slice="constitution=mine"))

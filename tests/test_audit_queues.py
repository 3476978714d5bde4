"""Queues closed, deleted and used up, the judge held against a preference model, versions side by
side."""

from typing import Any

import numpy as np
import pytest
from test_audit import AI, BOB, QUESTIONS, N, ai_label, labelled, pair, rate, rating, said, truth

from cai_app import commands
from cai_app.errors import InputError
from cai_app.records import (
    AuditOptions,
    AuditReport,
    Comparison,
    ConstitutionRef,
    Label,
    Queue,
    Rater,
)
from cai_app.settings import Settings
from cai_app.store import Store
from cai_app.workbench import Workbench
from cai_app.workbench.audit import Audits, Rating, Spotchecks, draw
from cai_app.workbench.audit.drawing import plan
from cai_app.workbench.audit.page import page
from cai_app.workbench.audit.wording import still_needed
from components.spotcheck.queues import overview

__all__ = ["labelled"]
PM = Rater(kind="preference_model", name="pocket@pm", backend="pocket@pm")


def wanted(**more: Any) -> Queue:
    return Queue(**{"name": "check", "ai": AI.id, "rule": "disagreement", "wanted": 40, **more})


def audit(store: Store, asked: AuditOptions) -> AuditReport:
    return Audits().audit(store, asked)


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
    with pytest.raises(InputError, match="closed; your answers stay"):
        at_work.undo()
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
    spotchecks = Spotchecks(lambda: labelled, lambda: None)
    assert [one.answered for one in spotchecks.queues()] == [False]
    at_work = Rating(labelled, again, BOB, blind="page")
    shown = at_work.next()
    assert shown is not None
    at_work.answer(shown.comparison, "a")
    at_work.undo()
    assert [one.answered for one in spotchecks.queues()] == [True], "as closing it will have it"
    assert labelled.queues.close(made.id) is True


def test_what_a_person_says_in_a_second_queue_takes_nothing_from_the_first(
    labelled: Store,
) -> None:
    first, second = (
        draw(labelled, AI, wanted(name=name, rule="uniform", wanted=N, repeats=0))
        for name in ("first", "second")
    )
    for number, (answer, queue) in enumerate((("a", first), ("skip", second))):
        at_work = Rating(labelled, queue, BOB, blind="page")
        for comparison in at_work.order[: 10 - number]:
            at_work.answer(comparison, answer)
        at_work.undo()
    found = {one.name: audit(labelled, AuditOptions(queue=one.id)) for one in (first, second)}
    assert (found["first"].n, found["second"].n) == (9, 0)


def test_an_ai_that_is_named_is_audited_in_a_queue_of_its_own_labels(labelled: Store) -> None:
    other = AI.model_copy(update={"backend": "pocket@judge-y"})
    labelled.labels.add([said(pair(k), 0.8, other) for k in range(N)])
    own = draw(labelled, AI, wanted(name="own", rule="confidence", repeats=0))
    later = draw(labelled, other, wanted(name="later", ai=other.id, rule="uniform", repeats=0))
    for queue in (own, later):
        at_work = Rating(labelled, queue, BOB, blind="page")
        for comparison in at_work.order[:5]:
            at_work.answer(comparison, "a")
    assert audit(labelled, AuditOptions()).queue == later.id
    found = audit(labelled, AuditOptions(ai=AI.id))
    assert found.queue == own.id and found.sampling.startswith("confidence")
    with pytest.raises(InputError, match=f"'later' was drawn from the labels of rater {other.id}"):
        audit(labelled, AuditOptions(ai=AI.id, queue="later"))


def test_a_queue_of_which_all_was_taken_back_is_not_the_newest_with_answers(
    labelled: Store,
) -> None:
    older, newer = (
        draw(labelled, AI, wanted(name=name, rule="uniform", repeats=0)) for name in ("o", "n")
    )
    for queue in (older, newer):
        Rating(labelled, queue, BOB, blind="page").answer(
            next(iter(labelled.queues.served(queue.id))), "a"
        )
    assert audit(labelled, AuditOptions()).queue == newer.id
    Rating(labelled, newer, BOB, blind="page").undo()
    assert audit(labelled, AuditOptions()).queue == older.id


def test_a_queue_goes_by_its_id_its_name_or_a_beginning_that_is_no_other_s(
    labelled: Store,
) -> None:
    one = draw(labelled, AI, wanted(name="one", rule="uniform"))
    named = draw(labelled, AI, wanted(name=one.id[:3], rule="uniform"))
    tricky = draw(labelled, AI, wanted(name=one.id, rule="uniform"))
    find = labelled.queues.find
    assert (find(one.id), find(one.id[:3]), find(one.id[:8])) == (one, named, one)
    assert find(tricky.id[:3]) is None and find("") is None
    with labelled.db.cursor() as cursor:
        cursor.execute("UPDATE queues SET id = ? WHERE id = ?", [one.id[:8] + "x", tricky.id])
    with pytest.raises(InputError, match="may be any of"):
        find(one.id[:8])


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


def test_answers_from_a_spot_check_of_other_labels_are_told_as_such(labelled: Store) -> None:
    other = AI.model_copy(update={"backend": "pocket@judge-y"})
    asked = [QUESTIONS["safe" if k % 3 else "kind"] for k in range(N)]
    labelled.labels.add([said(pair(k), 0.8, other, question=asked[k]) for k in range(N)])
    made = draw(labelled, AI, wanted(rule="uniform", repeats=0))
    at_work = Rating(labelled, made, BOB, blind="page")
    for comparison in at_work.order[:5]:
        at_work.answer(comparison, "a")
    labelled.labels.add([said(pair(0), 1.0)])
    own = audit(labelled, AuditOptions(human="bob"))
    assert own.ai == AI and own.sampling.startswith("uniform")
    found = audit(labelled, AuditOptions(ai=other.id, human="bob"))
    assert (found.queue, found.n) == (None, 5)
    assert found.sampling.startswith("as if by chance, though") and "spot-check" in found.sampling
    drawn_by_nobody = audit(labelled, AuditOptions(ai=other.id, human="ann"))
    assert drawn_by_nobody.n == 1 and drawn_by_nobody.sampling.endswith("drawn by nobody")


def narrower(store: Store) -> AuditReport:
    """The report, asked for an interval that is a tenth narrower than it has."""
    figure = audit(store, AuditOptions()).corrected.agreement
    assert figure is not None
    return audit(store, AuditOptions(width=0.45 * (figure.ci[1] - figure.ci[0])))


def test_more_labels_than_a_spot_check_has_left_need_a_new_one(labelled: Store) -> None:
    made = draw(labelled, AI, wanted(rule="uniform", repeats=0))
    at_work = Rating(labelled, made, BOB, blind="page")
    half = len(at_work.order) // 2
    for comparison in at_work.order[:half]:
        at_work.answer(comparison, "a")
    found = narrower(labelled)
    assert found.needed.n and found.needed.waiting == len(at_work.order) - half
    assert str(still_needed(found)).startswith(f"{found.needed.n} labels more would give ± ")
    for comparison in at_work.order[half:]:
        at_work.answer(comparison, "a")
    found = narrower(labelled)
    assert found.needed.n and found.needed.waiting == 0
    size = found.comparisons + found.needed.n
    told = f"new spot-check of about {size} pairs would give ± "
    assert str(still_needed(found)).startswith(f"a {told}")
    assert f"<p>A {told}" in page(labelled, found, [])


def test_long_names_cut_no_number_in_the_terminal(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a-constitution-whose-name-takes-half-a-line"
    old, new = (
        Rater(kind="ai", backend="pocket@x", constitution=ConstitutionRef(name=name, hash=hash * 8))
        for hash in ("0123abcd", "4567abcd")
    )
    bench = Workbench(settings)
    try:
        pairs = [pair(k) for k in range(N)]
        bench.store.comparisons.add(pairs)
        bench.store.labels.add([said(one, 0.9, rater) for one in pairs for rater in (old, new)])
        bench.store.labels.add([said(one, 1.0) for one in pairs])
    finally:
        bench.close()
    assert commands.main(["--home", str(settings.home), "audit", "--ai", new.id]) == 0
    text = capsys.readouterr().out
    assert f"  constitution {name} 4567abcd, n {N} " in text
    assert f"  ai: pocket@x under {name} 0123abcd, same people, n {N} " in text


def test_commands_beside_the_list_of_queues_name_the_home(settings: Settings) -> None:
    bench = Workbench(settings)
    try:
        found = overview(bench, {}, "")
    finally:
        bench.close()
    assert found["command"] == f"python -m cai_app --home {settings.home}"
    assert found["start"] == f"python app.py --home {settings.home}"

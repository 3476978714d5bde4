"""The audit from store to report, and a person at a queue who cannot learn what the AI said."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cai_app import commands
from cai_app.errors import InputError
from cai_app.records import (
    AuditOptions,
    AuditReport,
    Comparison,
    Label,
    OrderVerdict,
    Queue,
    Rater,
    Response,
)
from cai_app.settings import Settings
from cai_app.store import Store
from cai_app.workbench import Workbench
from cai_app.workbench.audit import Audits, Rating, Shown, draw
from cai_app.workbench.audit.page import page
from cai_app.workbench.audit.wording import still_needed

AI = Rater(kind="ai", backend="pocket@judge-x")
ANN, BOB = (Rater(kind="human", name=name) for name in ("ann", "bob"))
QUESTIONS = {"kind": "Which is kinder?", "safe": "Which is safer?"}
N = 120


def pair(number: int, models: tuple[str, str] = ("m1", "m1")) -> Comparison:
    sides = [
        Response(prompt=f"p{number // 2}", text=f"t{number} " * k, model=models[k - 1], seed=k)
        for k in (1, 2)
    ]
    return Comparison.of(*sides, source="secret-source")


def ai_label(one: Comparison, p: float, *, gap: float = 0.1, question: str = "kind") -> Label:
    orders = (
        OrderVerdict(first="a", p_a=min(1, p + gap / 2)),
        OrderVerdict(first="b", p_a=max(0, p - gap / 2)),
    )
    return Label(
        about="comparison", subject=one.id, kind="preference", rater=AI, value=p, orders=orders,
        principle=question, question=QUESTIONS[question], run="run-1",
    )  # fmt: skip


def said(one: Comparison, value: float | None, rater: Rater = ANN, **more: Any) -> Label:
    fields = {"about": "comparison", "subject": one.id, "kind": "preference", "rater": rater}
    return Label(**fields, value=value, **more)


@pytest.fixture
def labelled(store: Store) -> Store:
    """120 comparisons with AI labels, agreeing with truth three times in four."""
    rng = np.random.default_rng(4)
    pairs = [pair(k) for k in range(N)]
    store.comparisons.add(pairs)
    labels = []
    for k, one in enumerate(pairs):
        p = float(np.clip(rng.normal(0.75, 0.1), 0.51, 0.99))
        labels.append(ai_label(one, p if k % 2 else 1 - p, question="safe" if k % 3 else "kind"))
    store.labels.add(labels)
    return store


def truth(k: int) -> float:
    """What people say: the AI is right but for every fourth pair."""
    right = 1.0 if k % 2 else 0.0
    return 1 - right if k % 4 == 0 else right


def report(store: Store, **asked: Any) -> AuditReport:
    return Audits().audit(store, AuditOptions(**asked))


def test_imported_labels_are_compared_with_the_ai_s(labelled: Store) -> None:
    labelled.labels.add([said(pair(k), truth(k)) for k in range(N)])
    found = report(labelled)
    assert (found.n, found.comparisons, found.pool, found.queue) == (N, N, N, None)
    assert found.agreement == pytest.approx(0.75) == found.unweighted
    assert found.ci is not None and found.ci[0] < 0.75 < found.ci[1]
    assert found.sampling.startswith("as if by chance")
    assert found.corrected.agreement is not None
    assert found.corrected.agreement.estimate == pytest.approx(0.75, abs=0.02)
    assert found.order_gap == pytest.approx(0.1, abs=0.02)
    assert found.human == (ANN,) and found.ai == AI
    assert found.kappa.ties_out == pytest.approx(0.5, abs=0.1)
    assert found.needed.n == 0 and found.human_alpha is None, "there is nothing left to label"


def test_labels_for_another_question_are_never_pooled(labelled: Store) -> None:
    kind, safe = (QUESTIONS[name] for name in ("kind", "safe"))
    labelled.labels.add([said(pair(k), truth(k), question=kind) for k in range(N)])
    found = report(labelled)
    assert found.n == N / 3 and found.left_out == {"for another question": N * 2 // 3}
    assert report(labelled, slice="principle=kind").left_out == {}, "of the rows that are asked for"
    assert report(labelled, question=kind).left_out == {}
    other = report(labelled, slice="principle=safe")
    assert other.n == 0 and other.left_out == found.left_out
    labelled.labels.add([said(pair(k), 1 - truth(k), BOB, question=safe) for k in range(N)])
    assert report(labelled, human="bob").n == N * 2 / 3


def test_ties_count_half_and_people_are_compared_with_each_other(labelled: Store) -> None:
    labelled.labels.add([said(pair(k), 0.5 if k < 60 else truth(k)) for k in range(N)])
    labelled.labels.add([said(pair(k), truth(k), BOB) for k in range(0, N, 2)])
    found = report(labelled)
    assert found.n == N + N // 2 and found.comparisons == N
    assert found.agreement_ties_out != found.agreement
    assert found.human_human_pairs == 60
    assert found.human_human == pytest.approx((30 * 0.5 + 30) / 60)
    assert found.human_alpha is not None and found.alpha is not None
    assert {one.name for one in found.human} == {"ann", "bob"}


def test_two_models_that_compete_give_the_preference_a_meaning(store: Store) -> None:
    pairs = [pair(k, ("old", "new")) for k in range(80)]
    store.comparisons.add(pairs)
    store.labels.add([ai_label(one, 0.9 if one.a.model == "new" else 0.1) for one in pairs])
    wins = [float(one.a.model == "new") for one in pairs]
    store.labels.add(
        [
            said(one, w if k % 10 else 1 - w)
            for k, (one, w) in enumerate(zip(pairs, wins, strict=True))
        ]
    )
    found = report(store).corrected
    assert found.preference_of == "new"
    assert found.preference is not None and found.preference.estimate == pytest.approx(
        0.9, abs=0.03
    )


def test_slices_break_down_or_narrow_down(labelled: Store) -> None:
    labelled.labels.add([said(pair(k), truth(k)) for k in range(N)])
    by = report(labelled, slice="principle").slices
    assert {(one.name, one.n) for one in by} == {("kind", 40), ("safe", 80)}
    narrow = report(labelled, slice="principle=kind,confidence>=0.5")
    assert narrow.n == 40 == narrow.pool
    sure = report(labelled, slice="confidence>=0.8")
    assert 0 < sure.n < N
    for wrong in ("colour", "principle>3", "confidence>=high", "confidence=", "a b"):
        with pytest.raises(InputError, match="--slice"):
            report(labelled, slice=wrong)


def test_labels_needed_are_at_most_those_that_are_left(labelled: Store) -> None:
    labelled.labels.add([said(pair(k), truth(k)) for k in range(20)])
    found = report(labelled, width=0.01)
    assert found.needed.n == N - 20
    assert still_needed(found) == "100 labels more, all that are left, would give ± 0.01"
    more = report(labelled, width=0.15)
    assert more.needed.n is not None and 0 < more.needed.n < N - 20


def test_labels_that_are_chances_count_as_answers_in_alpha(labelled: Store) -> None:
    for name, rater in (("ann", ANN), ("bob", BOB)):
        shift = 0.001 * (name == "ann")
        labelled.labels.add(
            [said(pair(k), 0.3 + 0.4 * truth(k) + shift, rater) for k in range(0, N)]
        )
    found = report(labelled)
    assert found.human_alpha == pytest.approx(1.0)
    assert found.alpha is not None and found.alpha > 0.5


def test_a_reference_rule_is_taken_when_it_is_named(labelled: Store) -> None:
    rule = Rater(kind="reference", name="rule")
    labelled.labels.add([said(pair(k), truth(k), rule) for k in range(N)])
    with pytest.raises(InputError, match="no person has labelled yet"):
        report(labelled)
    found = report(labelled, human="rule", ai="pocket@judge-x")
    assert found.against == "reference" and found.n == N


def test_nobody_to_compare_is_told_by_who_is_there(labelled: Store) -> None:
    labelled.labels.add([said(pair(0), 1.0)])
    with pytest.raises(InputError, match=r"there are: .*ann"):
        report(labelled, human="carol")
    with pytest.raises(InputError, match="pocket@judge-x"):
        report(labelled, ai="gpt-x")
    with pytest.raises(InputError, match=r"--human 'pocket@judge-x' .* there are: ann"):
        report(labelled, human="pocket@judge-x", ai=AI.id)
    with pytest.raises(InputError, match="no queue 'q9'"):
        report(labelled, queue="q9")
    assert report(labelled).n == 1, "one label is enough for a report, with the widest intervals"


def test_people_who_share_no_comparison_give_a_report_of_nothing(labelled: Store) -> None:
    other = pair(N + 5)
    labelled.comparisons.add([other])
    labelled.labels.add([said(other, 1.0)])
    found = report(labelled)
    assert found.n == 0 and found.agreement is None and found.corrected.agreement is None
    assert found.needed.n is None and not found.slices


def queue(**more: Any) -> Queue:
    return Queue(**{"name": "check", "ai": AI.id, "rule": "confidence", "wanted": 40, **more})


@pytest.fixture
def drawn(labelled: Store) -> Store:
    draw(labelled, AI, queue())
    return labelled


def rating(store: Store, rater: Rater = ANN, **more: Any) -> Rating:
    found = store.queues.find("check")
    assert found is not None
    return Rating(store, found, rater, blind=more.pop("blind", "server"))


def rate(store: Store, count: int = 999, rater: Rater = ANN) -> list[Shown]:
    """Answer as the truth is; every seventh is skipped."""
    person, seen = rating(store, rater), []
    number = {pair(k).id: k for k in range(N)}
    while len(seen) < count and (shown := person.next()) is not None:
        one = pair(number[shown.comparison])
        better = one.a if truth(number[shown.comparison]) else one.b
        answer = "skip" if len(seen) % 7 == 6 else "a" if shown.first == better.text else "b"
        person.answer(shown.comparison, answer, repeat=shown.repeat, lead_ms=1000)
        seen.append(shown)
    return seen


def test_a_queue_is_a_frozen_pool_with_known_chances(drawn: Store) -> None:
    rows = drawn.sql("SELECT count(*), sum(probability), count(place) FROM queue_rows").rows
    ((pool, expected, served),) = rows
    assert pool == N and expected == pytest.approx(40) and 20 < served < 60
    draw(drawn, AI, queue())
    assert drawn.sql("SELECT count(*) FROM queue_rows").rows == ((N,),), "drawn once"
    with pytest.raises(InputError, match="choose one of uniform"):
        draw(drawn, AI, queue(rule="best"))


def test_answers_are_stored_by_the_sides_of_the_store(drawn: Store) -> None:
    seen = rate(drawn)
    skipped = drawn.sql("SELECT count(*) FROM latest_answers WHERE answer = 'skip'").rows[0][0]
    found = report(drawn)
    assert found.queue == queue().id and found.sampling.startswith("confidence")
    repeats = sum(one.repeat for one in seen)
    assert found.n + skipped + repeats >= len(seen) - repeats
    agreement = [float(truth(k) == (k % 2)) for k in range(N)]
    chance = dict(drawn.sql("SELECT comparison, probability FROM queue_rows").rows)
    ids = {pair(k).id: k for k in range(N)}
    answered = [
        id
        for (id,) in drawn.sql(
            "SELECT comparison FROM latest_answers WHERE answer <> 'skip' AND NOT repeat"
        ).rows
    ]
    weights = np.array([1 / chance[id] for id in answered])
    values = np.array([agreement[ids[id]] for id in answered])
    assert found.n == len(answered)
    assert found.agreement == pytest.approx(weights @ values / weights.sum())
    assert found.unweighted == pytest.approx(values.mean())
    assert found.skips is not None and found.skips.skipped > 0
    assert found.skips.worst <= found.agreement <= found.skips.best


def test_what_a_rater_is_shown_holds_nothing_of_the_ai(drawn: Store) -> None:
    shown = rating(drawn).next()
    assert shown is not None
    text = shown.model_dump_json()
    for secret in ("m1", "secret-source", "judge-x", "pocket", "confidence", "probability"):
        assert secret not in text
    assert set(Shown.model_fields) == {
        "comparison", "prompt", "first", "second", "question", "repeat",
    }  # fmt: skip
    assert shown.question in QUESTIONS.values(), "the very question that the AI was asked"


def test_undo_takes_the_last_answer_back_and_its_label_counts_no_more(drawn: Store) -> None:
    person = rating(drawn)
    shown = person.next()
    assert shown is not None and person.undo() is None
    person.answer(shown.comparison, "a", note="hm")
    assert report(drawn).n == 1
    assert person.undo() == shown.comparison
    again = person.next()
    assert again is not None and again.comparison == shown.comparison
    assert (again.first, again.second) == (shown.first, shown.second)
    person.answer(shown.comparison, "both_bad")
    latest = "SELECT value FROM latest_labels JOIN raters r ON r.id = rater WHERE r.kind = 'human'"
    assert drawn.sql(latest).rows == ((0.5,),)
    assert drawn.sql("SELECT count(*) FROM answers").rows == ((3,),), "all of it is kept"


def test_the_ai_s_answers_are_shown_at_the_end_and_only_of_what_was_answered(drawn: Store) -> None:
    person = rating(drawn)
    with pytest.raises(InputError, match="at the end of the queue"):
        person.reveal()
    seen = rate(drawn)
    revealed = person.reveal()
    assert {one.comparison for one in revealed} == {one.comparison for one in seen}
    assert any(one.agrees for one in revealed) and person.progress().left == 0


def test_after_an_item_is_revealed_later_labels_stay_out_of_the_headline(labelled: Store) -> None:
    draw(labelled, AI, queue(reveal="item"))
    person = rating(labelled)
    first = person.next()
    assert first is not None
    with pytest.raises(InputError, match="answer first"):
        person.reveal(first.comparison)
    person.answer(first.comparison, "a")
    assert len(person.reveal(first.comparison)) == 1
    second = person.next()
    assert second is not None
    person.answer(second.comparison, "b")
    found = report(labelled)
    assert found.n == 1
    assert found.left_out == {"given after the AI's answer was revealed": 1}
    assert rating(labelled, BOB).next() is not None


def test_a_pair_that_a_person_saw_judged_leaves_that_person_s_queue(drawn: Store) -> None:
    first = rating(drawn).next()
    assert first is not None
    drawn.queues.reveal(ANN.id, [first.comparison])
    after = rating(drawn).next()
    assert after is not None and after.comparison != first.comparison
    theirs = rating(drawn, BOB).next()
    assert theirs is not None and theirs.comparison == first.comparison
    rate(drawn, 3)
    assert report(drawn).n == 3, "labels of what was not seen stay blind"


def test_a_pair_whose_ai_answer_was_seen_while_it_was_on_the_screen_is_not_blind(
    drawn: Store,
) -> None:
    person = rating(drawn)
    before = person.progress().left
    shown = person.next()
    assert shown is not None
    drawn.queues.reveal(ANN.id, [shown.comparison])
    assert person.progress().left == before - 1, "it comes no more"
    person.answer(shown.comparison, "a")
    found = report(drawn)
    assert found.n == 0
    assert found.left_out == {"given after the AI's answer was revealed": 1}
    rate(drawn, 2)
    assert report(drawn).n == 2, "the others are"


def test_two_raters_at_once_see_what_the_other_has_taken(drawn: Store) -> None:
    one, other = rating(drawn), rating(drawn, BOB)
    done: set[tuple[str, str]] = set()
    while one.next() or other.next():
        for person, name in ((one, "ann"), (other, "bob")):
            if (shown := person.next()) is not None:
                person.answer(shown.comparison, "tie", repeat=shown.repeat)
                if not shown.repeat:
                    assert (name, shown.comparison) not in done
                    done.add((name, shown.comparison))
    served = set(drawn.queues.served(queue().id))
    assert {comparison for _, comparison in done} == served
    shared = len(done) - len(served)
    assert 0 < shared < len(served) / 2
    assert one.progress().median_lead_ms is None


def test_planted_repeats_measure_a_rater_and_leave_the_labels_alone(labelled: Store) -> None:
    draw(labelled, AI, queue(wanted=80, repeats=0.3))
    seen = rate(labelled)
    repeats = [one for one in seen if one.repeat]
    found = rating(labelled).progress()
    assert len(repeats) > 5
    assert found.repeat_rate == 1.0 and 0 < found.repeats <= len(repeats)
    first = {one.comparison: one for one in seen if not one.repeat}
    for again in repeats:
        assert again.first == first[again.comparison].second
    assert len(first) == len(seen) - len(repeats)


def test_an_answer_outside_the_queue_is_refused(drawn: Store) -> None:
    with pytest.raises(InputError, match="not in this queue"):
        rating(drawn).answer("nobody", "a")
    with pytest.raises(InputError, match="with undo"):
        rating(drawn).answer(next(iter(drawn.queues.served(queue().id))), "undone")
    with pytest.raises(InputError, match="people do"):
        rating(drawn, AI)


def test_of_several_principles_the_queue_asks_one_and_takes_its_p(store: Store) -> None:
    pairs = [pair(k) for k in range(30)]
    store.comparisons.add(pairs)
    store.labels.add([ai_label(one, 0.9, question="kind") for one in pairs])
    store.labels.add([ai_label(one, 0.2, question="safe") for one in pairs])
    draw(store, AI, queue(rule="disagreement", wanted=30))
    rows = store.sql("SELECT DISTINCT principle, question, p FROM queue_rows ORDER BY p").rows
    assert rows == (("safe", QUESTIONS["safe"], 0.2), ("kind", QUESTIONS["kind"], 0.9))


def test_the_workbench_and_the_command_say_the_same(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    workbench = Workbench(settings)
    try:
        pairs = [pair(k) for k in range(60)]
        workbench.store.comparisons.add(pairs)
        workbench.store.labels.add([ai_label(one, 0.7) for one in pairs])
        made = workbench.spotchecks.draw("pocket@judge-x", queue(ai="", wanted=60))
        ann = Rater(kind="human", name="ann")
        person = Rating(workbench.store, made, ann, blind="page")
        while (shown := person.next()) is not None:
            person.answer(shown.comparison, "a" if not shown.repeat else "b")
        expected = workbench.audit(AuditOptions())
    finally:
        workbench.close()
    assert commands.main(["--home", str(settings.home), "audit", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(expected.model_dump_json())
    assert set(found) >= {
        "n", "agreement", "ci", "kappa", "alpha", "ece", "flip_rate", "longer_wins", "corrected",
        "needed",
    }  # fmt: skip
    assert set(found["kappa"]) == {"ties_out", "ties_half"}
    assert set(found["corrected"]["agreement"]) >= {"estimate", "ci"}
    assert found["needed"]["width"] == 0.03
    assert commands.main(["--home", str(settings.home), "audit"]) == 0
    text = capsys.readouterr().out
    assert "corrected agreement" in text and "unweighted, you would say" in text


def test_an_empty_store_and_a_wrong_width_are_one_line(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for argv in (["audit"], ["audit", "--width", "0"]):
        assert commands.main(["--home", str(settings.home), *argv]) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: ") and len(err.strip().splitlines()) == 1


def test_a_label_says_when_it_was_given(drawn: Store) -> None:
    before = datetime.now(UTC)
    shown = rating(drawn).next()
    assert shown is not None
    rating(drawn).answer(shown.comparison, "a")
    label = drawn.labels.of(shown.comparison)[-1]
    assert label.time is not None and label.time >= before
    assert label.question == shown.question


def test_the_report_is_one_file_that_asks_for_nothing_and_runs_nothing(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workbench = Workbench(settings)
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    sides = [Response(prompt=f"{hostile} {k}", text=f"{hostile} {k}", seed=k) for k in (1, 1)]
    sides[1] = Response(prompt=sides[0].prompt, text="fine")
    pairs = [*(pair(k) for k in range(40)), Comparison.of(*sides)]
    try:
        workbench.store.comparisons.add(pairs)
        workbench.store.labels.add([ai_label(one, 0.8) for one in pairs])
        workbench.store.labels.add(
            [said(one, float(k % 3 > 0)) for k, one in enumerate(pairs[:-1])]
        )
        workbench.store.labels.add([said(pairs[-1], 0.0)])
    finally:
        workbench.close()
    path = tmp_path / "report.html"
    argv = ["--home", str(settings.home), "audit", "--report", str(path), "--json"]
    assert commands.main(argv) == 0
    found, text = json.loads(capsys.readouterr().out), path.read_text()
    assert f"{found['corrected']['agreement']['estimate']:.3f}" in text
    assert f"{found['unweighted']:.3f}" in text and "Unweighted, you would have concluded" in text
    assert "Disagreements" in text and text.count("<svg") == 2
    assert "<script" not in text and "<img" not in text and "&lt;script&gt;" in text
    assert "http://" not in text and "https://" not in text and "url(" not in text
    assert "default-src 'none'" in text


def test_a_report_of_nothing_is_still_a_page(labelled: Store) -> None:
    other = pair(N + 5)
    labelled.comparisons.add([other])
    labelled.labels.add([said(other, 1.0)])
    text = page(labelled, report(labelled), [])
    assert "unknown" in text and "Disagreements" not in text

"""Audits of preference models and of refusals; who stands beside; cells that open their pairs."""

import csv
from pathlib import Path
from typing import Any

import pytest
from test_audit import AI, ANN, BOB, QUESTIONS, ai_label, pair, queue, said

from cai_app.errors import InputError
from cai_app.formats import ReadOptions
from cai_app.records import AuditOptions, Comparison, Label, Rater, Response
from cai_app.settings import Settings
from cai_app.store import Store
from cai_app.workbench import Workbench
from cai_app.workbench.audit import Audits, Rating, draw

PM = Rater(kind="preference_model", name="pm-1")
OTHER = AI.model_copy(update={"backend": "pocket@judge-y"})


def score(one: Response, value: float, rater: Rater = PM) -> Label:
    fields = {"about": "response", "subject": one.id, "kind": "score", "rater": rater}
    return Label.model_validate({**fields, "value": value})


def scored(pairs: list[Comparison], gaps: list[float]) -> list[Label]:
    """Scores whose difference is a gap, a above b."""
    both = zip(pairs, gaps, strict=True)
    return [score(side, v) for one, gap in both for side, v in ((one.a, gap), (one.b, 0.0))]


def report(store: Store, **asked: Any) -> Any:
    return Audits().audit(store, AuditOptions(**asked))


@pytest.fixture
def pairs(store: Store) -> list[Comparison]:
    found = [pair(k) for k in range(40)]
    store.comparisons.add(found)
    return found


def test_scores_of_a_preference_model_are_preferences_by_their_difference(
    store: Store, pairs: list[Comparison]
) -> None:
    store.labels.add(scored(pairs, [2.0 if k % 2 else -2.0 for k in range(40)]))
    store.labels.add([said(one, float(k % 2)) for k, one in enumerate(pairs[:30])])
    found = report(store)
    assert (found.ai, found.pool, found.n) == (PM, 40, 30)
    assert found.agreement == pytest.approx(1.0)
    assert found.brier == pytest.approx((1 / (1 + 2.718281828**2)) ** 2, abs=1e-6)
    assert found.order_gap is None, "it is asked in no order"


def test_huge_scores_stay_chances(store: Store, pairs: list[Comparison]) -> None:
    store.labels.add(scored(pairs[:2], [1e6, -1e6]))
    store.labels.add([said(one, 1.0) for one in pairs[:2]])
    assert report(store).agreement == 0.5


def test_what_a_preference_model_was_asked_counts_more_than_its_scores(
    store: Store, pairs: list[Comparison]
) -> None:
    store.labels.add(scored(pairs[:1], [3.0]))
    store.labels.add([said(pairs[0], 0.1, PM), said(pairs[0], 0.0)])
    assert report(store, ai="pm-1").agreement == 1.0


def test_a_preference_model_is_held_against_one_question_at_a_time(
    store: Store, pairs: list[Comparison]
) -> None:
    store.labels.add(scored(pairs, [1.0] * 40))
    asked = [QUESTIONS["kind"] if k < 25 else QUESTIONS["safe"] for k in range(40)]
    store.labels.add([said(one, 1.0, question=q) for one, q in zip(pairs, asked, strict=True)])
    found = report(store)
    assert found.n == 25 and found.left_out == {"for another question": 15}


def xstest(path: Path, *rows: tuple[str, str, str]) -> Path:
    columns = ("prompt", "completion", "annotation_1", "annotation_2")
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        for number, (text, one, other) in enumerate(rows):
            table.writerow((f"prompt {number}", text, one, other))
    return path


COMPLIED, PARTLY, REFUSED = "1_full_compliance", "3_partial_refusal", "2_full_refusal"


@pytest.fixture
def refusals(settings: Settings, tmp_path: Path) -> Any:
    rows = [
        *[("Sure.", COMPLIED, COMPLIED)] * 12,
        *[("No.", REFUSED, REFUSED)] * 8,
        *[("Hm.", PARTLY, PARTLY)] * 4,
        *[("Well.", COMPLIED, REFUSED)] * 3,
    ]
    bench = Workbench(settings)
    bench.import_file("xstest", xstest(tmp_path / "x.csv", *rows), ReadOptions(source="xstest"))
    yield bench
    bench.close()


def test_two_annotators_of_refusals_are_held_against_each_other(refusals: Workbench) -> None:
    found = refusals.audit(AuditOptions(kind="refusal"))
    assert (found.ai.name, found.human[0].name) == ("xstest annotator 1", "xstest annotator 2")
    assert (found.n, found.pool) == (27, 27)
    assert found.agreement == pytest.approx(24 / 27), "two partial refusals are the same answer"
    assert found.sides == ("refusal", "compliance") and found.longer_wins is None
    cells = {(one.ai, one.human): one.n for one in found.confusion}
    assert cells == {
        ("second", "second"): 12, ("first", "first"): 8, ("tie", "tie"): 4, ("second", "first"): 3
    }  # fmt: skip
    read = refusals.audit_cell(AuditOptions(kind="refusal"), "second", "first", limit=2)
    assert read.n == 3 and [one.a for one in read.examples] == ["Well."] * 2
    assert read.examples[0].b is None and read.examples[0].human == 1.0


def test_refusals_of_an_ai_are_held_against_both_annotators(refusals: Workbench) -> None:
    ids = refusals.store.responses.page(limit=50).rows
    fields = {"about": "response", "kind": "refusal", "rater": AI}
    labels = [
        Label.model_validate({**fields, "subject": one.id, "value": float(one.text == "No.")})
        for one in ids
    ]
    refusals.store.labels.add(labels)
    found = refusals.audit(AuditOptions(kind="refusal"))
    assert found.ai == AI and found.n == 54 and len(found.human) == 2
    assert found.human_human == pytest.approx(24 / 27), "by the same rule as the AI's bar"
    assert found.corrected.preference_of == "refusal"
    text = refusals.audit_page(AuditOptions(kind="refusal"))
    assert "Well." in text and "27 of 27 responses" in text and "people see a refusal" in text
    assert "always “refusal”" in text and "always A" not in text and "comparison" not in text
    named = refusals.audit(AuditOptions(kind="refusal", ai="xstest annotator 2"))
    assert [one.name for one in named.human] == ["xstest annotator 1"]
    assert [one.rater for one in named.beside] == [AI]


def test_other_raters_stand_beside_on_the_same_rows_and_questions(
    store: Store, pairs: list[Comparison]
) -> None:
    store.labels.add([ai_label(one, 0.9) for one in pairs])
    store.labels.add([said(one, 0.8, OTHER, question=QUESTIONS["kind"]) for one in pairs[:10]])
    store.labels.add([said(one, 0.8, OTHER, question=QUESTIONS["safe"]) for one in pairs[10:]])
    store.labels.add(scored(pairs[:8], [-1.0] * 8))
    store.labels.add([said(one, 1.0, question=QUESTIONS["kind"]) for one in pairs[:20]])
    found = report(store, ai=AI.id)
    beside = {one.rater: (one.n, one.agreement) for one in found.beside}
    assert found.agreement == pytest.approx(1.0)
    assert beside == {OTHER: (10, 1.0), PM: (8, 0.0)}, "answers to another question are left out"


def test_a_cell_shows_competing_models_the_same_way_round(store: Store) -> None:
    found = [pair(k, ("old", "new")) for k in range(30)]
    store.comparisons.add(found)
    new_first = [one.a.model == "new" for one in found]
    store.labels.add(
        [ai_label(one, 0.9 if n else 0.1) for one, n in zip(found, new_first, strict=True)]
    )
    store.labels.add([said(one, float(n)) for one, n in zip(found, new_first, strict=True)])
    asked, audits = AuditOptions(), Audits()
    made = audits.audit(store, asked)
    assert made.sides == ("new", "old")
    assert [(one.ai, one.human, one.n) for one in made.confusion] == [("first", "first", 30)]
    read = audits.cell(store, asked, "first", "first", limit=30)
    assert all(one.ai_p == pytest.approx(0.9) and one.human == 1.0 for one in read.examples)
    by = {one.id: one for one in found}
    for one in read.examples:
        sides = {side.text: side.model for side in (by[one.comparison].a, by[one.comparison].b)}
        assert one.b is not None and (sides[one.a], sides[one.b]) == ("new", "old")


def test_imported_labels_are_audited_although_a_queue_was_answered(
    store: Store, pairs: list[Comparison]
) -> None:
    store.labels.add([ai_label(one, 0.9) for one in pairs])
    store.labels.add([said(one, 1.0, BOB) for one in pairs])
    made = draw(store, AI, queue(wanted=20))
    at_work = Rating(store, made, ANN, blind="page")
    at_work.answer(at_work.order[0], "a")
    assert report(store).queue == made.id
    assert report(store, human="bob").n == 40
    assert report(store, human=f"bob,{BOB.id}").n == 40, "one person named twice is one person"
    assert report(store, queue="none").queue is None


def test_a_question_narrows_the_pool_down(store: Store, pairs: list[Comparison]) -> None:
    kinds = ["kind" if k % 4 else "safe" for k in range(40)]
    store.labels.add(
        [ai_label(one, 0.9, question=kind) for one, kind in zip(pairs, kinds, strict=True)]
    )
    store.labels.add([said(one, 1.0) for one in pairs])
    audits = Audits()
    assert audits.questions(store, AuditOptions()) == [QUESTIONS["kind"], QUESTIONS["safe"]]
    found = audits.audit(store, AuditOptions(question=QUESTIONS["safe"]))
    assert (found.pool, found.n) == (10, 10)


def test_nobody_is_held_against_themselves(store: Store, pairs: list[Comparison]) -> None:
    fields = {"about": "response", "subject": pairs[0].a.id, "kind": "refusal", "rater": ANN}
    store.labels.add([Label.model_validate({**fields, "value": 1.0})])
    with pytest.raises(InputError, match="nobody else has said"):
        report(store, kind="refusal")


def test_the_fast_answers_of_a_rater_are_those_of_the_view(
    store: Store, pairs: list[Comparison]
) -> None:
    store.labels.add([ai_label(one, 0.7) for one in pairs])
    store.labels.add([ai_label(one, 0.2, question="safe") for one in pairs[:9]])
    again = [ai_label(one, 0.4).model_copy(update={"run": "run-2"}) for one in pairs[:5]]
    store.labels.add([Label.model_validate({**dict(one), "id": ""}) for one in again])
    columns = "comparison, p, p_a_first, p_b_first, spread, principle, question"
    with store.db.cursor() as cursor:
        view, fast = (
            cursor.execute(f"SELECT {columns} FROM {what} ORDER BY comparison").fetchall()
            for what in (f"ai_answers WHERE rater = '{AI.id}'", f"answers_of('{AI.id}')")
        )
    assert fast == view and len({row[1] for row in fast}) > 2


def test_a_rule_is_audited_only_where_it_is_named(store: Store, pairs: list[Comparison]) -> None:
    rule = Rater(kind="reference", name="rule")
    store.labels.add([said(one, 1.0, rule) for one in pairs])
    store.labels.add([said(one, 1.0) for one in pairs])
    with pytest.raises(InputError, match="no AI has labelled yet"):
        report(store)
    assert report(store, ai="rule").ai == rule

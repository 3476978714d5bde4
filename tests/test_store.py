"""The store: rows in and out, added once, found by page, filter and search, copied and hashed."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cai_app import constitution
from cai_app.errors import StoreError
from cai_app.records import (
    Comparison,
    ConstitutionRef,
    Label,
    OrderVerdict,
    Rater,
    Response,
    Step,
    Transcript,
)
from cai_app.settings import Settings
from cai_app.store import (
    ComparisonFilter,
    Edge,
    LabelFilter,
    ResponseFilter,
    Store,
    TranscriptFilter,
)

ANN = Rater(kind="human", name="ann")
JUDGE = Rater(
    kind="ai",
    backend="pocket",
    constitution=ConstitutionRef(name="harmless", hash="56a71ecf08019de4"),
    template_hash="t",
    few_shot=5,
    cot=False,
)


def response(number: int, **fields: object) -> Response:
    return Response(prompt=f"prompt {number}", text=f"Text {number}", **fields)  # type: ignore[arg-type]


def pair(number: int, source: str | None = None) -> Comparison:
    one, other = (response(number, seed=seed, model="pocket") for seed in (1, 2))
    return Comparison.of(one, other, source=source)


def label(subject: Comparison, value: float | None, **fields: object) -> Label:
    orders = (OrderVerdict(first="a", p_a=0.2, lost_mass=0.01), OrderVerdict(first="b", p_a=0.4))
    given = {"rater": JUDGE, "orders": orders, "question": "Which?", "run": "run-1", **fields}
    reason = None if value is not None else "too much mass was lost"
    return Label(
        about="comparison",
        subject=subject.id,
        kind="preference",
        value=value,
        unscored_reason=reason,
        **given,  # type: ignore[arg-type]
    )


def transcript(text: str) -> Transcript:
    return Transcript(
        prompt="Help me",
        backend="pocket",
        constitution=ConstitutionRef(name="harmless", hash="h"),
        seed=3,
        temperature=1.0,
        few_shot=5,
        direct=False,
        max_tokens=160,
        steps=(
            Step(kind="draft", round=0, text="Sure."),
            Step(kind="critique", round=1, text="It is bad.", principle="harm-wise"),
            Step(kind="revision", round=1, text=text, principle="harm-wise"),
        ),
    )


def test_rows_come_back_as_they_went_in(store: Store) -> None:
    said, compared, chain = (
        response(1, source="here", seed=2**40, finish="length"),
        pair(2, "there"),
        transcript("x"),
    )
    labels = [
        label(compared, 0.3, time=datetime(2026, 1, 2, tzinfo=UTC)),
        label(compared, None, principle="b", seed=5),
    ]
    store.responses.add([said])
    store.comparisons.add([compared])
    store.labels.add(labels)
    store.transcripts.add([chain])
    assert store.responses.get([said.id, "nobody"]) == {said.id: said}
    assert store.comparisons.get([compared.id]) == {compared.id: compared}
    assert store.labels.of(compared.id) == labels
    assert store.transcripts.page().rows == (chain,)
    assert store.labels.raters.all() == [JUDGE]


def test_adding_twice_adds_once(store: Store) -> None:
    rows = [response(number) for number in range(3)]
    assert store.responses.add([*rows, rows[0]]) == 3
    assert store.responses.add(rows) == 0
    assert store.comparisons.add([pair(0), pair(0).swap()]) == 1
    assert store.responses.count() == 5


def test_a_comparison_is_stored_in_one_order_however_it_was_made(store: Store) -> None:
    store.comparisons.add([pair(number).swap() for number in range(8)])
    stored = store.comparisons.page().rows
    assert all(not one.swapped for one in stored)
    assert {one.id for one in stored} == {pair(number).id for number in range(8)}


def test_sides_are_not_ordered_by_who_came_first() -> None:
    first = [Comparison.of(response(n, seed=1), response(n, seed=2)).a.seed for n in range(40)]
    assert 5 < first.count(1) < 35


def test_swapping_a_comparison_inverts_its_label() -> None:
    given = label(pair(1), 0.3)
    turned = given.swap()
    assert turned.value == pytest.approx(0.7)
    assert [(order.first, order.p_a) for order in turned.orders] == [("b", 0.8), ("a", 0.6)]
    assert turned.swap().value == pytest.approx(given.value)
    assert pair(1).swap().id == pair(1).id and pair(1).swap().a == pair(1).b


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Comparison.of(response(1), response(1)), "one and the same"),
        (lambda: Comparison.of(response(1), response(2)), "different prompts"),
        (lambda: Response(prompt="p", text="t", id="0"), "does not fit the content"),
        (lambda: label(pair(1), 1.5), "no probability"),
        (lambda: label(pair(1), 0.5, unscored_reason="no"), "multiple values"),
        (lambda: Rater(kind="ai", name="x"), "needs a backend"),
    ],
)
def test_records_that_make_no_sense_are_refused(make: object, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        make()  # type: ignore[operator]


def test_a_second_answer_of_a_person_is_another_label_and_the_latest_counts(store: Store) -> None:
    about = pair(1)
    times = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2)]
    first, second = (
        label(about, value, rater=ANN, run=None, time=time)
        for value, time in zip((0.0, 1.0), times, strict=True)
    )
    assert store.labels.add([second, first]) == 2
    # An AI rater asked under two principles in one run: both count.
    store.labels.add([label(about, 0.1, principle="p"), label(about, 0.2, principle="q")])
    found = store.sql("SELECT value FROM latest_labels ORDER BY value").rows
    assert [row[0] for row in found] == [0.1, 0.2, 1.0]
    assert store.labels.count() == 4


def test_pages_go_from_the_newest_to_the_oldest_and_end(store: Store) -> None:
    store.responses.add([response(number) for number in range(25)])
    seen, before = [], None
    while True:
        page = store.responses.page(before=before, limit=10)
        seen += [row.text for row in page.rows]
        if page.next is None:
            break
        before = page.next
    assert seen == [f"Text {number}" for number in reversed(range(25))]


def test_a_page_does_not_shift_when_rows_are_added(store: Store) -> None:
    store.responses.add([response(number) for number in range(6)])
    first = store.responses.page(limit=3)
    store.responses.add([response(number) for number in range(6, 9)])
    following = store.responses.page(before=first.next, limit=3)
    assert [row.text for row in following.rows] == ["Text 2", "Text 1", "Text 0"]


def test_filters_and_search_narrow_pages(store: Store) -> None:
    store.responses.add([response(1, model="x", source="s"), response(2, model="y"), response(12)])
    store.comparisons.add([pair(7, "s"), pair(8)])
    store.labels.add([label(pair(7), 0.3), label(pair(7), 1.0, rater=ANN, run=None)])
    store.transcripts.add([transcript("You could ask."), transcript("No.")])
    texts = [row.text for row in store.responses.page(search="tEXT 2").rows]
    assert texts == ["Text 2"]
    assert len(store.responses.page(ResponseFilter(model="x", source="s")).rows) == 1
    assert store.responses.page(search="100%_'").rows == ()
    compared = store.comparisons
    assert [row.id for row in compared.page(search="text 8").rows] == [pair(8).id]
    for wanted in ({"labelled": True}, {"rater_kind": "ai"}, {"source": "s"}):
        assert [row.id for row in compared.page(ComparisonFilter(**wanted)).rows] == [pair(7).id]
    unlabelled = compared.page(ComparisonFilter(labelled=False, model="pocket")).rows
    assert [row.id for row in unlabelled] == [pair(8).id]
    for given in ({"rater_kind": "human"}, {"rater": ANN.id}):
        assert [row.value for row in store.labels.page(LabelFilter(**given)).rows] == [1.0]
    assert len(store.labels.page(LabelFilter(run="run-1", scored=True)).rows) == 1
    found = store.transcripts.page(TranscriptFilter(backend="pocket"), search="COULD ask")
    assert len(found.rows) == 1


def test_a_search_that_takes_long_gives_what_it_has_and_where_to_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cai_app.store.paging._WINDOW", 2)
    monkeypatch.setattr("cai_app.store.paging.BUDGET", -1.0)
    store.responses.add([response(number) for number in range(30)])
    found, before, pages = [], None, 0
    while True:
        page = store.responses.page(search="text 0", before=before)
        found, before, pages = [*found, *page.rows], page.next, pages + 1
        if before is None:
            break
    assert [row.text for row in found] == ["Text 0"] and pages == 15


def test_many_threads_read_and_write_at_once(store: Store) -> None:
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for number in range(first, first + 6):
                store.responses.add([response(number), response(number // 2)])
                store.responses.page(limit=5)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 3, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert store.responses.count() == 12
    assert store.sql("SELECT count(DISTINCT seq) FROM responses").rows == ((12,),)


def test_whoever_reads_does_not_wait_for_a_writer(store: Store) -> None:
    begun, go = threading.Event(), threading.Event()

    def write() -> None:
        with store.db.cursor() as cursor, store.db.transaction(cursor):
            begun.set()
            go.wait(30)

    writer = threading.Thread(target=write)
    reader = threading.Thread(target=store.responses.count)
    writer.start()
    assert begun.wait(30)
    reader.start()
    reader.join(10)
    waited = reader.is_alive()
    go.set()
    writer.join()
    reader.join()
    assert not waited


def test_what_a_filter_offers_is_new_after_any_write(store: Store) -> None:
    store.comparisons.add([pair(1)])
    assert store.facets.of("comparisons")["rater_kind"] == ()
    store.labels.add([label(pair(1), 0.3)])
    assert store.facets.of("comparisons")["rater_kind"] == ("ai",)


def test_a_backup_is_a_whole_store_and_can_be_put_back(store: Store, tmp_path: Path) -> None:
    home = store.db.home
    store.responses.add([response(number) for number in range(3)])
    store.backup(tmp_path / "copy.duckdb")
    with pytest.raises(StoreError, match="name a new file"):
        store.backup(tmp_path / "copy.duckdb")
    store.responses.add([response(9)])
    store.close()
    (tmp_path / "copy.duckdb").replace(home / "store.duckdb")
    restored = Store(home)
    assert restored.responses.count() == 3
    restored.responses.add([response(9)])
    restored.close()


def test_constitutions_are_indexed_by_hash(store: Store, settings: Settings) -> None:
    found = constitution.list_all(settings)
    assert store.constitutions.add(found) == len(found)
    assert store.constitutions.add(found) == 0
    assert store.constitutions.get([found[0].hash]) == {found[0].hash: found[0]}


def test_edges_lead_to_parents_and_children(store: Store) -> None:
    edge = Edge(child="run-1", parent="harmless@1", relation="under")
    other = Edge(child="run-2", parent="run-1", relation="read")
    with store.db.cursor() as cursor, store.db.transaction(cursor):
        store.lineage.insert(cursor, [edge, edge, other])
    assert store.lineage.parents("run-1") == [edge]
    assert [found.child for found in store.lineage.children("run-1")] == ["run-2"]


@pytest.mark.parametrize("turned", [False, True])
def test_a_comparison_made_of_two_responses_is_the_one_that_validation_would_make(
    turned: bool,
) -> None:
    sides = [Response(prompt="p", text=text) for text in ("x", "y")]
    one, other = sides[::-1] if turned else sides
    made = Comparison.of(one, other, source="s")
    assert made == Comparison(a=one, b=other, source="s").canonical()
    assert Comparison.model_validate_json(made.model_dump_json()) == made and not made.swapped

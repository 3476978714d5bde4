"""A million AI labels and ten thousand of people: views of the audit, and the next pair."""

import statistics
import time
from collections.abc import Callable, Iterator

import pytest

from cai_app.bench.rows import FILL
from cai_app.records import AuditOptions, Queue, Rater
from cai_app.store import Store
from cai_app.workbench.audit import Audits, Rating, draw

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

AI, ANN = Rater(kind="ai", backend="pocket"), Rater(kind="human", name="ann")
VIEW, NEXT, FIRST = 0.3, 0.1, 2.0  # seconds
PEOPLE = (
    "INSERT INTO labels (seq, id, about, subject, kind, rater, value, time) SELECT 2000000 + n, "
    f"md5('h' || n), 'comparison', substr(md5('c' || (n * 37)), 1, 20), 'preference', '{ANN.id}', "
    "(hash(n) % 2)::DOUBLE, now() FROM range(10000) r(n)"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(tmp_path_factory.mktemp("scale"))
    ours = {"(1, 'human'": f"(1, '{ANN.id}'", "(2, 'ai'": f"(2, '{AI.id}'"}
    ours["CASE WHEN n % 10000 = 0 THEN 'human' ELSE 'ai' END"] = f"'{AI.id}'"
    with opened.db.cursor() as cursor:
        for statement in (*FILL, PEOPLE):
            for theirs, mine in ours.items():
                statement = statement.replace(theirs, mine)
            with opened.db.transaction(cursor):
                cursor.execute(statement).fetchall()
    yield opened
    opened.close()


def timed(ask: Callable[[], object]) -> float:
    """The median of five."""
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        ask()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def test_a_view_of_the_audit_takes_a_third_of_a_second(store: Store) -> None:
    audits = Audits()
    first = audits.audit(store, AuditOptions())
    assert (first.pool, first.n) == (500_000, 10_000)
    assert timed(lambda: audits.audit(store, AuditOptions())) < VIEW
    # Views of the same labels that were never asked for: other slices, dimensions and widths.
    conditions = (AuditOptions(slice=f"confidence>={n / 100}") for n in range(60, 80, 2))
    assert timed(lambda: audits.audit(store, next(conditions))) < VIEW
    others = iter(
        AuditOptions(slice=by, width=w)
        for by in ("principle", "confidence", "length")
        for w in (0.02, 0.05)
    )
    assert timed(lambda: audits.audit(store, next(others))) < VIEW


def test_the_first_view_of_new_labels_takes_two_seconds(store: Store) -> None:
    assert timed(lambda: Audits().audit(store, AuditOptions())) < FIRST


def test_the_next_pair_takes_a_tenth_of_a_second(store: Store) -> None:
    wanted = Queue(name="scale", ai=AI.id, rule="confidence", wanted=10_000)
    person = Rating(store, draw(store, AI, wanted), ANN, blind="server")

    def step() -> None:
        shown = person.next()
        assert shown is not None
        person.answer(shown.comparison, "a", repeat=shown.repeat)

    assert timed(step) < NEXT
    with store.db.cursor() as cursor, store.db.transaction(cursor):
        cursor.execute(
            "INSERT INTO answers (seq, id, queue, comparison, rater, repeat, answer, swapped, "
            "blind, time) SELECT 1000 + place, md5(comparison), queue, comparison, ?, false, 'a', "
            "false, 'server', now() FROM queue_rows WHERE place BETWEEN 100 AND 9000",
            [ANN.id],
        ).fetchall()
    assert timed(step) < NEXT, "near the end as at the beginning"

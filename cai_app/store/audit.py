"""What people and an AI rater say of the same comparisons, as columns for the statistics."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cai_app.records import Rater
from cai_app.store.connection import Cursor

if TYPE_CHECKING:
    from cai_app.store import Store

Column = NDArray[Any]


class Labelled(NamedTuple):
    """A rater with how many comparisons they have a preference about."""

    rater: Rater
    comparisons: int


class PoolColumns(NamedTuple):
    """Every comparison of a pool, with what the AI said of it and what is known beforehand."""

    comparison: Column
    prompt: Column
    p: Column
    p_a_first: Column
    p_b_first: Column
    spread: Column
    principle: Column
    question: Column
    a_length: Column
    b_length: Column
    a_model: Column
    b_model: Column
    source: Column
    probability: Column


class AnswerColumns(NamedTuple):
    """Every answer of people about comparisons of a pool; `row` is the comparison's place in it.

    `queue` is None for labels from elsewhere, `blind` is `revealed` where the rater knew better.
    """

    row: Column
    rater: Column
    value: Column
    question: Column
    answer: Column
    blind: Column


def raters(store: "Store") -> list[Labelled]:
    """Everybody with preferences, those with the most first."""
    with store.db.cursor() as cursor:
        rows = cursor.execute(
            "SELECT rater, count(DISTINCT subject) AS n FROM labels "
            "WHERE kind = 'preference' AND value IS NOT NULL GROUP BY rater ORDER BY n DESC, rater"
        ).fetchall()
        found = store.labels.raters.read(cursor, [row[0] for row in rows])
    return [Labelled(found[id], n) for id, n in rows]


def labels_of(store: "Store", rater: str) -> tuple[int, int]:
    """How many labels a rater has given, and the newest: changes with every new one."""
    with store.db.cursor() as cursor:
        row = cursor.execute(
            "SELECT count(*), coalesce(max(seq), 0) FROM labels WHERE rater = ?", [rater]
        ).fetchone()
    assert row
    return row[0], row[1]


# Values of the moment when the queue was drawn, and the texts that go with them.
_OF_QUEUE = """
    SELECT q.comparison, c.prompt, q.p, i.p_a_first, i.p_b_first, q.spread, q.principle,
           q.question, length(c.a_text) AS a_length, length(c.b_text) AS b_length,
           c.a_model, c.b_model, c.source, q.probability
    FROM queue_rows q JOIN comparisons c ON c.id = q.comparison
    LEFT JOIN ai_answers i ON i.comparison = q.comparison AND i.rater = $ai
    WHERE q.queue = $queue ORDER BY q.comparison
"""
_OF_RATER = """
    SELECT i.comparison, c.prompt, i.p, i.p_a_first, i.p_b_first, i.spread, i.principle,
           i.question, length(c.a_text) AS a_length, length(c.b_text) AS b_length,
           c.a_model, c.b_model, c.source, 1.0 AS probability
    FROM ai_answers i JOIN comparisons c ON c.id = i.comparison
    WHERE i.rater = $ai ORDER BY i.comparison
"""


def pool(store: "Store", ai: str, queue: str | None = None) -> PoolColumns:
    """A queue's frozen pool, or else all that an AI rater has labelled."""
    with store.db.cursor() as cursor:
        if queue is None:
            return PoolColumns(*_columns(cursor, _OF_RATER, {"ai": ai}))
        return PoolColumns(*_columns(cursor, _OF_QUEUE, {"ai": ai, "queue": queue}))


def answers(
    store: "Store", found: PoolColumns, raters: "list[str]", queue: str | None = None
) -> AnswerColumns:
    """What these people say of a pool's comparisons; of a queue, only what was answered there."""
    query = (
        "SELECT h.comparison, h.rater, h.value, h.question, h.answer, h.blind FROM human_answers h "
        "WHERE list_contains($raters, h.rater) AND ($queue IS NULL OR h.queue = $queue) "
        "ORDER BY h.comparison, h.rater"
    )
    with store.db.cursor() as cursor:
        columns = _columns(cursor, query, {"raters": raters, "queue": queue})
    known, names = columns[0], found.comparison
    if not len(names):
        return AnswerColumns(np.zeros(0, dtype=np.int64), *(column[:0] for column in columns[1:]))
    # Both are in the order of their ids, which are as long as each other.
    place = np.clip(np.searchsorted(names, known), 0, len(names) - 1)
    inside = names[place] == known
    return AnswerColumns(place[inside], *(column[inside] for column in columns[1:]))


def _columns(cursor: Cursor, query: str, values: dict[str, Any]) -> list[Column]:
    """The columns of an answer as arrays; a missing number is NaN, a missing text None."""
    found = cursor.execute(query, values).fetchnumpy()
    return [_plain(column) for column in found.values()]


def _plain(column: Any) -> Column:
    missing = np.ma.getmaskarray(column)
    plain = np.ma.getdata(column)
    if plain.dtype.kind in "fiub":
        numbers: Column = plain.astype(np.float64)
        numbers[missing] = np.nan
        return numbers
    texts: Column = plain.astype(object)
    texts[missing] = None
    return texts


def one_question_each(
    store: "Store", ai: str, seed: int
) -> dict[str, tuple[float, str | None, str | None]]:
    """Of every comparison that an AI rater was asked about, one label by a seeded draw: its value,
    principle and question."""
    with store.db.cursor() as cursor:
        rows = cursor.execute(
            "SELECT subject, arg_min(struct_pack(v := value, p := principle, q := question), "
            "md5(id || $seed)) FROM latest_labels WHERE rater = $ai AND kind = 'preference' "
            "AND value IS NOT NULL GROUP BY subject",
            {"ai": ai, "seed": str(seed)},
        ).fetchall()
    return {subject: (one["v"], one["p"], one["q"]) for subject, one in rows}

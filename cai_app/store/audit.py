"""What people and an AI rater say of the same comparisons, as columns for the statistics.

Of a refusal audit the rows are responses: `b_length` and `b_model` are missing there.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cai_app.records import AuditKind
from cai_app.store.connection import Cursor

if TYPE_CHECKING:
    from cai_app.store import Store

Column = NDArray[Any]


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

    `answer` and `blind` are None for labels that came from no queue; `blind` is `revealed` where
    the rater knew better.
    """

    row: Column
    rater: Column
    value: Column
    question: Column
    answer: Column
    blind: Column


_TEXTS = (
    "length(c.a_text) AS a_length, length(c.b_text) AS b_length, c.a_model, c.b_model, c.source"
)
# Prompts only tell which rows belong together: a number does, and stays exact as a double.
_PROMPT = "(hash(c.prompt) >> 12)::BIGINT AS prompt"
_NOBODY_ASKED = (
    "NULL::DOUBLE AS p_a_first, NULL::DOUBLE AS p_b_first, 0.0 AS spread, "
    "NULL::VARCHAR AS principle"
)
# Values of the moment when the queue was drawn, but for the two orders, which are as of now; and
# the texts that go with them.
_OF_QUEUE = f"""
    SELECT q.comparison, {_PROMPT}, q.p, i.p_a_first, i.p_b_first, q.spread, q.principle,
           q.question, {_TEXTS}, q.probability
    FROM queue_rows q JOIN comparisons c ON c.id = q.comparison
    LEFT JOIN answers_of($ai) i ON i.comparison = q.comparison
    WHERE q.queue = $queue ORDER BY q.comparison
"""
_OF_RATER = f"""
    SELECT i.comparison, {_PROMPT}, i.p, i.p_a_first, i.p_b_first, i.spread, i.principle,
           i.question, {_TEXTS}, 1.0 AS probability
    FROM answers_of($ai) i JOIN comparisons c ON c.id = i.comparison ORDER BY i.comparison
"""
# Where it was asked for a preference as well, that counts and not its scores.
_OF_SCORES = f"""
    SELECT s.comparison, {_PROMPT}, coalesce(i.p, s.p) AS p, i.p_a_first, i.p_b_first,
           coalesce(i.spread, 0.0) AS spread, i.principle, i.question, {_TEXTS}, 1.0 AS probability
    FROM (SELECT comparison, avg(p) AS p FROM (
            SELECT comparison, p FROM score_answers WHERE rater = $ai
            UNION ALL SELECT comparison, p FROM answers_of($ai)) GROUP BY comparison
    ) s JOIN comparisons c ON c.id = s.comparison
    LEFT JOIN answers_of($ai) i ON i.comparison = s.comparison ORDER BY s.comparison
"""
_OF_REFUSALS = f"""
    SELECT l.response AS comparison, {_PROMPT}, l.value AS p, {_NOBODY_ASKED}, l.question,
           length(c.text) AS a_length, NULL::DOUBLE AS b_length, c.model AS a_model,
           NULL::VARCHAR AS b_model, c.source, 1.0 AS probability
    FROM refusal_answers l JOIN responses c ON c.id = l.response
    WHERE l.rater = $ai ORDER BY l.response
"""


def pool(
    store: "Store", ai: str, queue: str | None = None, kind: AuditKind = "preference"
) -> PoolColumns:
    """A queue's frozen pool, or else all that a rater has labelled."""
    with store.db.cursor() as cursor:
        if queue is not None:
            return PoolColumns(*_columns(cursor, _OF_QUEUE, {"ai": ai, "queue": queue}))
        if kind == "refusal":
            return PoolColumns(*_columns(cursor, _OF_REFUSALS, {"ai": ai}))
        scored = cursor.execute(
            "SELECT 1 FROM labels WHERE rater = ? AND kind = 'score' LIMIT 1", [ai]
        ).fetchall()
        return PoolColumns(*_columns(cursor, _OF_SCORES if scored else _OF_RATER, {"ai": ai}))


_ANSWERS: dict[AuditKind, str] = {
    "preference": (
        "SELECT comparison, rater, value, question, answer, blind FROM human_answers "
        "WHERE list_contains($raters, rater) ORDER BY comparison, rater"
    ),
    "refusal": (
        "SELECT response AS comparison, rater, value, question, NULL::VARCHAR AS answer, "
        "NULL::VARCHAR AS blind FROM refusal_answers "
        "WHERE list_contains($raters, rater) ORDER BY response, rater"
    ),
}
# What somebody says of the same pair later, in another queue, takes nothing from this one.
_ANSWERS_OF_QUEUE = """
    SELECT a.comparison, a.rater, l.value, l.question, a.answer, a.blind
    FROM latest_answers a JOIN labels l ON l.id = a.label
    WHERE a.queue = $queue AND l.value IS NOT NULL AND list_contains($raters, a.rater)
    ORDER BY a.comparison, a.rater
"""


def answers(
    store: "Store",
    found: PoolColumns,
    raters: Sequence[str],
    queue: str | None = None,
    kind: AuditKind = "preference",
) -> AnswerColumns:
    """What these people say of a pool's comparisons; of a queue, only what was answered there."""
    with store.db.cursor() as cursor:
        values: dict[str, Any] = {"raters": list(raters)}
        if queue is None:
            columns = _columns(cursor, _ANSWERS[kind], values)
        else:
            columns = _columns(cursor, _ANSWERS_OF_QUEUE, {**values, "queue": queue})
    known, names = columns[0], found.comparison
    if not len(names):
        return AnswerColumns(np.zeros(0, dtype=np.int64), *(column[:0] for column in columns[1:]))
    # Both are in the order of their ids, which are as long as each other.
    place = np.clip(np.searchsorted(names, known), 0, len(names) - 1)
    inside = names[place] == known
    return AnswerColumns(place[inside], *(column[inside] for column in columns[1:]))


class Said(NamedTuple):
    """What some rater says of some comparisons: P(a), and the question they were asked."""

    row: Column
    p: Column
    question: Column


_SAID: dict[AuditKind, str] = {
    "preference": (
        "SELECT comparison, avg(p) AS p, "
        "CASE WHEN count(DISTINCT question) <= 1 THEN min(question) END AS question FROM ("
        "SELECT subject AS comparison, value AS p, question FROM latest_labels "
        "WHERE kind = 'preference' AND value IS NOT NULL AND rater = $rater "
        "UNION ALL SELECT comparison, p, NULL FROM score_answers WHERE rater = $rater) "
        "WHERE comparison IN (SELECT unnest($some)) GROUP BY comparison ORDER BY comparison"
    ),
    "refusal": (
        "SELECT response, value, question FROM refusal_answers WHERE rater = $rater "
        "AND response IN (SELECT unnest($some)) ORDER BY response"
    ),
}


def said(store: "Store", rater: str, some: Sequence[str], kind: AuditKind = "preference") -> Said:
    """What one rater says of some comparisons, which are sorted; `row` is the place among them."""
    with store.db.cursor() as cursor:
        columns = _columns(cursor, _SAID[kind], {"rater": rater, "some": list(some)})
    place = np.searchsorted(np.asarray(some, dtype=object), columns[0])
    return Said(place, columns[1], columns[2])


class Text(NamedTuple):
    """One row of an audit to read; `b` is None for a response."""

    prompt: str
    a: str
    b: str | None


def texts(store: "Store", ids: Sequence[str]) -> dict[str, Text]:
    """Comparisons, or responses, by id."""
    with store.db.cursor() as cursor:
        rows = cursor.execute(
            "SELECT id, prompt, a_text, b_text FROM comparisons WHERE id IN (SELECT unnest($ids)) "
            "UNION ALL SELECT id, prompt, text, NULL FROM responses "
            "WHERE id IN (SELECT unnest($ids))",
            {"ids": list(ids)},
        ).fetchall()
    return {id: Text(prompt, a, b) for id, prompt, a, b in rows}


def _columns(cursor: Cursor, query: str, values: dict[str, Any]) -> list[Column]:
    """The columns of an answer, ids first, as arrays; a missing number is NaN, a missing text
    None."""
    found = cursor.sql(query, params=values)
    assert found is not None
    ids, *others = found.to_arrow_table().columns
    own: Column = ids.to_numpy(zero_copy_only=False)
    return [own, *map(_plain, others)]


def _plain(column: Any) -> Column:
    import pyarrow

    if not pyarrow.types.is_string(column.type):
        numbers: Column = column.cast("float64").to_numpy(zero_copy_only=False)
        return numbers
    # A name that half a million rows share is made a Python text once.
    coded = column.combine_chunks().dictionary_encode()
    names = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    texts: Column = names[coded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)]
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

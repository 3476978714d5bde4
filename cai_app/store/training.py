"""What trainings learn from: chains with their revisions, answers, and labels as preferences."""

from typing import TYPE_CHECKING, Any

from cai_app.records import Record, Response, Transcript
from cai_app.store.connection import Cursor
from cai_app.store.paging import Where
from cai_app.store.responses import ResponseFilter

if TYPE_CHECKING:
    from cai_app.store import Store


class Chain(Record):
    """A critique-revision chain with its id."""

    id: str
    transcript: Transcript


class Preference(Record):
    """A labelled comparison: `p` is P(a is better), the mean of the orders and principles asked;
    `p_a_first` and `p_b_first` the same for one order each, None where it was not asked."""

    id: str
    prompt: str
    a: str
    b: str
    p: float
    p_a_first: float | None = None
    p_b_first: float | None = None
    rater: str
    kind: str
    constitution: str | None = None


def chains(
    store: "Store", *, source: str | None = None, constitution: str | None = None
) -> list[Chain]:
    """Chains of a run (None for all of them), under any version of a constitution of this name
    (None for every one), ordered by id."""
    with store.db.cursor() as cursor:
        where = Where()
        where.from_source(cursor, "transcript", source, column=None)
        where.equal("constitution", constitution)
        rows = cursor.execute(
            f"SELECT id, transcript FROM transcripts WHERE {where.clause} ORDER BY id", where.values
        ).fetchall()
    return [Chain(id=id, transcript=Transcript.model_validate_json(text)) for id, text in rows]


def answers(store: "Store", source: str) -> list[Response]:
    """Responses of a run or source, ordered by id."""
    table = store.responses
    with store.db.cursor() as cursor:
        where = table.where(cursor, ResponseFilter(source=source))
        rows = cursor.execute(
            f"SELECT {', '.join(table.columns)} FROM responses WHERE {where.clause} ORDER BY id",
            where.values,
        ).fetchall()
    return [table.record(row) for row in rows]


# No answer of a spot-check, nor to another question about a constitution.
_UNASKED = "l.question IS NULL AND l.id NOT IN (SELECT label FROM answers WHERE label IS NOT NULL)"
_ORDER = "avg(list_extract(list_filter(l.orders, lambda o: o.\"first\" = '{}'), 1).p_a)"
_SAID = (
    "SELECT l.rater, l.subject AS comparison, avg(l.value) AS p, "
    f"{_ORDER.format('a')} AS p_a_first, {_ORDER.format('b')} AS p_b_first, "
    "max((coalesce(l.time, l.added), l.seq)) AS newest "
    "FROM {labels} l JOIN raters r ON r.id = l.rater "
    "WHERE l.kind = 'preference' AND l.value IS NOT NULL AND {wanted} GROUP BY l.rater, l.subject"
)


def preferences(
    store: "Store",
    *,
    kinds: tuple[str, ...] = ("ai",),
    source: str | None = None,
    constitution: str | None = None,
    unasked: bool = False,
) -> list[Preference]:
    """Labelled comparisons, ordered by id: of each the word of one rater, whoever of these kinds
    labelled it last.

    `source` is a rater's id or name, a label run, or a source of comparisons; `constitution` a name
    whose every version counts. `unasked` leaves out what people answered to a question about a
    constitution, in a spot-check or elsewhere.
    """
    marks = ", ".join(f"$k{n}" for n in range(len(kinds)))
    values: dict[str, Any] = {f"k{n}": kind for n, kind in enumerate(kinds)}
    said = f"r.kind IN ({marks})"
    if unasked:
        said += f" AND (r.kind <> 'human' OR ({_UNASKED}))"
    if constitution is not None:
        said += " AND r.constitution = $constitution"
        values["constitution"] = constitution
    with store.db.cursor() as cursor:
        labels, told, wanted = _meant(cursor, source, values)
        each = _SAID.format(labels=labels, wanted=f"{said} AND {told}")
        rows = cursor.execute(
            "SELECT c.id, c.prompt, c.a_text, c.b_text, s.p, s.p_a_first, s.p_b_first, r.id, "
            "r.kind, r.constitution || '@' || r.constitution_hash "
            f"FROM ({each}) s "
            "JOIN comparisons c ON c.id = s.comparison JOIN raters r ON r.id = s.rater "
            f"WHERE {wanted} QUALIFY row_number() OVER (PARTITION BY c.id ORDER BY s.newest DESC) "
            "= 1 ORDER BY c.id",
            values,
        ).fetchall()
    return [Preference(**dict(zip(Preference.model_fields, row, strict=True))) for row in rows]


def _meant(cursor: Cursor, source: str | None, values: dict[str, Any]) -> tuple[str, str, str]:
    """What a source means: the table of labels, a condition on a label `l`, and one on its rater
    `r` and comparison `c`. Adds to the query's values."""
    if source is None:
        return "latest_labels", "true", "true"
    values["source"] = source
    if cursor.execute("SELECT 1 FROM labels WHERE run = ? LIMIT 1", [source]).fetchall():
        # A label run is asked for by its labels, whatever the same rater said elsewhere.
        return "labels", "l.run = $source", "true"
    of = "(r.id = $source OR r.name = $source OR c.source = $source)"
    return "latest_labels", "true", of


def unscored(store: "Store", *, source: str | None = None, constitution: str | None = None) -> int:
    """Comparisons of a source, meant as in `preferences`, for which no AI rater under a
    constitution of this name has given a number there."""
    values: dict[str, Any] = {"name": constitution}
    with store.db.cursor() as cursor:
        labels, told, wanted = _meant(cursor, source, values)
        found = cursor.execute(
            f"SELECT count(*) FROM (SELECT l.subject FROM {labels} l JOIN raters r "
            "ON r.id = l.rater LEFT JOIN comparisons c ON c.id = l.subject "
            "WHERE l.kind = 'preference' AND r.kind = 'ai' "
            f"AND ($name IS NULL OR r.constitution = $name) AND {told} AND {wanted} "
            "GROUP BY l.subject HAVING count(l.value) = 0)",
            values,
        ).fetchone()
    return int(found[0]) if found else 0


def imported(store: "Store") -> int:
    """Human preferences that came with a file: they answer no question of a constitution."""
    with store.db.cursor() as cursor:
        found = cursor.execute(
            "SELECT count(*) FROM latest_labels l JOIN raters r ON r.id = l.rater WHERE "
            f"l.kind = 'preference' AND l.value IS NOT NULL AND r.kind = 'human' AND {_UNASKED}"
        ).fetchone()
    return int(found[0]) if found else 0


def known(store: "Store") -> tuple[list[str], list[str]]:
    """Constitutions with chains, and constitutions with AI labels, by name: for telling what
    there is where nothing was found."""
    with store.db.cursor() as cursor:
        first = cursor.execute(
            "SELECT DISTINCT constitution FROM transcripts ORDER BY ALL"
        ).fetchall()
        second = cursor.execute(
            "SELECT DISTINCT r.constitution FROM raters r JOIN ai_answers s ON s.rater = r.id "
            "WHERE r.kind = 'ai' AND r.constitution IS NOT NULL ORDER BY ALL"
        ).fetchall()
    return [row[0] for row in first], [row[0] for row in second]

"""Rows of a file taken in, all or none of them; and rows with their labels, to be written out."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cai_app.records import Comparison, Label, Record, Response, Transcript, transcript_id
from cai_app.store.comparisons import ComparisonFilter
from cai_app.store.connection import Cursor
from cai_app.store.labels import LabelFilter
from cai_app.store.lineage import Edge
from cai_app.store.paging import Where
from cai_app.store.responses import ResponseFilter
from cai_app.store.table import Table
from cai_app.store.transcripts import TranscriptFilter

if TYPE_CHECKING:
    from cai_app.store import Store

Kept = Response | Comparison | Transcript | Label
Noun = Literal["comparisons", "responses", "transcripts"]
_CHUNK = 5000
_STAGED = ("number", "type", "id", "value")


class TakenIn(Record):
    """What came of a file's good rows. A row of which anything was new is added.

    `conflicts` are rows with a label that is there with another value: the first one stays.
    `duplicates` were there already, or stand in the file twice, and say the same.
    """

    rows: int
    added: int
    conflicts: int
    duplicates: int


class Wanted(Record):
    """Which rows to write out, and which of their labels.

    `rater` is an id, a name, a backend, or a kind of rater; `latest` leaves out what a rater has
    said again since; `alone` takes the responses only that no comparison shows or that have labels.
    """

    noun: Noun
    source: str | None = None
    rater: str | None = None
    kind: str | None = None
    latest: bool = False
    alone: bool = False


class Found(NamedTuple):
    """A row with its labels."""

    subject: Response | Comparison | Transcript
    labels: tuple[Label, ...]


def take_in(
    store: "Store", rows: Iterable[tuple[int, Sequence[Kept]]], *, edges: Sequence[Edge] = ()
) -> TakenIn:
    """Add the records of numbered rows in one transaction. Durable on return."""
    tables: dict[type[Any], Table[Any]] = {
        Comparison: store.comparisons,
        Response: store.responses,
        Transcript: store.transcripts,
        Label: store.labels,
    }
    numbered, count = iter(rows), 0
    with store.db.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE staged_rows (number BIGINT, type VARCHAR, id VARCHAR, value DOUBLE)"
        )
        staged: dict[type[Any], None] = {}
        while chunk := list(islice(numbered, _CHUNK)):
            count += len(chunk)
            flat = [(number, one) for number, records in chunk for one in records]
            with cursor.appender("staged_rows", columns=list(_STAGED)) as appender:
                appender.append_rows([_staged(number, one) for number, one in flat])
            for kind, table in tables.items():
                if found := [one for _, one in flat if type(one) is kind]:
                    staged.setdefault(kind)
                    table.stage(cursor, found)
        with store.db.transaction(cursor):
            _note_new(cursor, {kind.__name__: tables[kind].name for kind in staged})
            for kind in staged:
                tables[kind].merge(cursor)
            added, conflicts, told = _counts(cursor)
            store.lineage.insert(cursor, edges)
    return TakenIn(rows=count, added=added, conflicts=conflicts, duplicates=count - told)


def _staged(number: int, one: Kept) -> tuple[Any, ...]:
    """The values of `_STAGED`."""
    id = transcript_id(one) if isinstance(one, Transcript) else one.id
    return number, type(one).__name__, id, one.value if isinstance(one, Label) else None


def _note_new(cursor: Cursor, names: dict[str, str]) -> None:
    """Which rows bring something that is not there yet; of two that do the same, the first."""
    first = "SELECT type, id, min(number) AS number FROM staged_rows GROUP BY type, id"
    parts = [
        f"SELECT number FROM ({first}) WHERE type = '{kind}' AND id NOT IN (SELECT id FROM {name})"
        for kind, name in names.items()
    ]
    found = " UNION ALL ".join(parts) or "SELECT 0::BIGINT AS number WHERE false"
    cursor.execute(f"CREATE TEMP TABLE new_rows AS SELECT DISTINCT number FROM ({found})")


def _counts(cursor: Cursor) -> tuple[int, int, int]:
    """Once all is merged: the rows that are new, those with a label that the store has otherwise,
    and those that are one or the other."""
    # A chance that was turned and turned back may differ in its last bit.
    differ = "(s.value IS NULL) <> (l.value IS NULL) OR abs(s.value - l.value) > 1e-9"
    found = cursor.execute(
        "WITH other AS (SELECT DISTINCT s.number FROM staged_rows s JOIN labels l ON l.id = s.id "
        f"WHERE s.type = 'Label' AND ({differ})) "
        "SELECT (SELECT count(*) FROM new_rows), (SELECT count(*) FROM other), "
        "(SELECT count(*) FROM (FROM new_rows UNION FROM other))"
    ).fetchone()
    assert found
    return int(found[0]), int(found[1]), int(found[2])


def labelled(store: "Store", wanted: Wanted) -> Iterator[Found]:
    """Rows in the order in which they came, each with its labels."""
    after = 0
    while True:
        with store.db.cursor() as cursor:
            where = _where(store, cursor, wanted)
            rows = cursor.execute(
                f"SELECT seq, id FROM {wanted.noun} WHERE seq > $after AND {where.clause} "
                f"ORDER BY seq LIMIT {_CHUNK}",
                {"after": after, **where.values},
            ).fetchall()
            ids = [row[1] for row in rows]
            labels = _labels(store, cursor, ids, wanted)
            subjects: dict[str, Any] = getattr(store, wanted.noun).read(cursor, ids)
        for id in ids:
            yield Found(subjects[id], tuple(labels.get(id, ())))
        if len(rows) < _CHUNK:
            return
        after = rows[-1][0]


def _where(store: "Store", cursor: Cursor, wanted: Wanted) -> Where:
    source = wanted.source
    if wanted.noun == "comparisons":
        return store.comparisons.where(cursor, ComparisonFilter(source=source))
    if wanted.noun == "transcripts":
        return store.transcripts.where(cursor, TranscriptFilter(source=source))
    where = store.responses.where(cursor, ResponseFilter(source=source))
    if wanted.alone:
        where.add(
            "(id NOT IN (SELECT a FROM comparisons UNION ALL SELECT b FROM comparisons) "
            "OR id IN (SELECT subject FROM labels WHERE about = 'response'))"
        )
    return where


def _labels(
    store: "Store", cursor: Cursor, ids: Sequence[str], wanted: Wanted
) -> dict[str, list[Label]]:
    """The wanted labels of some subjects, the oldest first."""
    where = store.labels.where(cursor, LabelFilter(kind=wanted.kind))
    if wanted.rater is not None:
        where.add(
            "rater IN (SELECT r.id FROM raters r WHERE {0} IN (r.id, r.kind, r.name, r.backend))",
            wanted.rater,
        )
    table = "latest_labels" if wanted.latest else "labels"
    rows = cursor.execute(
        f"SELECT {', '.join(store.labels.columns)} FROM {table} "
        f"WHERE subject IN (SELECT unnest($subjects)) AND {where.clause} ORDER BY seq",
        {"subjects": list(ids), **where.values},
    ).fetchall()
    found: dict[str, list[Label]] = {}
    for label in store.labels.whole(cursor, rows):
        found.setdefault(label.subject, []).append(label)
    return found

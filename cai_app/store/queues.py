"""Queues of spot-checks, their frozen pools, and what people answered."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cai_app.errors import InputError
from cai_app.records import Answer, Label, Queue, QueueRow
from cai_app.store.connection import Connection
from cai_app.store.labels import Labels
from cai_app.store.table import Table

_LEAST = 4  # characters of an id that stand for it
_BLANK = " \n\r\t"


class Size(NamedTuple):
    """Rows of a pool, those drawn, and the smallest and the largest chance of being drawn."""

    pool: int
    drawn: int
    low: float
    high: float


class Queues(Table[Queue]):
    """The table `queues`, and what belongs to one."""

    name = "queues"
    columns = (
        "id", "name", "ai", "rule", "wanted", "floor", "seed", "overlap", "repeats", "reveal",
        "source", "pm",
    )  # fmt: skip

    def __init__(self, db: Connection, labels: Labels) -> None:
        super().__init__(db)
        self.labels = labels

    def values(self, record: Queue) -> tuple[Any, ...]:
        return tuple(getattr(record, column) for column in self.columns)

    def record(self, values: Sequence[Any]) -> Queue:
        return Queue(**dict(zip(self.columns[1:], values[1:], strict=True)))

    def create(self, queue: Queue, rows: Iterable[QueueRow]) -> bool:
        """Add a queue with its pool, at once; False where it is there already."""
        columns = list(QueueRow.model_fields)
        with self.db.cursor() as cursor:
            self.stage(cursor, [queue])
            cursor.execute(
                "CREATE TEMP TABLE staged_queue_rows AS SELECT * FROM queue_rows LIMIT 0"
            )
            with cursor.appender("staged_queue_rows", columns=columns) as appender:
                appender.append_rows([tuple(getattr(row, c) for c in columns) for row in rows])
            with self.db.transaction(cursor):
                added = self.merge(cursor)
                if added:
                    cursor.execute(
                        "INSERT INTO queue_rows SELECT * FROM staged_queue_rows"
                    ).fetchall()
        return bool(added)

    def all(self) -> list[Queue]:
        """Every queue, the newest first; closed ones too."""
        return [self.record(row) for row in self._rows("TRUE ORDER BY seq DESC", [])]

    def closed(self) -> set[str]:
        """Ids of the queues that are served to nobody any more."""
        with self.db.cursor() as cursor:
            return {row[0] for row in cursor.execute("SELECT queue FROM closed_queues").fetchall()}

    def answered(self) -> set[str]:
        """Ids of the queues in which anybody ever answered, taken back or not."""
        with self.db.cursor() as cursor:
            rows = cursor.execute("SELECT DISTINCT queue FROM answers").fetchall()
        return {row[0] for row in rows}

    def close(self, queue: str) -> bool:
        """Close a queue; one in which nobody ever answered goes altogether. Whether it is kept."""
        with self.db.cursor() as cursor, self.db.transaction(cursor):
            answered = cursor.execute(
                "SELECT 1 FROM answers WHERE queue = ? LIMIT 1", [queue]
            ).fetchall()
            if answered:
                cursor.execute(
                    "INSERT INTO closed_queues (queue) VALUES (?) ON CONFLICT DO NOTHING", [queue]
                ).fetchall()
                return True
            for table, column in (("queue_rows", "queue"), ("invites", "queue"), ("queues", "id")):
                cursor.execute(f"DELETE FROM {table} WHERE {column} = ?", [queue]).fetchall()
        return False

    def reopen(self, queue: str) -> None:
        """Serve a closed queue again."""
        with self.db.cursor() as cursor, self.db.transaction(cursor):
            cursor.execute("DELETE FROM closed_queues WHERE queue = ?", [queue]).fetchall()

    def find(self, name: str) -> Queue | None:
        """A queue by its id, else the newest of that name, else by the beginning of its id, from 4
        characters on. Raises InputError where several ids begin so."""
        where = "id = ? OR name = ? ORDER BY id = ? DESC, seq DESC LIMIT 1"
        found = self._rows(where, [name, name, name])
        if not found and len(name) >= _LEAST:
            found = self._rows("starts_with(id, ?) ORDER BY seq DESC", [name])
        if len(found) > 1:
            ids = ", ".join(str(row[0]) for row in found)
            raise InputError(f"queue {name!r} may be any of {ids}; name one by its whole id")
        return self.record(found[0]) if found else None

    def _rows(self, where: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with self.db.cursor() as cursor:
            return cursor.execute(
                f"SELECT {', '.join(self.columns)} FROM queues WHERE {where}", values
            ).fetchall()

    def served(self, queue: str) -> dict[str, str | None]:
        """The drawn comparisons in the order of serving, each with what the AI was asked about
        it; nothing of what it answered."""
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                "SELECT comparison, question FROM queue_rows "
                "WHERE queue = ? AND place IS NOT NULL ORDER BY place",
                [queue],
            ).fetchall()
        return dict(rows)

    def said(self, queue: str, comparisons: Sequence[str]) -> dict[str, float]:
        """What the AI had said of some rows when the queue was drawn."""
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                "SELECT comparison, p FROM queue_rows WHERE queue = $queue "
                "AND comparison IN (SELECT unnest($comparisons))",
                {"queue": queue, "comparisons": list(comparisons)},
            ).fetchall()
        return {row[0]: row[1] for row in rows}

    def answer(self, given: Answer, label: Label | None) -> None:
        """Add an answer and the label that it becomes, at once. Durable on return."""
        columns = ("id", *Answer.model_fields)
        values = [given.id, *(getattr(given, name) for name in Answer.model_fields)]
        values[columns.index("rater")] = given.rater.id
        with self.db.cursor() as cursor, self.db.transaction(cursor):
            self.labels.raters.put(cursor, given.rater)
            if label is not None:
                self.labels.put(cursor, label)
            cursor.execute(
                f"INSERT INTO answers (seq, {', '.join(columns)}) SELECT "
                f"(SELECT coalesce(max(seq), 0) + 1 FROM answers), "
                f"{', '.join('?' * len(columns))} ON CONFLICT DO NOTHING",
                values,
            ).fetchall()

    def answers(self, queue: str) -> list[dict[str, Any]]:
        """The answers that count, the oldest first, as rows of `latest_answers`."""
        with self.db.cursor() as cursor:
            found = cursor.execute(
                "SELECT comparison, rater, repeat, answer, swapped, label, note, lead_ms, blind "
                "FROM latest_answers WHERE queue = ? ORDER BY seq",
                [queue],
            )
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def reveal(self, rater: str, comparisons: Iterable[str], *, queue: str | None = None) -> None:
        """That a person has seen what the AI says of these. Durable on return."""
        with self.db.cursor() as cursor, self.db.transaction(cursor):
            for comparison in comparisons:
                cursor.execute(
                    "INSERT INTO reveals (rater, comparison, queue) VALUES (?, ?, ?)",
                    [rater, comparison, queue],
                ).fetchall()

    def revealed(self, rater: str) -> dict[str, set[str | None]]:
        """Comparisons of which a person has seen what the AI says, and in which queues; None for
        elsewhere."""
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                "SELECT DISTINCT comparison, queue FROM reveals WHERE rater = ?", [rater]
            ).fetchall()
        found: dict[str, set[str | None]] = {}
        for comparison, queue in rows:
            found.setdefault(comparison, set()).add(queue)
        return found

    def version(self) -> tuple[int, int]:
        """Changes whenever a label or an answer is added: what was computed before is old then."""
        with self.db.cursor() as cursor:
            row = cursor.execute(
                "SELECT (SELECT coalesce(max(seq), 0) FROM labels), "
                "(SELECT coalesce(max(seq), 0) FROM answers)"
            ).fetchone()
        assert row
        return row[0], row[1]

    def sizes(self) -> dict[str, Size]:
        """How much each queue has drawn from, and with which chances."""
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                "SELECT queue, count(*), count(place), min(probability), max(probability) "
                "FROM queue_rows GROUP BY queue"
            ).fetchall()
        return {row[0]: Size(*row[1:]) for row in rows}

    def people(self, queue: str) -> list[str]:
        """Names of those who have answered in a queue, in the order of the alphabet."""
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                "SELECT name FROM raters WHERE kind = 'human' AND id IN "
                "(SELECT rater FROM answers WHERE queue = ?) ORDER BY name",
                [queue],
            ).fetchall()
        return [row[0] for row in rows]

    def same_texts(self, comparisons: Sequence[str]) -> list[str]:
        """Ids of these comparisons, and of those that hold the same texts under other models'
        names; blanks around them aside."""
        texts = "list_sort([trim(a_text, $blank), trim(b_text, $blank)])"
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                f"WITH all_ AS (SELECT id, trim(prompt, $blank) AS prompt, {texts} AS texts "
                "FROM comparisons) SELECT DISTINCT one.id FROM all_ one JOIN all_ known "
                "ON known.prompt = one.prompt AND known.texts = one.texts "
                "WHERE known.id IN (SELECT unnest($comparisons)) ORDER BY one.id",
                {"blank": _BLANK, "comparisons": list(comparisons)},
            ).fetchall()
        return [row[0] for row in rows]

    def sources(self) -> list[str]:
        """Where comparisons came from, runs newest first."""
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                "SELECT DISTINCT source FROM comparisons WHERE source IS NOT NULL "
                "ORDER BY source DESC"
            ).fetchall()
        return [row[0] for row in rows]

    def alike(self, prompt: str, texts: Sequence[str]) -> list[str]:
        """Ids of the comparisons of any two of these texts, whoever wrote them; blanks around
        them aside."""
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                "SELECT id FROM comparisons WHERE trim(prompt, $blank) = $prompt "
                "AND trim(a_text, $blank) IN (SELECT unnest($texts)) "
                "AND trim(b_text, $blank) IN (SELECT unnest($texts))",
                {
                    "blank": _BLANK,
                    "prompt": prompt.strip(_BLANK),
                    "texts": [text.strip(_BLANK) for text in texts],
                },
            ).fetchall()
        return [row[0] for row in rows]

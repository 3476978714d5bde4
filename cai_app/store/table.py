"""What the nouns of the store share: rows staged, added unless they are there, and read."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from cai_app.store.connection import Connection, Cursor

R = TypeVar("R")
_BATCH = 5000  # rows handed over at once


class Table(Generic[R]):
    """One table: records in, records out. `id` is its primary key, `seq` the order of arrival."""

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    def __init__(self, db: Connection) -> None:
        self.db = db

    def values(self, record: R) -> tuple[Any, ...]:
        """A record as values of `columns`."""
        raise NotImplementedError

    def record(self, values: Sequence[Any]) -> R:
        """Values of `columns` as a record."""
        raise NotImplementedError

    def add(self, records: Iterable[R]) -> int:
        """Add what is not there yet; returns how many that were. Durable on return."""
        with self.db.cursor() as cursor:
            self.stage(cursor, records)
            with self.db.transaction(cursor):
                return self.merge(cursor)

    def stage(self, cursor: Cursor, records: Iterable[R]) -> int:
        """Put records into the cursor's own staging table; nobody waits meanwhile."""
        columns = ", ".join(self.columns)
        cursor.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS staged_{self.name} AS "
            f"SELECT {columns} FROM {self.name} LIMIT 0"
        )
        count = 0
        rows: list[tuple[Any, ...]] = []
        for record in records:
            rows.append(self.values(record))
            if len(rows) == _BATCH:
                count += self._append(cursor, rows)
                rows = []
        return count + self._append(cursor, rows)

    def _append(self, cursor: Cursor, rows: list[tuple[Any, ...]]) -> int:
        if rows:
            with cursor.appender(f"staged_{self.name}", columns=list(self.columns)) as appender:
                appender.append_rows(rows)
        return len(rows)

    def merge(self, cursor: Cursor) -> int:
        """Within a transaction: staged rows that are new, in the order staged, get numbers."""
        columns = ", ".join(self.columns)
        found = cursor.execute(
            f"INSERT INTO {self.name} (seq, {columns}) "
            f"SELECT (SELECT coalesce(max(seq), 0) FROM {self.name}) "
            f"+ row_number() OVER (ORDER BY rowid), {columns} FROM staged_{self.name} "
            "ON CONFLICT DO NOTHING"
        ).fetchone()
        return int(found[0]) if found else 0

    def put(self, cursor: Cursor, record: R) -> None:
        """Within a transaction: one record, unless it is there; quicker than staging it."""
        marks = ", ".join("?" * len(self.columns))
        cursor.execute(
            f"INSERT INTO {self.name} (seq, {', '.join(self.columns)}) "
            f"SELECT (SELECT coalesce(max(seq), 0) + 1 FROM {self.name}), {marks} "
            "ON CONFLICT DO NOTHING",
            list(self.values(record)),
        ).fetchall()

    def get(self, ids: Sequence[str]) -> dict[str, R]:
        """Records by id; ids that are not there are left out."""
        with self.db.cursor() as cursor:
            return self.read(cursor, ids)

    def read(self, cursor: Cursor, ids: Sequence[str]) -> dict[str, R]:
        """`get` on a cursor of one's own."""
        if not ids:
            return {}
        columns = ", ".join(self.columns)
        marks = ", ".join("?" * len(ids))
        rows = cursor.execute(
            f"SELECT id, {columns} FROM {self.name} WHERE id IN ({marks})", list(ids)
        ).fetchall()
        return {row[0]: self.record(row[1:]) for row in rows}

    def count(self) -> int:
        """How many rows there are."""
        with self.db.cursor() as cursor:
            return self._number(cursor, "count(*)")

    def top(self, cursor: Cursor) -> int:
        """The newest row's number; 0 in an empty table."""
        return self._number(cursor, "coalesce(max(seq), 0)")

    def _number(self, cursor: Cursor, what: str) -> int:
        row = cursor.execute(f"SELECT {what} FROM {self.name}").fetchone()
        assert row
        return int(row[0])

"""One id followed through the store: what it is, which runs gave it, and what lies around it."""

from typing import Literal, get_args

from cai_app.store.connection import Connection, Cursor

RowType = Literal["response", "comparison", "transcript", "label"]
_TABLES: dict[RowType, str] = {name: f"{name}s" for name in get_args(RowType)}
_SOURCED: tuple[RowType, ...] = ("comparison", "response")
_MOST = 50  # neighbours named; a page is no place for more


class Tracing:
    """Questions about one id. Each takes milliseconds in a store of millions of rows."""

    def __init__(self, db: Connection) -> None:
        self.db = db

    def type_of(self, id: str) -> RowType | None:
        """Which kind of row has this id; None where no row has."""
        with self.db.cursor() as cursor:
            for kind, table in _TABLES.items():
                if cursor.execute(f"SELECT 1 FROM {table} WHERE id = ?", [id]).fetchall():
                    return kind
        return None

    def runs_of(self, kind: RowType, id: str) -> list[str]:
        """The runs that gave a row; the same row may come from several."""
        # The number first, and then by it: outputs has no index, and one comparison is cheap.
        query = (
            "SELECT DISTINCT run FROM outputs WHERE type = ? AND seq = "
            f"(SELECT seq FROM {_TABLES[kind]} WHERE id = ?) ORDER BY run"
        )
        with self.db.cursor() as cursor:
            return _names(cursor, query, [kind, id])

    def source_of(self, kind: RowType, id: str) -> str | None:
        """Where a response or comparison says it came from."""
        if kind not in _SOURCED:
            return None
        with self.db.cursor() as cursor:
            found = _names(cursor, f"SELECT source FROM {_TABLES[kind]} WHERE id = ?", [id])
        return found[0] if found else None

    def imported_as(self, source: str) -> dict[str, int]:
        """How many rows of each kind say that they came from a source."""
        with self.db.cursor() as cursor:
            counts = {
                kind: cursor.execute(
                    f"SELECT count(*) FROM {_TABLES[kind]} WHERE source = ?", [source]
                ).fetchall()[0][0]
                for kind in _SOURCED
            }
        return {kind: count for kind, count in counts.items() if count}

    def runs_of_rater(self, rater: str) -> list[str]:
        """The runs in which a rater gave labels."""
        query = "SELECT DISTINCT run FROM labels WHERE rater = ? AND run IS NOT NULL ORDER BY run"
        with self.db.cursor() as cursor:
            return _names(cursor, query, [rater])

    def made_by(self, run: str) -> dict[str, int]:
        """How many rows of each kind a run gave."""
        query = "SELECT type, count(*) FROM outputs WHERE run = ? GROUP BY type ORDER BY type"
        with self.db.cursor() as cursor:
            return {row[0]: row[1] for row in cursor.execute(query, [run]).fetchall()}

    def rows_of_runs(self) -> dict[str, dict[str, int]]:
        """`made_by` of every run that is in."""
        found: dict[str, dict[str, int]] = {}
        with self.db.cursor() as cursor:
            query = "SELECT run, type, count(*) FROM outputs GROUP BY run, type ORDER BY type"
            for run, kind, count in cursor.execute(query).fetchall():
                found.setdefault(run, {})[kind] = count
        return found

    def comparisons_of(self, response: str) -> list[str]:
        """Comparisons with this response on a side, the newest first."""
        query = f"SELECT id FROM comparisons WHERE a = ? OR b = ? ORDER BY seq DESC LIMIT {_MOST}"
        with self.db.cursor() as cursor:
            return _names(cursor, query, [response, response])

    def labels_of(self, subject: str) -> list[str]:
        """Labels about this row, the newest first."""
        query = f"SELECT id FROM labels WHERE subject = ? ORDER BY seq DESC LIMIT {_MOST}"
        with self.db.cursor() as cursor:
            return _names(cursor, query, [subject])


def _names(cursor: Cursor, query: str, values: list[str]) -> list[str]:
    return [row[0] for row in cursor.execute(query, values).fetchall()]

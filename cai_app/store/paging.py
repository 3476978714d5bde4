"""Pages of rows, the newest first, found without reading the whole table."""

import time
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from cai_app.records import Record
from cai_app.store.connection import Cursor

T = TypeVar("T")

MOST = 1000  # rows of one page
# A search that finds little goes on for this long; the page says how to go on after that.
BUDGET = 0.15  # seconds
_WINDOW = 20_000  # rows looked at first
_GROWTH = 4


class Page(Record, Generic[T]):
    """Some rows, the newest first.

    `next` is the cursor of the page after, None at the end. A page that is not full and has a
    `next` was searched for long enough: going on from there searches further back.
    """

    rows: tuple[T, ...]
    next: int | None


class Where:
    """Conditions with their values, as one clause."""

    def __init__(self) -> None:
        self._clauses: list[str] = []
        self.values: list[Any] = []

    def equal(self, column: str, value: Any) -> None:
        """Rows with this value; None asks for nothing."""
        if value is not None:
            self.add(f"{column} = ?", value)

    def contains(self, columns: Sequence[str], text: str) -> None:
        """Rows with the text in one of the columns, in whatever case; empty asks for nothing."""
        if text.strip():
            wanted = text.strip().lower()
            found = " OR ".join(f"contains(lower({column}), ?)" for column in columns)
            self.add(f"({found})", *[wanted] * len(columns))

    def add(self, clause: str, *values: Any) -> None:
        """A condition of its own."""
        self._clauses.append(clause)
        self.values += values

    @property
    def clause(self) -> str:
        """What follows WHERE."""
        return " AND ".join(self._clauses) or "true"

    def __bool__(self) -> bool:
        return bool(self._clauses)


def newest(
    cursor: Cursor, query: str, seq: str, *, where: Where, before: int | None, limit: int, top: int
) -> tuple[list[tuple[Any, ...]], int | None]:
    """Rows of `query` (its first column is `seq`) and the cursor to go on from.

    Looks at windows of `seq` from the newest back, each larger than the one before, so that pages
    cost what they show and a rare text is still found.
    """
    limit = max(1, min(limit, MOST))
    upper = top + 1 if before is None else min(before, top + 1)
    window = _WINDOW if where else limit
    until = time.monotonic() + BUDGET
    rows: list[tuple[Any, ...]] = []
    while upper > 1 and len(rows) < limit:
        lower = max(1, upper - window)
        rows += cursor.execute(
            f"{query} WHERE {seq} >= ? AND {seq} < ? AND {where.clause} "
            f"ORDER BY {seq} DESC LIMIT ?",
            [lower, upper, *where.values, limit - len(rows)],
        ).fetchall()
        upper, window = lower, window * _GROWTH
        if time.monotonic() > until:
            break
    if len(rows) == limit:
        upper = rows[-1][0]
    return rows, upper if upper > 1 else None

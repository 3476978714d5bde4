"""Pages of rows, the newest first, found without reading the whole table."""

import time
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from cai_app.records import Record
from cai_app.store.connection import Cursor

T = TypeVar("T")

MOST = 1000  # rows of one page
# A search that finds little goes on for this long; the page says how to go on after that.
BUDGET = 0.08  # seconds
_WINDOW = 20_000  # rows looked at first
_WIDEST = 60_000  # rows looked at in one go
_GROWTH = 3


class Page(Record, Generic[T]):
    """Some rows, the newest first.

    `next` is the cursor of the page after, None at the end. A page that is not full and has a
    `next` was searched for long enough: going on from there searches further back.
    """

    rows: tuple[T, ...]
    next: int | None


class Where:
    """Conditions with their values, as one clause; `{}` in one stands for its value.

    `first` and `last` bound the rows' numbers where a condition knows them. A condition may name
    `$lower` and `$upper`, the window that is being looked at.
    """

    def __init__(self) -> None:
        self._clauses: list[str] = []
        self.values: dict[str, Any] = {}
        self.first, self.last = 1, 2**62

    def equal(self, column: str, value: Any) -> None:
        """Rows with this value; None asks for nothing."""
        if value is not None:
            self.add(f"{column} = {{}}", value)

    def contains(self, columns: Sequence[str], text: str) -> None:
        """Rows with the text in one of the columns, in whatever case; empty asks for nothing."""
        if text.strip():
            found = " OR ".join(f"contains(lower({column}), {{0}})" for column in columns)
            self.add(f"({found})", text.strip().lower())

    def add(self, clause: str, *values: Any) -> None:
        """A condition of its own."""
        names = [f"v{len(self.values) + k}" for k in range(len(values))]
        self.values |= dict(zip(names, values, strict=True))
        self._clauses.append(clause.format(*[f"${name}" for name in names]))

    def from_source(
        self, cursor: Cursor, type: str, source: str | None, *, column: str | None = "source"
    ) -> None:
        """Rows that a run made, or else those whose column says so; None asks for nothing."""
        if source is None:
            return
        row = cursor.execute(
            "SELECT min(seq), max(seq) FROM outputs WHERE run = ? AND type = ?", [source, type]
        ).fetchone()
        if row is None or row[0] is None:
            return self.equal(column, source) if column else self.add("false")
        self.first, self.last = row
        made = "SELECT o.seq FROM outputs o WHERE o.run = {} AND o.type = {}"
        self.add(f"seq IN ({made})", source, type)

    @property
    def clause(self) -> str:
        """What follows WHERE."""
        return " AND ".join(self._clauses) or "true"

    def __bool__(self) -> bool:
        return bool(self._clauses)


def newest(
    cursor: Cursor, query: str, *, where: Where, before: int | None, limit: int, top: int
) -> tuple[list[tuple[Any, ...]], int | None]:
    """Rows of `query` (its first column is `seq`) and the cursor to go on from.

    Looks at windows of `seq` from the newest back, each larger than the one before, so that pages
    cost what they show and a rare text is still found.
    """
    limit = max(1, min(limit, MOST))
    upper = min(top, where.last, 2**62 if before is None else before - 1) + 1
    window = _WINDOW if where else limit
    until = time.monotonic() + BUDGET
    rows: list[tuple[Any, ...]] = []
    while upper > where.first and len(rows) < limit:
        lower = max(where.first, upper - window)
        rows += cursor.execute(
            f"{query} WHERE seq >= $lower AND seq < $upper AND {where.clause} "
            f"ORDER BY seq DESC LIMIT {limit - len(rows)}",
            {"lower": lower, "upper": upper, **where.values},
        ).fetchall()
        upper, window = lower, min(window * _GROWTH, _WIDEST)
        if time.monotonic() > until:
            break
    if len(rows) == limit:
        upper = rows[-1][0]
    return rows, upper if upper > where.first else None

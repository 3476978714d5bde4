"""The SQL console: one SELECT, read-only, for ten seconds, on the store and two folders."""

import math
import threading
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from cai_app.errors import InputError
from cai_app.records import Record
from cai_app.store import faults
from cai_app.store.connection import Connection, Cursor

SECONDS = 10.0


class Answer(Record):
    """What a query gave; values are such as JSON knows. `truncated`: there was more."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False

    def objects(self) -> list[dict[str, Any]]:
        """Each row as an object by column; a column's second namesake is `name:2`."""
        seen: dict[str, int] = {}
        names = []
        for column in self.columns:
            seen[column] = seen.get(column, 0) + 1
            names.append(column if seen[column] == 1 else f"{column}:{seen[column]}")
        return [dict(zip(names, row, strict=True)) for row in self.rows]


def ask(
    db: Connection, query: str, *, limit: int | None = None, seconds: float = SECONDS
) -> Answer:
    """Run one SELECT. Raises InputError where it is anything else, is wrong, or takes too long."""
    with db.cursor() as cursor:
        try:
            _check(cursor, query)
            return _answer(cursor, query, limit, seconds)
        except duckdb.InterruptException as error:
            raise InputError(
                f"the query was stopped after {seconds:g} s; narrow it, or add a LIMIT"
            ) from error
        except duckdb.Error as error:
            if faults.explained(error, db.path) is not None:
                raise
            raise InputError(_said(error)) from error


def _check(cursor: Cursor, query: str) -> None:
    statements = cursor.extract_statements(query)
    if len(statements) != 1:
        raise InputError(f"the console takes one SELECT, but this is {len(statements)} statements")
    found = statements[0].type
    if found != duckdb.StatementType.SELECT:
        raise InputError(
            f"the console takes one SELECT, but this is {found.name}; rows are only ever added, "
            "and by the program"
        )


def _answer(cursor: Cursor, query: str, limit: int | None, seconds: float) -> Answer:
    # Results stream: the query runs while its rows are fetched, so the clock runs until then.
    timer = threading.Timer(seconds, cursor.interrupt)
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    timer.start()
    try:
        cursor.execute(query)
        columns = tuple(str(column[0]) for column in cursor.description or ())
        rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit + 1)
    finally:
        timer.cancel()
    plain = tuple(tuple(_plain(value) for value in row) for row in rows[:limit])
    return Answer(columns=columns, rows=plain, truncated=limit is not None and len(rows) > limit)


def _plain(value: Any) -> Any:
    """A value as JSON has it; what is no number becomes null."""
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return float(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case dict():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _:
            return str(value)


def _said(error: duckdb.Error) -> str:
    """What DuckDB says of a wrong query, without the picture of the place."""
    text = str(error).split("\n\nLINE")[0]
    return " ".join(text.split()) or type(error).__name__

"""Numbered SQL files, each applied once in a transaction of its own."""

from pathlib import Path

import duckdb

MIGRATIONS = Path(__file__).parent / "migrations"
_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER NOT NULL, name VARCHAR NOT NULL, applied TIMESTAMPTZ NOT NULL DEFAULT now()
)
"""


def known(folder: Path) -> dict[int, Path]:
    """The migrations of this version of the program, in order."""
    return {int(path.name.split("_")[0]): path for path in sorted(folder.glob("[0-9]*_*.sql"))}


def applied(cursor: duckdb.DuckDBPyConnection) -> set[int] | None:
    """Numbers applied to this database; None where it is none of ours."""
    found = cursor.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'migrations'"
    ).fetchone()
    if not found or not found[0]:
        return None
    return {row[0] for row in cursor.execute("SELECT number FROM migrations").fetchall()}


def run(cursor: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Apply what is missing; a kill leaves whole steps behind, and the next start goes on."""
    done = applied(cursor) or set()
    for number, path in known(folder).items():
        if number in done:
            continue
        cursor.execute("BEGIN TRANSACTION")
        try:
            cursor.execute(_TABLE)
            cursor.execute(path.read_text(encoding="utf-8"))
            cursor.execute(
                "INSERT INTO migrations (number, name) VALUES (?, ?)", [number, path.stem]
            )
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            raise

"""Opening the database file: looked at read-only first, so that a refusal has changed nothing."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from cai_app import files
from cai_app.errors import StoreError
from cai_app.store import faults, migrate
from cai_app.store.ledger import Ledger

_HEADERS = 3 * 4096  # bytes before the first block
_MEMORY = "4GB"


class State(NamedTuple):
    """What a look at the file told."""

    applied: set[int]
    incarnation: str
    number: int


def opened(path: Path, migrations: Path, ledger: Ledger) -> duckdb.DuckDBPyConnection:
    """The database, migrated and locked down; made if it is not there.

    Call with the home's lock held. Raises StoreError, DiskFullError or BusyError.
    """
    if not path.exists():
        _create(path, migrations)
    state = _look(path, migrations, ledger)
    with explaining(path):
        connection = duckdb.connect(str(path))
        try:
            if state.applied != set(migrate.known(migrations)):
                _back_up(connection, path, max(state.applied, default=0))
                migrate.run(connection, migrations)
            _lock_down(connection, path.parent)
        except BaseException:
            connection.close()
            raise
    ledger.begin(state.incarnation, state.number)
    return connection


@contextlib.contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Within, what DuckDB says of the file becomes an error for people."""
    try:
        yield
    except duckdb.Error as error:
        found = faults.explained(error, path)
        if found is None:
            raise
        raise found from error


def _create(path: Path, migrations: Path) -> None:
    """A new file, whole or not at all: it gets its name when it is complete."""
    log = wal(path)
    if log.exists() and log.stat().st_size:
        raise StoreError(
            f"{path} is missing, but its write-ahead log {log.name} is there; put the file back, "
            "or move the log away to begin a new store. Nothing was changed"
        )
    fresh = path.with_name(f".{path.name}.new")
    for leftover in (fresh, wal(fresh)):
        leftover.unlink(missing_ok=True)
    with explaining(path):
        connection = duckdb.connect(str(fresh))
        try:
            migrate.run(connection, migrations)
        finally:
            connection.close()
    os.replace(fresh, path)
    files.sync_folder(path.parent)


def _look(path: Path, migrations: Path, ledger: Ledger) -> State:
    with explaining(path):
        if not path.stat().st_size:
            raise faults.damaged(path, "the file is empty")
        connection = duckdb.connect(str(path), read_only=True)
        try:
            applied = migrate.applied(connection)
            if not applied:
                raise StoreError(
                    f"{path} is a database, but none of this program; move it away, or name "
                    "another home with --home or CAI_HOME. Nothing was changed"
                )
            unknown = applied - set(migrate.known(migrations))
            if unknown:
                raise faults.newer(path, f"migration {max(unknown)}")
            blocks, size = _one(
                connection, "SELECT used_blocks, block_size FROM pragma_database_size()"
            )
            incarnation, number = _one(connection, "SELECT incarnation, n FROM acknowledged")
        finally:
            connection.close()
    # Free blocks at the end need not be in the file; used ones could not be anywhere else.
    if path.stat().st_size < _HEADERS + blocks * size:
        raise faults.damaged(path, "the file is cut short")
    missing = ledger.lost(incarnation, number)
    if missing:
        raise StoreError(
            f"{path} lacks the last {missing} of its acknowledged writes: its write-ahead log "
            f"{wal(path).name} is damaged, or the file is an older copy. Nothing was changed. To "
            f"go on without them, keep a copy of both files and delete {ledger.path}"
        )
    return State(applied, incarnation, number)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row, query
    return row


def wal(path: Path) -> Path:
    """The write-ahead log that DuckDB keeps beside a database."""
    return path.with_name(f"{path.name}.wal")


def _back_up(connection: duckdb.DuckDBPyConnection, path: Path, version: int) -> None:
    folder = files.make_folder(path.parent / "backups")
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    copy(connection, path, folder / f"store-{version:03d}-{stamp}.duckdb")


def copy(connection: duckdb.DuckDBPyConnection, path: Path, target: Path) -> None:
    """Copy the open database while nobody writes; the copy has its name when it is complete.

    It becomes an incarnation of its own, so that putting it back is no loss of acknowledged
    writes.
    """
    connection.execute("CHECKPOINT")
    if wal(path).exists() and wal(path).stat().st_size:
        raise StoreError(f"{path} is busy; try the backup again")
    fresh = target.with_name(f".{target.name}.part")
    try:
        with path.open("rb") as source, fresh.open("wb") as sink:
            while piece := source.read(1 << 22):
                sink.write(piece)
            sink.flush()
            os.fsync(sink.fileno())
        with contextlib.closing(duckdb.connect(str(fresh))) as written:
            written.execute("UPDATE acknowledged SET incarnation = uuid()::VARCHAR")
        os.replace(fresh, target)
        files.sync_folder(target.parent)
    except OSError as error:
        raise files.explained(error, target) from error
    finally:
        for leftover in (fresh, wal(fresh)):
            leftover.unlink(missing_ok=True)


def _lock_down(connection: duckdb.DuckDBPyConnection, home: Path) -> None:
    """Queries read files of these two folders only; app.json holds a token. Irreversible."""
    folders = [str(files.make_folder(home / name)) for name in ("exchange", "runs")]
    listed = ", ".join("'" + folder.replace("'", "''") + "'" for folder in folders)
    for setting in (
        "GLOBAL TimeZone = 'UTC'",
        f"GLOBAL memory_limit = '{_MEMORY}'",
        f"GLOBAL allowed_directories = [{listed}]",
        "GLOBAL enable_external_access = false",
        "GLOBAL lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")

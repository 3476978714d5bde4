"""The one connection to HOME/store.duckdb: a cursor for every call, one writer at a time."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb

from cai_app import files
from cai_app.errors import StoreError
from cai_app.store import faults, opening
from cai_app.store.ledger import Ledger
from cai_app.store.migrate import MIGRATIONS

Cursor = duckdb.DuckDBPyConnection
_PATIENCE = 1.0  # seconds that a command waits for another one to end


class Connection:
    """Opened when made. Every method may be called from any thread."""

    def __init__(self, home: Path, *, migrations: Path = MIGRATIONS) -> None:
        """Raises BusyError where another process has the store, StoreError where it cannot be
        used as it is, DiskFullError."""
        self.home, self.path = files.make_folder(home), home / "store.duckdb"
        self._migrations = migrations
        self._ledger = Ledger(home)
        self._home_lock = files.Lock(home / "store.lock")
        self._writer = threading.RLock()
        self._main: duckdb.DuckDBPyConnection | None = None
        self._closed = False
        if not self._home_lock.take(faults.holder(os.getpid()), patience=_PATIENCE):
            who = files.holder_of(self._home_lock.path) or "another process"
            raise faults.busy(self.path, who)
        try:
            self._opened()
        except BaseException:
            self._home_lock.release()
            raise

    def _opened(self) -> duckdb.DuckDBPyConnection:
        """The connection; opened anew after an error that ended it."""
        main = self._main
        if main is not None and not self._closed:
            return main  # whoever reads does not wait for the writer
        with self._writer:
            if self._closed:
                raise StoreError(f"{self.path} was closed; open it again")
            if self._main is None:
                self._ledger.close()
                self._main = opening.opened(self.path, self._migrations, self._ledger)
            return self._main

    @contextlib.contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A cursor to read with, for one call in one thread."""
        with opening.explaining(self.path):
            main = self._opened()
            cursor = main.cursor()
            try:
                yield cursor
            except duckdb.FatalException:
                # DuckDB trusts its memory no longer; what was committed is in the file.
                self._drop(main)
                raise
            finally:
                cursor.close()

    @contextlib.contextmanager
    def transaction(self, cursor: Cursor) -> Iterator[None]:
        """All or nothing; durable when the block has been left. One at a time."""
        with self._writer:
            cursor.execute("BEGIN TRANSACTION")
            try:
                yield
                row = cursor.execute("UPDATE acknowledged SET n = n + 1 RETURNING n").fetchone()
                assert row
                cursor.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")
                raise
            self._ledger.acknowledge(row[0])

    def backup(self, target: Path) -> None:
        """A copy that can be put in the store's place; writers wait meanwhile.

        Raises StoreError where the target is there already.
        """
        if target.exists():
            raise StoreError(f"{target} is there already; name a new file")
        files.make_folder(target.parent)
        with self._writer, self.cursor() as cursor:
            opening.copy(cursor, self.path, target)

    def _drop(self, main: duckdb.DuckDBPyConnection) -> None:
        with self._writer:
            if self._main is main:
                self._main = None
                with contextlib.suppress(duckdb.Error):
                    main.close()

    def close(self) -> None:
        """Wait for a writer, then close. Idempotent."""
        with self._writer:
            self._closed = True
            if self._main is not None:
                self._drop(self._main)
            self._ledger.close()
            self._home_lock.release()

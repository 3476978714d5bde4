"""How many writes were acknowledged, kept beside the database to notice a loss.

DuckDB takes a damaged length in its write-ahead log for the log's end and goes on without the rows
behind it. A counter that every transaction raises, compared with the last number acknowledged,
tells; it is never ahead of the database unless acknowledged writes are gone.
"""

import os
from pathlib import Path

from cai_app import files

_NAME = "store.count"


class Ledger:
    """The file HOME/store.count: the database's incarnation and its last acknowledged number."""

    def __init__(self, home: Path) -> None:
        self.path = home / _NAME
        self._handle: int | None = None
        self._incarnation = ""

    def lost(self, incarnation: str, number: int) -> int:
        """How many acknowledged writes the database lacks. A backup is another incarnation."""
        try:
            known, _, count = self.path.read_text(encoding="ascii").strip().partition(" ")
            return max(0, int(count) - number) if known == incarnation else 0
        except (OSError, ValueError):
            return 0

    def begin(self, incarnation: str, number: int) -> None:
        """Go on from here."""
        self._incarnation = incarnation
        files.replace(self.path, self._line(number))
        self._handle = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)

    def acknowledge(self, number: int) -> None:
        """Overwrite the number in its place: no sync, and no room needed on a full disk."""
        assert self._handle is not None
        os.pwrite(self._handle, self._line(number), 0)

    def close(self) -> None:
        """Idempotent."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _line(self, number: int) -> bytes:
        return f"{self._incarnation} {number:020d}\n".encode("ascii")

"""What DuckDB says when something is wrong, as a sentence with a next step."""

import re
from pathlib import Path

import duckdb

from cai_app.errors import BusyError, CaiError, StoreError
from cai_app.files import DiskFullError

_FULL = re.compile(r"No space left|File too large|quota|disk is full", re.IGNORECASE)
_REFUSED = re.compile(r"Permission denied|Read-only file system|not permitted", re.IGNORECASE)
_DAMAGED = re.compile(
    r"not a valid DuckDB|corrupt|checksum|deserialize|serialization|block \d+|replaying WAL"
    r"|Could not read",
    re.IGNORECASE,
)
_VERSION = re.compile(r"version number|newer version", re.IGNORECASE)
# What a query can be blamed for; their messages quote it, whatever it says.
_MISTAKES = (
    duckdb.ProgrammingError,
    duckdb.DataError,
    duckdb.IntegrityError,
    duckdb.NotSupportedError,
    duckdb.PermissionException,
    duckdb.InterruptException,
)
_HOLDER = re.compile(r"\(PID (\d+)\)")


def explained(error: duckdb.Error, path: Path) -> CaiError | None:
    """The error as one for people; None for what is a bug or a mistake in a query."""
    if isinstance(error, _MISTAKES):
        return None
    said = str(error)
    if "Could not set lock" in said:
        pid = _HOLDER.search(said)
        return busy(path, holder(int(pid[1])) if pid else "another process")
    if _FULL.search(said):
        return DiskFullError(
            f"the disk is full: {path} cannot be written and the last change was not kept; free "
            "some space and do it again"
        )
    if _REFUSED.search(said):
        return StoreError(
            f"{path} cannot be written; make it writable, or name another home with --home or "
            "CAI_HOME"
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreError("this needs more memory than the store may use; ask for fewer rows")
    if _VERSION.search(said):
        return newer(path, "its file format")
    if _DAMAGED.search(said):
        return damaged(path, said)
    return None


def busy(path: Path, who: str) -> BusyError:
    """Somebody else has the store open."""
    return BusyError(
        f"{path} is in use by {who}; close that, or let it do the work: with the app running, "
        "commands reach the store through it"
    )


def newer(path: Path, what: str) -> StoreError:
    """The home was last used with a newer version of the program."""
    return StoreError(
        f"{path} was written by a newer version of this program ({what}); update the program, or "
        "name another home with --home or CAI_HOME. Nothing was changed"
    )


def damaged(path: Path, what: str) -> StoreError:
    """The file or its write-ahead log cannot be read."""
    wal = path.with_name(f"{path.name}.wal")
    backups = sorted((path.parent / "backups").glob("*.duckdb"), key=lambda p: p.stat().st_mtime)
    if "wal" in what.lower():
        step = (
            f"move {wal} away to open the store as it was before the changes in it, and keep it: "
            "rows of finished runs are read in again from HOME/runs"
        )
    elif backups:
        step = f"move {path} (and {wal.name}, if there) away and copy {backups[-1]} in its place"
    else:
        step = (
            f"move {path} (and {wal.name}, if there) away: a new one is begun, and finished runs "
            "are read into it again from HOME/runs"
        )
    return StoreError(f"{path} is damaged ({_short(what)}); nothing was changed. To go on, {step}")


def holder(pid: int) -> str:
    """A process by its id and, where the system tells, its command."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        command = b" ".join(words).decode("utf-8", "replace").strip()
    except OSError:
        command = ""
    return f"process {pid}" + (f" ({command[:120]})" if command else "")


def _short(text: str) -> str:
    return " ".join(text.split())[:160]

"""Files that survive a kill: replaced whole, appended in lines, locked by whoever is alive.

A lock is an flock on a file: it is free the moment its process is gone, however it went.
"""

import errno
import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from cai_app.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_NAP = 0.02  # seconds between two tries for a lock


class DiskFullError(InputError):
    """There is no room for what was to be written."""

    @classmethod
    def of(cls, path: Path) -> "DiskFullError":
        """With the path in its sentence."""
        return cls(f"the disk is full: {path} cannot be written; free some space first")


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk is full, in the system's words or a library's."""
    known = isinstance(error, OSError) and error.errno in _FULL
    return known or "no space left" in str(error).lower()


def explained(error: OSError, path: Path) -> InputError:
    """What the system said of a file, as a sentence with a next step."""
    if error.errno in _FULL:
        return DiskFullError.of(path)
    if error.errno in _REFUSED:
        return InputError(
            f"{path} cannot be written ({error.strerror}); make it writable, or name another "
            "home with --home or CAI_HOME"
        )
    return InputError(f"{path}: {error.strerror}; check the path")


def unreadable(error: OSError, path: Path) -> InputError:
    """`explained` of a file that was to be read."""
    if error.errno in _REFUSED:
        return InputError(
            f"{path} cannot be read ({error.strerror}); allow reading it, or name another file"
        )
    return explained(error, path)


def make_folder(path: Path) -> Path:
    """The folder, made if it is not there; InputError where that is refused."""
    with explaining(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def replace(path: Path, data: str | bytes, *, durable: bool = True) -> None:
    """Write a whole file so that readers, and a kill, see the old one or the new one.

    `durable`: it outlives a power cut too.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with fresh.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise explained(error, path) from error


@contextmanager
def growing(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Write JSON lines one at a time; the file gets its name at the end, if there were any and
    nothing went wrong. However many there are, none of them is held in memory."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with explaining(path):
        file = fresh.open("wb")

    def write(row: Mapping[str, Any]) -> None:
        with explaining(path):
            file.write(json.dumps(row).encode() + b"\n")  # a lone surrogate is escaped

    try:
        yield write
        with explaining(path):
            file.flush()
            os.fsync(file.fileno())
            if file.tell():
                os.replace(fresh, path)
    finally:
        with suppress(OSError):  # what could not be written has been told
            file.close()
        fresh.unlink(missing_ok=True)


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """What the system says of a file within, as an InputError."""
    try:
        yield
    except OSError as error:
        raise explained(error, path) from error


def append(path: Path, rows: Iterable[Mapping[str, Any]], *, durable: bool = True) -> int:
    """Append rows as JSON lines; returns the file's size in bytes afterwards."""
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    with explaining(path), path.open("ab") as file:
        file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())
        return file.tell()


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(lines: Iterable[str]) -> str:
    """Of texts, one a line."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def read_rows(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """JSON lines from a byte offset on, and the offset to go on from.

    A last line without its newline is still being written and is left for the next call; a line
    that is not a JSON object is left out.
    """
    data, offset = read_from(path, offset)
    rows = []
    for line in data.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows, offset


def read_from(path: Path, offset: int = 0) -> tuple[bytes, int]:
    """The whole lines from a byte offset on, and the offset to go on from."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return b"", offset
    data = data[: data.rfind(b"\n") + 1]
    return data, offset + len(data)


def read_tail(path: Path, most: int = 20_000) -> str:
    """The end of a text file, from a line's beginning, at most so many bytes."""
    try:
        with path.open("rb") as file:
            file.seek(tail_start(path, most))
            return file.read(most).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def tail_start(path: Path, most: int) -> int:
    """Where the first whole line among a file's last `most` bytes begins; 0 without a file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size <= most:
                return 0
            file.seek(size - most)
            return size - most + file.read(most).find(b"\n") + 1
    except FileNotFoundError:
        return 0


class Lock:
    """An exclusive lock on a file, with the name of its holder inside."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._handle is not None

    def take(self, holder: str, *, patience: float = 0.0) -> bool:
        """Try for `patience` seconds. Whoever looks if it is free holds it for an instant, so a
        holder that means to stay asks with a little patience."""
        if self.held:
            return True
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise explained(error, self.path) from error
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    os.close(handle)
                    return False
                time.sleep(_NAP)
        self._handle = handle
        self._sign(holder)
        return True

    def _sign(self, holder: str) -> None:
        assert self._handle is not None
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, holder.encode(), 0)
        except OSError as error:  # a full disk takes the name, not the lock
            if error.errno not in _FULL:
                self.release()
                raise explained(error, self.path) from error

    def release(self) -> None:
        """Free it. Idempotent; the file stays."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> "Lock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def holder_of(path: Path) -> str | None:
    """Who holds the lock on a file; None where it is free."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explained(error, path) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(handle, 200, 0).decode("utf-8", "replace") or "another process"
    finally:
        os.close(handle)
    return None

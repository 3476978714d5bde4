"""The queue: runs waiting on disk, started by whoever holds HOME/queue.lock.

That is the app, or a command that follows a run; when it goes, the next one takes over.
"""

import contextlib
import logging
import os
import subprocess
import threading
import time
from collections.abc import Generator
from pathlib import Path

from cai_app import files
from cai_app.errors import CaiError
from cai_app.jobs import directory
from cai_app.records import RunInfo, RunStatus
from cai_app.settings import Settings

log = logging.getLogger(__name__)
_EVERY = 0.3  # seconds between two looks of a follower
_PATIENCE = 2.0  # seconds for run.lock: readers hold it for an instant


class Queue:
    """Starts waiting runs while it holds the lock; `advance` takes it when it is free."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = files.Lock(settings.home / "queue.lock")
        self._listing = directory.Listing(settings)

    def advance(self) -> list[str]:
        """Start every run whose device is free, oldest first; their ids. Nothing where another
        process advances the queue."""
        if not directory.runs_folder(self.settings).is_dir():
            return []  # and the home, that may not be there, is not made for nothing
        if not self._lock.take(f"process {os.getpid()}"):
            return []
        waiting, busy, started = [], set(), []
        for info in self._listing.all():
            if info.state in directory.FINAL:
                continue
            if info.state == "queued" and not directory.alive(Path(info.path)):
                waiting.append(info)
            else:
                # Where it cannot be read, the device's own lock still tells.
                with contextlib.suppress(CaiError):
                    busy.add(directory.config(Path(info.path)).device)
        for info in sorted(waiting, key=lambda info: (info.queued, info.id)):
            with contextlib.suppress(CaiError):
                path = Path(info.path)
                device = directory.config(path).device
                if device is not None and (device in busy or self._held(device)):
                    busy.add(device)
                elif launch(path):
                    busy.add(device)
                    started.append(info.id)
        return started

    def _held(self, device: int) -> bool:
        return files.holder_of(self.settings.home / f"device-{device}.lock") is not None

    def close(self) -> None:
        """Let somebody else advance the queue. Idempotent."""
        self._lock.release()


def launch(path: Path) -> bool:
    """Start the worker of a queued run; False where it is not queued any more."""
    with files.Lock(path / "run.lock") as lock:
        if not lock.take("the queue", patience=_PATIENCE):
            return False
        status = read_status(path)
        if status.state != "queued":
            return False
        launched = write_status(path, status, state="starting", pid=None, note="")
    command = directory.command(path, status.kind)
    root = Path(__file__).resolve().parents[2]
    try:
        with (path / "log.txt").open("ab") as log_file:
            process = subprocess.Popen(
                command,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        _stillborn(path, launched, f"the worker could not be started: {error.strerror}")
        return False
    threading.Thread(target=_reap, args=(process, path, launched), daemon=True).start()
    return True


def _reap(process: subprocess.Popen[bytes], path: Path, launched: RunStatus) -> None:
    """Leave no zombie, and say so at once where a worker ended before it began."""
    code = process.wait()
    with contextlib.suppress(CaiError, OSError):
        reason = f"the worker ended before it began (exit code {code}); see log.txt"
        _stillborn(path, launched, reason)


def _stillborn(path: Path, launched: RunStatus, reason: str) -> None:
    """Fail a run whose status is still the one it was launched with, and not a later launch's."""
    with files.Lock(path / "run.lock") as lock:
        if lock.take("the queue", patience=_PATIENCE):
            status = read_status(path)
            if status == launched:
                write_status(path, status, state="failed", error=reason, ended=time.time())


def read_status(path: Path) -> RunStatus:
    """status.json as its writer left it; begun anew where it was lost."""
    try:
        return RunStatus.model_validate_json((path / "status.json").read_bytes())
    except (OSError, ValueError):
        return RunStatus.anew(directory.config(path), now=time.time())


def write_status(path: Path, status: RunStatus, **changes: object) -> RunStatus:
    """Write a changed status, and return it; only for the holder of run.lock."""
    changed = status.model_copy(update={"updated": time.time(), **changes})
    files.replace(path / "status.json", changed.model_dump_json(indent=1) + "\n")
    return changed


def follow(settings: Settings, path: Path) -> Generator[RunInfo, None, None]:
    """The run whenever it has changed, until it has ended; meanwhile the queue advances.

    Closing the generator stops the following, not the run.
    """
    queue, shown = Queue(settings), None
    try:
        while True:
            queue.advance()
            info = directory.read(path)
            if info != shown:
                yield info
                shown = info
            if info.state in directory.FINAL:
                return
            time.sleep(_EVERY)
    finally:
        queue.close()


def wait(path: Path, *, timeout_s: float) -> RunInfo:
    """The run when it has ended, or as it is after so many seconds."""
    until = time.monotonic() + timeout_s
    while (info := directory.read(path)).state not in directory.FINAL:
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    return info

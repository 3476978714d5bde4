"""Starting runs and ending them: start, stop, kill, resume, delete.

status.json has one writer at a time, whoever holds run.lock: the worker, or for an instant a
function of this module.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from cai_app import files
from cai_app.errors import BusyError, InputError
from cai_app.jobs import directory
from cai_app.jobs.queue import Queue, read_status, write_status
from cai_app.records import Record, RunConfig, RunInfo, RunStatus
from cai_app.settings import Settings

_PATIENCE = 2.0  # seconds for a lock that readers hold for an instant
_GONE = 5.0  # seconds until a killed process has let go


class NewRun(Record):
    """What a run is started with: inputs are whole files by name, copied into the run."""

    kind: str
    options: dict[str, Any]
    inputs: dict[str, bytes] = Field(default_factory=dict)
    provenance: dict[str, str] = Field(default_factory=dict)
    device: int | None = 0
    memory: int = 0
    total: int | None = None
    unit: str = "steps"
    expected: float = 0.0


def start(settings: Settings, asked: NewRun, *, hold: bool = False) -> RunInfo:
    """Write the run directory and put the run in the queue; it starts at once if it can.

    `hold` leaves it for a launcher of somebody's own, or for resume. Raises InputError where the
    home cannot be written.
    """
    runs = files.make_folder(directory.runs_folder(settings))
    now = time.time()
    name = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    id = f"{name}-{asked.kind}-{secrets.token_hex(3)}"
    # Made under another name, then renamed: nobody sees half a run.
    fresh = files.make_folder(runs / f".{id}")
    try:
        _write(fresh, id, now, asked, hold)
        fresh.rename(runs / id)
    except OSError as error:
        raise files.explained(error, fresh) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    files.sync_folder(runs)
    return directory.read(runs / id) if hold else _queued(settings, runs / id)


def _write(folder: Path, id: str, now: float, asked: NewRun, hold: bool) -> None:
    for name, data in asked.inputs.items():
        files.replace(folder / name, data)
    config = RunConfig(
        kind=asked.kind,
        id=id,
        created=now,
        device=asked.device,
        memory=asked.memory,
        expected=asked.expected,
        options=asked.options,
        inputs={name: hashlib.sha256(data).hexdigest() for name, data in asked.inputs.items()},
        provenance=asked.provenance,
    )
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    files.replace(folder / "config.yaml", text)
    status = RunStatus(
        id=id,
        kind=asked.kind,
        state="stopped" if hold else "queued",
        created=now,
        queued=now,
        updated=now,
        total=asked.total,
        unit=asked.unit,
        note="prepared; start its command under a launcher, or resume it" if hold else "",
    )
    write_status(folder, status)


def _queued(settings: Settings, path: Path) -> RunInfo:
    """Start it if nothing is before it; whoever advances the queue does it otherwise."""
    queue = Queue(settings)
    try:
        queue.advance()
    finally:
        queue.close()
    return directory.read(path)


def stop(path: Path) -> RunInfo:
    """Ask a run to save what it has and end; a waiting one ends at once.

    Returns without waiting for the end. Raises InputError where there is nothing to stop.
    """
    with files.Lock(path / "run.lock") as lock:
        if lock.take("jobs", patience=0.2):
            status = read_status(path)
            if status.state == "queued":
                fields: Mapping[str, Any] = {"state": "stopped", "ended": time.time()}
                write_status(path, status, **fields, note="stopped before it began")
                return directory.read(path)
    info = directory.read(path)
    if info.state in directory.FINAL:
        raise InputError(f"run {info.id} is {info.state} already; there is nothing to stop")
    # For a worker that is still starting up: it looks for this file first.
    (path / "stop").touch()
    if (pid := _worker(path)) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    return directory.read(path)


def kill(path: Path) -> RunInfo:
    """End a run's processes at once. What was written since its last checkpoint is done again by
    resume. Raises InputError where none runs.

    A worker that waits for the device has said `queued`: without it, that is a run that the queue
    would start anew.
    """
    pid = _worker(path)
    if pid is None:
        state = directory.read(path).state
        raise InputError(f"run {path.name} is {state}: no process of it runs; nothing to kill")
    if read_status(path).state == "queued":
        (path / "stop").touch()  # for a worker that the queue starts before the lock is ours
    with contextlib.suppress(ProcessLookupError):
        # A group that leads its own session is ours alone; one of somebody's shell is not.
        own = os.getsid(pid) == os.getpgid(pid) != os.getsid(0)
        (os.killpg if own else os.kill)(os.getpgid(pid) if own else pid, signal.SIGKILL)
    with files.Lock(path / "run.lock") as lock:
        if lock.take("jobs", patience=_GONE):
            _not_again(path)
    return directory.read(path)


def _not_again(path: Path) -> None:
    """Stop a run whose worker was killed while it waited; only for the holder of run.lock."""
    status = read_status(path)
    if status.state == "queued":
        ended = {"ended": time.time(), "pid": None, "note": "killed while it waited"}
        write_status(path, status, state="stopped", **ended)
    if status.state != "starting":
        (path / "stop").unlink(missing_ok=True)


def _worker(path: Path) -> int | None:
    """The worker's process id; true while it holds its lock, in which it is written."""
    pid = read_status(path).pid
    return pid if pid is not None and files.holder_of(path / "run.lock") == str(pid) else None


def resume(settings: Settings, path: Path) -> RunInfo:
    """Queue a run that stopped, failed or died; it goes on from its last checkpoint.

    Raises InputError for one that is done, BusyError for one that runs.
    """
    with files.Lock(path / "run.lock") as lock:
        if not lock.take("jobs", patience=_PATIENCE):
            raise BusyError(f"run {path.name} is {directory.read(path).state}; stop it first")
        status = read_status(path)
        if status.state == "done":
            raise InputError(f"run {path.name} is done; there is nothing left to do")
        if directory.begins(status):
            raise BusyError(f"run {path.name} is starting; stop it first")
        (path / "stop").unlink(missing_ok=True)
        changes: dict[str, Any] = {"error": None, "note": "", "pid": None, "ended": None}
        write_status(path, status, state="queued", queued=time.time(), **changes)
    return _queued(settings, path)


def delete(path: Path) -> None:
    """Remove a run's directory with all it holds. Raises BusyError while a worker is on it."""
    with files.Lock(path / "run.lock") as lock:
        if not lock.take("jobs", patience=_PATIENCE):
            raise BusyError(f"run {path.name} is at work; stop it first")
        grave = path.with_name(f".{path.name}")
        try:
            path.rename(grave)
        except OSError as error:
            raise files.explained(error, path) from error
        shutil.rmtree(grave, ignore_errors=True)

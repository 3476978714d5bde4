"""Reading run directories: which there are, how each one is, its log and its numbers."""

import sys
import time
from pathlib import Path
from typing import Any

import yaml

from cai_app import files
from cai_app.errors import InputError
from cai_app.records import RunConfig, RunInfo, RunStatus
from cai_app.settings import Settings

FINAL = frozenset({"stopped", "paused", "failed", "done", "dead"})
_LIVE = frozenset({"starting", "running", "stopping"})
# A worker takes its lock within a second of its start; a machine that is very busy gets longer.
STARTING_S = 60.0
_LOG_END = 400  # characters of the log shown with a dead run


def runs_folder(settings: Settings) -> Path:
    """Where the runs of a home lie; it may not be there yet."""
    return settings.home / "runs"


def list_all(settings: Settings) -> list[RunInfo]:
    """All runs, the newest first. One status file is read for each, and no config."""
    return [info for path in _paths(settings) if (info := _unless_gone(path))]


class Listing:
    """`list_all` for who asks again and again: a run that has ended is read once.

    Its status file is replaced, never changed, so that a new one has another stamp.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._ended: dict[str, tuple[tuple[int, int], RunInfo]] = {}

    def all(self) -> list[RunInfo]:
        """All runs as they are now, the newest first."""
        found, ended = [], {}
        for path in _paths(self.settings):
            stamp = _stamp(path)
            kept = self._ended.get(path.name)
            info = kept[1] if kept and kept[0] == stamp else _unless_gone(path)
            if info is None:
                continue
            found.append(info)
            # Whether a run is dead stands in its lock, not in its status.
            if info.state in FINAL and info.state != "dead" and stamp == _stamp(path):
                ended[path.name] = (stamp, info)
        self._ended = ended
        return found


def _stamp(path: Path) -> tuple[int, int]:
    try:
        known = (path / "status.json").stat()
    except OSError:
        return (0, 0)
    return (known.st_ino, known.st_mtime_ns)


class GoneError(InputError):
    """A run was deleted since it was named."""


def _unless_gone(path: Path) -> RunInfo | None:
    """A run as it is now; None where it was deleted since the folder was listed."""
    try:
        return read(path)
    except GoneError:
        return None


def _paths(settings: Settings) -> list[Path]:
    """Every run directory, the newest first."""
    try:
        found = [path for path in runs_folder(settings).iterdir() if _is_run(path)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda path: path.name, reverse=True)


def _is_run(path: Path) -> bool:
    return not path.name.startswith(".") and (path / "config.yaml").is_file()


def find(settings: Settings, id: str) -> Path:
    """The directory of a run by its id, or by a part of it that no other run has."""
    folder = runs_folder(settings)
    known = [path.name for path in folder.iterdir() if _is_run(path)] if folder.is_dir() else []
    matching = [id] if id in known else sorted(name for name in known if id and id in name)
    if len(matching) == 1:
        return folder / matching[0]
    if matching:
        raise InputError(f"run '{id}' may be any of {', '.join(matching[:5])}; give more of it")
    newest = ", ".join(sorted(known, reverse=True)[:3]) or "none yet"
    raise InputError(f"there is no run '{id}' in {folder}; the newest are: {newest}")


def config(path: Path) -> RunConfig:
    """What the run was started with."""
    try:
        return RunConfig.model_validate(yaml.load(config_text(path), _LOADER))
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path / 'config.yaml'} cannot be read: {error}") from error


def config_text(path: Path) -> str:
    """config.yaml as it stands. Raises InputError where it cannot be read."""
    try:
        return (path / "config.yaml").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path / 'config.yaml'} cannot be read: {error}") from error


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def command(path: Path, kind: str) -> tuple[str, ...]:
    """What starts a run's worker; anybody may type it."""
    return (sys.executable, "-m", f"cai_app.work.{kind}", str(path))


def read(path: Path) -> RunInfo:
    """A run as it is now. Raises InputError where it is gone."""
    status = _status(path)
    if status is None:
        return _lost(path)
    fields = status.model_dump()
    live = status.state in _LIVE
    if live and not alive(path):
        # The worker may have ended between the two looks; then the file says so by now.
        status = _status(path) or status
        fields = status.model_dump()
        if status.state in _LIVE and not begins(status) and not alive(path):
            fields |= {"state": "dead", "error": _obituary(path)}
    elif live and (path / "stop").exists():
        fields["state"] = "stopping"
    if fields["state"] == "queued" and not status.note:
        fields["note"] = _waits_for(path)
    if status.rate and status.total and fields["state"] == "running":
        left = status.total - status.done
        fields["eta_s"] = (
            left / status.rate if left > 0 else None
        )  # how long its end takes: unknown
    fields["outputs"] = tuple(str(path / name) for name in status.outputs if (path / name).exists())
    return RunInfo(path=str(path), command=command(path, status.kind), **fields)


def begins(status: RunStatus) -> bool:
    """Whether its worker was launched a moment ago and has no lock yet. One that has had it has
    written its process id, and without the lock it is gone."""
    recent = time.time() - status.updated < STARTING_S
    return status.state == "starting" and status.pid is None and recent


def alive(path: Path) -> bool:
    """Whether a worker holds this run."""
    return files.holder_of(path / "run.lock") is not None


def _status(path: Path) -> RunStatus | None:
    try:
        return RunStatus.model_validate_json((path / "status.json").read_bytes())
    except (OSError, ValueError):
        return None


def _lost(path: Path) -> RunInfo:
    """A run whose status was lost, say on a full disk: resuming writes it anew."""
    kind = path.name.split("-")[-2] if path.name.count("-") >= 2 else "unknown"
    try:
        made = path.stat().st_mtime
    except FileNotFoundError as error:
        raise GoneError(f"run {path.name} is gone: it was deleted") from error
    return RunInfo(
        id=path.name,
        kind=kind,
        state="dead",
        created=made,
        queued=made,
        updated=made,
        error="status.json cannot be read; resume the run to write it anew",
        path=str(path),
        command=command(path, kind),
    )


def _obituary(path: Path) -> str:
    last = log_tail(path).strip()[-_LOG_END:]
    said = f"; its log ends: {last}" if last else "; its log is empty"
    return f"the worker is gone: killed, or out of memory{said}"


def _waits_for(path: Path) -> str:
    holder = next(
        (
            name
            for lock in sorted(path.parent.parent.glob("device-*.lock"))
            if (name := files.holder_of(lock))
        ),
        None,
    )
    return f"waits for {holder}" if holder else "waits for the app, or a command that follows a run"


def log_tail(path: Path, most: int = 20_000) -> str:
    """The end of the log, at most so many bytes."""
    return files.read_tail(path / "log.txt", most)


def log_end(path: Path, most: int = 20_000) -> int:
    """The byte offset of the first whole line among the last so many bytes of the log."""
    return files.tail_start(path / "log.txt", most)


def log_text(path: Path, offset: int = 0) -> tuple[str, int]:
    """The log's whole lines from a byte offset on, and the offset to go on from."""
    data, offset = files.read_from(path / "log.txt", offset)
    return data.decode("utf-8", "replace"), offset


def metrics(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Rows of metrics.jsonl from a byte offset on, and the offset to go on from."""
    return files.read_rows(path / "metrics.jsonl", offset)

"""The order of the queue: a waiting run goes before or behind its neighbour."""

from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from cai_app import files
from cai_app.errors import BusyError, InputError
from cai_app.jobs import directory
from cai_app.jobs.queue import read_status, write_status
from cai_app.records import RunInfo
from cai_app.settings import Settings

_PATIENCE = 2.0  # seconds for locks that readers hold for an instant


def waiting(settings: Settings) -> list[RunInfo]:
    """Runs that wait, in the order in which they will be started."""
    queued = [info for info in directory.list_all(settings) if info.state == "queued"]
    return sorted(queued, key=lambda info: (info.queued, info.id))


def move(settings: Settings, path: Path, way: Literal["up", "down"]) -> RunInfo:
    """Swap a waiting run with the one before or behind it; at the end of the queue nothing
    changes. Raises InputError where it does not wait, BusyError where one of the two is starting.
    """
    queue = waiting(settings)
    places = [n for n, info in enumerate(queue) if info.id == path.name]
    if not places:
        state = directory.read(path).state
        raise InputError(f"run {path.name} is {state}; only a waiting run has a place to change")
    other = places[0] + (-1 if way == "up" else 1)
    if not 0 <= other < len(queue):
        return queue[places[0]]
    first, second = sorted((places[0], other))
    _swap(Path(queue[first].path), Path(queue[second].path))
    return directory.read(path)


def _swap(first: Path, second: Path) -> None:
    """The one behind takes the time of the one before, which comes a moment after it."""
    with ExitStack() as stack:
        for path in sorted((first, second)):  # in one order, whoever else may swap
            lock = stack.enter_context(files.Lock(path / "run.lock"))
            if not lock.take("jobs", patience=_PATIENCE):
                raise BusyError(f"run {path.name} is starting; its place is taken")
        before, behind = read_status(first), read_status(second)
        for status in (before, behind):
            if status.state != "queued":
                raise BusyError(f"run {status.id} is {status.state} by now; look again")
        write_status(second, behind, queued=before.queued)
        write_status(first, before, queued=max(behind.queued, before.queued + 1e-3))

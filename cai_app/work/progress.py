"""The writing side of a run directory: locks, status, metrics, stopping, exit.

Every worker is `main(program, …)` around a function of one `Run`. Reading is left to jobs.
"""

import contextlib
import hashlib
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from cai_app import files
from cai_app.backends import memory
from cai_app.errors import BusyError, CaiError, InputError
from cai_app.records import RunConfig, RunState, RunStatus
from cai_app.settings import Settings

log = logging.getLogger(__name__)

_PATIENCE = 5.0  # seconds for run.lock: readers hold it for an instant
_NAP = 0.25  # seconds between two looks at a device that is held
_STATUS_EVERY = 0.5  # seconds
_RATE_OVER = 60.0  # seconds


class Stopped(BaseException):
    """Somebody asked the run to stop. Not an Exception: nothing on the way may swallow it."""


class Paused(Exception):
    """The worker stops by itself and says why; the run can be resumed."""


class Run:
    """A run directory whose run.lock this process holds."""

    def __init__(self, path: Path, config: RunConfig, status: RunStatus) -> None:
        self.path, self.config, self.status = path, config, status
        self.home = path.parent.parent
        self.stopping = False
        self._interruptible = False
        self._written = 0.0
        self._device: files.Lock | None = None
        self._recent: deque[tuple[float, int]] = deque()

    @property
    def settings(self) -> Settings:
        """Settings of the home this run lies in."""
        return Settings.from_environment(self.home)

    def input(self, name: str) -> Path:
        """A snapshot, checked against its hash: a changed one would mix two runs' rows."""
        path = self.path / name
        known = self.config.inputs.get(name)
        if known is None or not path.is_file():
            raise InputError(f"{path} is missing; start the run anew")
        if hashlib.sha256(path.read_bytes()).hexdigest() != known:
            raise InputError(f"{path} has changed since the run was started; start the run anew")
        return path

    def set(self, state: RunState | None = None, **changes: Any) -> None:
        """Write the status, at once."""
        if state is not None:
            changes["state"] = state
        self._written = time.time()
        changes["updated"] = self._written
        self.status = self.status.model_copy(update=changes)
        files.replace(self.path / "status.json", self.status.model_dump_json(indent=1) + "\n")

    def report(self, done: int, total: int | None = None, **metrics: float) -> None:
        """Progress: rate and live numbers, written at most twice a second."""
        now = time.time()
        self._recent.append((now, done))
        while now - self._recent[0][0] > _RATE_OVER and len(self._recent) > 2:
            self._recent.popleft()
        (begun, first), (last, latest) = self._recent[0], self._recent[-1]
        changes: dict[str, Any] = {"done": done, "metrics": {**self.status.metrics, **metrics}}
        if last - begun > 0.1:
            changes["rate"] = (latest - first) / (last - begun)
        if total is not None:
            changes["total"] = total
        if now - self._written >= _STATUS_EVERY or done == total:
            self.set("stopping" if self.stopping else None, **changes)
        else:
            self.status = self.status.model_copy(update=changes)

    def log_metrics(self, step: int, **numbers: float | None) -> None:
        """Append a line to metrics.jsonl."""
        row = {"step": step, "time": time.time(), **numbers}
        files.append(self.path / "metrics.jsonl", [row], durable=False)

    def check(self) -> None:
        """Raises Stopped if somebody has asked for it; call it where the state is whole."""
        if self.stopping:
            raise Stopped

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within, a stop takes effect at once. Only for work that can be thrown away: no writes."""
        self.check()
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """SIGTERM or Ctrl-C: remember it, or stop here and now."""
        self.stopping = True
        if self._interruptible:
            self._interruptible = False
            raise Stopped

    def hold_device(self) -> None:
        """Wait, queued, until the device is ours and the run fits; free again at the run's end."""
        number = self.config.device
        if number is None:
            return
        lock = files.Lock(self.home / f"device-{number}.lock")
        while not lock.take(self.status.id, patience=0.1):
            self._wait(f"waits for device {number}, held by {files.holder_of(lock.path) or '…'}")
        self._device = lock
        need = self.config.memory
        while memory.is_gpu(number) and need > (free := memory.free(number) or need):
            self._wait(
                f"needs about {memory.text(need)} on device {number}, but {memory.text(free)} are "
                "free; unload the page's live model, or end what else runs there"
            )
        self.set("running", note="")

    def _wait(self, note: str) -> None:
        if (self.status.state, self.status.note) != ("queued", note):
            self.set("queued", note=note)
        with self.interruptible():
            time.sleep(_NAP)

    def free_device(self) -> None:
        """Let the next run have the device. Idempotent."""
        if self._device is not None:
            self._device.release()


def main(program: Callable[[Run], None], argv: Sequence[str], *, what: str) -> int:
    """Run a worker on the directory that argv names. Exit codes: 0 done or stopped, 1 failed."""
    if len(argv) != 1 or argv[0].startswith("-"):
        print(f"usage: RUN_DIR\n\n{what}\nRUN_DIR is made by: python -m cai_app {what.split()[0]}")
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    # Tokenizers, weights and adapters are read from disk only.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    path = Path(argv[0]).absolute()
    try:
        with opened(path) as run:
            return _exit_code(program, run)
    except CaiError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Run]:
    """The run in this directory, locked. Raises BusyError where a worker is on it already."""
    config, status = read_config(path), read_status(path)
    with files.Lock(path / "run.lock") as lock:
        if not lock.take(str(os.getpid()), patience=_PATIENCE):
            raise BusyError(f"a worker is on {path.name} already; see its log.txt")
        status = read_status(path)
        if status.state == "done":
            raise InputError(f"{path.name} is done; there is nothing left to do")
        run = Run(path, config, status)
        run.stopping = (path / "stop").exists()
        previous = {number: signal.signal(number, run.on_signal) for number in _SIGNALS}
        try:
            with _logging(path):
                yield run
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            run.free_device()


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def read_config(path: Path) -> RunConfig:
    """config.yaml; InputError where the folder is no run."""
    try:
        data = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
        return RunConfig.model_validate(data)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not a run directory (config.yaml: {error})") from error


def read_status(path: Path) -> RunStatus:
    """status.json; one that was lost is begun anew from the config."""
    try:
        return RunStatus.model_validate_json((path / "status.json").read_bytes())
    except (OSError, ValueError):
        config = read_config(path)
        fields = {"id": config.id, "kind": config.kind, "created": config.created}
        return RunStatus(state="queued", queued=config.created, updated=time.time(), **fields)


def _exit_code(program: Callable[[Run], None], run: Run) -> int:
    try:
        begun = {"started": time.time(), "ended": None, "error": None, "rate": None}
        run.set("starting", pid=os.getpid(), note="", **begun)
        run.check()
        program(run)
        return _end(run, "done")
    except Stopped:
        return _end(run, "stopped", note="stopped; resume goes on from here")
    except Paused as reason:
        return _end(run, "paused", note=str(reason))
    except CaiError as error:
        log.error("%s", error)
        return _end(run, "failed", error=str(error))
    except MemoryError:
        log.exception("out of memory")
        return _end(run, "failed", error=_no_memory(run))
    except Exception as error:  # a bug: its traceback is in the log, its last line in the status
        log.exception("the run failed")
        out = "out of memory" in str(error).lower()
        said = _no_memory(run) if out else f"{type(error).__name__}: {error}; see log.txt"
        return _end(run, "failed", error=said)


def _no_memory(run: Run) -> str:
    need = f" (estimated at {memory.text(run.config.memory)})" if run.config.memory else ""
    return (
        f"out of memory{need}; unload the page's live model, take a smaller batch or a smaller "
        "model, and resume"
    )


def _end(run: Run, state: RunState, *, note: str = "", error: str | None = None) -> int:
    """Write the end, whatever it is. A full disk has room for it in the file's old place."""
    run.free_device()
    fields = {"ended": time.time(), "note": note, "error": error, "pid": None}
    try:
        (run.path / "stop").unlink(missing_ok=True)
        run.set(state, **fields)
    except files.DiskFullError:
        with (run.path / "status.json").open("r+b") as file:
            file.write(run.status.model_dump_json().encode())
            file.truncate()
    log.info("%s %s%s", run.status.id, state, f": {error or note}" if error or note else "")
    return 1 if state == "failed" else 0


@contextlib.contextmanager
def _logging(path: Path) -> Iterator[None]:
    """Log to log.txt. Where jobs started us, standard output is that file already."""
    target = path / "log.txt"
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    root = logging.getLogger()
    if not (target.exists() and os.path.samestat(os.fstat(1), target.stat())):
        handlers.append(logging.FileHandler(target, encoding="utf-8"))
    for one in handlers:
        one.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        root.addHandler(one)
    level, _ = root.level, root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        for one in handlers:
            root.removeHandler(one)
            one.close()

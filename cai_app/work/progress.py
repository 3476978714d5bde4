"""The writing side of a run directory: status, metrics, the device, stopping.

Beginning and ending a worker is left to program, reading to jobs.
"""

import contextlib
import hashlib
import logging
import math
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from cai_app import files
from cai_app.backends import memory
from cai_app.errors import InputError
from cai_app.records import RunConfig, RunState, RunStatus
from cai_app.settings import Settings

log = logging.getLogger(__name__)

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

    def check_same(self, what: str, value: str) -> None:
        """Raises InputError where the program has changed in a way that would mix two kinds of
        rows in one run."""
        begun = self.config.provenance.get(what, value)
        if begun != value:
            raise InputError(
                f"the {what.replace('_', ' ')} was {begun} when the run was started and is {value} "
                "now; start the run anew"
            )

    def set(self, state: RunState | None = None, **changes: Any) -> None:
        """Write the status, at once and to stay."""
        self._write(state, changes, durable=True)

    def _write(self, state: RunState | None, changes: dict[str, Any], *, durable: bool) -> None:
        if state is not None:
            changes["state"] = state
        self._written = time.time()
        changes["updated"] = self._written
        self.status = self.status.model_copy(update=changes)
        text = self.status.model_dump_json(indent=1) + "\n"
        files.replace(self.path / "status.json", text, durable=durable)

    def report(self, done: int, total: int | None = None, **metrics: float) -> None:
        """Progress: rate and live numbers, written at most twice a second. What is no number (not
        finite) is left out."""
        metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
        now = time.time()
        if self._recent and done < self._recent[-1][1]:
            self._recent.clear()  # resumed from a checkpoint before what was reported last
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
            self._write("stopping" if self.stopping else None, changes, durable=False)
        else:
            self.status = self.status.model_copy(update=changes)

    def log_metrics(self, step: int, **numbers: float | None) -> None:
        """Append a line to metrics.jsonl. What is no number has no place in JSON: it is null."""
        plain = {k: None if v is None or not math.isfinite(v) else v for k, v in numbers.items()}
        row = {"step": step, "time": time.time(), **plain}
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
                "free; stop the app if a page has it open, or end what else runs there"
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


class Beside(Run):
    """A run as a second, third … process of it sees it: it reads, and writes nothing."""

    def _write(self, state: RunState | None, changes: dict[str, Any], *, durable: bool) -> None:
        self._written = time.time()
        self.status = self.status.model_copy(update=changes)

    def log_metrics(self, step: int, **numbers: float | None) -> None:
        """Nothing: the first process does it."""

    def hold_device(self) -> None:
        """Nothing: the first process does it, and no step is taken without it."""


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
        return RunStatus.anew(read_config(path), now=time.time())

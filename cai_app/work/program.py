"""A worker from its command line to its exit code: run.lock, signals, log, the last status.

Every worker is `main(program, …)` around a function of one `Run`.
"""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cai_app import files
from cai_app.backends import memory
from cai_app.errors import BusyError, CaiError, InputError
from cai_app.records import RunState
from cai_app.work.progress import Beside, Paused, Run, Stopped, read_config, read_status

log = logging.getLogger(__name__)

_PATIENCE = 5.0  # seconds for run.lock: readers hold it for an instant
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(program: Callable[[Run], None], argv: Sequence[str], *, what: str) -> int:
    """Run a worker on the directory that argv names. Exit codes: 0 done or stopped, 1 failed."""
    if len(argv) != 1 or argv[0].startswith("-"):
        print(f"usage: RUN_DIR\n\n{what}\nRUN_DIR is made by: python -m cai_app {what.split()[0]}")
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    # Tokenizers, weights and adapters are read from disk only.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    path = Path(argv[0]).absolute()
    try:
        # Under torchrun the first of several processes has the lock and the files.
        with opened(path) if os.environ.get("RANK", "0") == "0" else _beside(path) as run:
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


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Run]:
    """The run for a process that computes beside the first one, and writes nothing of it."""
    run = Beside(path, read_config(path), read_status(path))
    for number in _SIGNALS:
        signal.signal(number, run.on_signal)
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
    yield run


def _exit_code(program: Callable[[Run], None], run: Run) -> int:
    try:
        begun = {"started": time.time(), "ended": None, "error": None, "rate": None}
        run.set("starting", pid=os.getpid(), note="", **begun)
        # Again: who asked before the process id was there to be seen has sent no signal.
        run.stopping = run.stopping or (run.path / "stop").exists()
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
    except Exception as error:  # its traceback is in the log, a sentence in the status
        log.exception("the run failed")
        return _end(run, "failed", error=_said(run, error))


def _said(run: Run, error: Exception) -> str:
    """No memory, no room, or a bug, which libraries tell each in their own words."""
    if memory.ran_out(error):
        return _no_memory(run)
    if files.is_full(error):
        return str(files.DiskFullError.of(run.path))
    return f"{type(error).__name__}: {error}; see log.txt"


def _no_memory(run: Run) -> str:
    need = f" (estimated at {memory.text(run.config.memory)})" if run.config.memory else ""
    return (
        f"out of memory{need}; stop the app if a page has it open, take a smaller "
        "batch or a smaller model, and resume"
    )


def _end(run: Run, state: RunState, *, note: str = "", error: str | None = None) -> int:
    """Write the end, whatever it is. A full disk has room for it in the file's old place."""
    run.free_device()
    if isinstance(run, Beside):
        return 1 if state == "failed" else 0
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
    level = root.level
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request
    try:
        yield
    finally:
        root.setLevel(level)
        for one in handlers:
            root.removeHandler(one)
            one.close()

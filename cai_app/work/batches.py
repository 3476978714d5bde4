"""What runs that work batch by batch share: their constitution, their loop, their checkpoints."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from cai_app import constitution as constitutions
from cai_app import prompts
from cai_app.backends.base import Backend
from cai_app.constitution import Constitution
from cai_app.work import checkpoints
from cai_app.work.progress import Run

# Less often than this, nothing is lost that a few seconds cannot write again.
CHECKPOINT_EVERY = 2.0  # seconds


class Job(Protocol):
    """What stays the same over the batches; `first` is the row to go on from."""

    backend: Backend
    first: int

    def write(self, first: int) -> None:
        """The batch that begins at this row."""
        ...

    def report(self, first: int) -> None:
        """Say that rows before this one are done."""
        ...


def write_all(job: Job, rows: int, size: int) -> None:
    """Batch after batch from where the job was broken off; the backend is closed at the end."""
    try:
        job.report(job.first)
        for number in range(job.first, rows, size):
            job.write(number)
    finally:
        job.backend.close()


def constitution_of(run: Run) -> Constitution:
    """The constitution that a run was started with; a resumed one must find it and the templates
    unchanged."""
    snapshot = run.input("inputs.constitution.yaml")
    found = constitutions.parse(snapshot.read_text(encoding="utf-8"), snapshot.name)
    run.check_same("template_hash", prompts.template_hash())
    run.check_same("constitution", f"{found.ref.name}@{found.ref.hash}")
    return found


class Saver:
    """Checkpoints of a run, not more often than CHECKPOINT_EVERY."""

    def __init__(self, run: Run, outputs: Sequence[str]) -> None:
        self._path, self._outputs = run.path, tuple(outputs)
        self.restored = checkpoints.restore(run.path, self._outputs)
        self._saved = time.monotonic()

    def save(self, state: Callable[[], dict[str, Any]], *, due: bool = False) -> None:
        """A checkpoint, unless the last one is only a moment old and this one is not due."""
        if not due and time.monotonic() - self._saved < CHECKPOINT_EVERY:
            return
        checkpoints.save(self._path, state(), outputs=self._outputs)
        self._saved = time.monotonic()

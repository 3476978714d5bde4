"""Runs, for page and commands alike: plan, start, list, follow, stop, resume, delete."""

import logging
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Literal

from cai_app import jobs
from cai_app.errors import CaiError, InputError
from cai_app.records import GenerateOptions, Record, RunInfo
from cai_app.settings import Settings
from cai_app.workbench import generation
from cai_app.workbench.board import Board, Card, Line, card
from cai_app.workbench.curves import Piece, Place, Samples, curves, samples

log = logging.getLogger(__name__)

_QUEUE_EVERY = 1.0  # seconds
_STOP_WAIT = 30.0  # seconds
_COMPARED = 20  # runs looked at for a pace
Ingest = Callable[[], bool]


class LogPart(Record):
    """Whole lines of a log, and where in bytes they begin and end."""

    text: str
    start: int
    to: int


class Runs:
    """The runs of a home. Every answer comes from the run directories; nothing else is known."""

    def __init__(self, settings: Settings, *, ingest: Ingest | None = None) -> None:
        """`ingest` takes finished runs into the store; it is called when one has ended."""
        self.settings = settings
        self._ingest = ingest
        self._listing = jobs.Listing(settings)
        self._board = Board(settings)
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None

    def list(self) -> list[RunInfo]:
        """All runs, the newest first."""
        return self._listing.all()

    def read(self, id: str) -> RunInfo:
        """One run, by its id or a part of it that no other run has."""
        return jobs.read(self.path(id))

    def path(self, id: str) -> Path:
        """The directory of a run."""
        return jobs.find(self.settings, id)

    def plan_generate(self, options: GenerateOptions, *, prompts: str) -> generation.Plan:
        """What `generate` would do, without doing it."""
        return generation.plan(options, prompts=prompts, settings=self.settings)

    def generate(self, options: GenerateOptions, *, prompts: str) -> RunInfo:
        """Queue a `generate` run; `prompts` is a file or a built-in name."""
        self._check_may_run()
        return jobs.start(
            self.settings, generation.prepare(options, prompts=prompts, settings=self.settings)
        )

    def pace(self, options: GenerateOptions) -> float | None:
        """Texts a second of the last `generate` run with the same model and mode, if any."""
        done = [one for one in self.list() if one.kind == "generate" and one.state == "done"]
        # Of a resumed one the time is of its last life, the texts are of all.
        for info in [one for one in done if one.unbroken][:_COMPARED]:
            asked = jobs.config(Path(info.path)).options
            same = all(asked.get(name) == getattr(options, name) for name in ("backend", "mode"))
            took = (info.ended or 0) - (info.started or 0)
            if same and took > 0 and info.done:
                return info.done / took
        return None

    def start(self, asked: jobs.NewRun, *, hold: bool = False) -> RunInfo:
        """Queue a run of any kind; `hold` only writes its directory, for a launcher to start."""
        self._check_may_run()
        return jobs.start(self.settings, asked, hold=hold)

    def follow(self, id: str) -> Generator[RunInfo, None, None]:
        """The run whenever it has changed, until it has ended; then its results are ingested."""
        info: RunInfo | None = None
        for info in jobs.follow(self.settings, self.path(id)):
            yield info
        if info is not None and info.state == "done":
            self._take_in()

    def stop(self, id: str) -> RunInfo:
        """Ask a run to save and end; returns at once."""
        return jobs.stop(self.path(id))

    def wait(self, id: str, *, timeout_s: float = _STOP_WAIT) -> RunInfo:
        """The run when it has ended, or as it is after so many seconds."""
        return jobs.wait(self.path(id), timeout_s=timeout_s)

    def kill(self, id: str) -> RunInfo:
        """End a run's processes at once."""
        return jobs.kill(self.path(id))

    def resume(self, id: str) -> RunInfo:
        """Queue a run that stopped, failed or died; it goes on from its last checkpoint."""
        self._check_may_run()
        return jobs.resume(self.settings, self.path(id))

    def move(self, id: str, way: Literal["up", "down"]) -> RunInfo:
        """Change a waiting run's place in the queue by one."""
        return jobs.move(self.settings, self.path(id), way)

    def delete(self, id: str) -> RunInfo:
        """Remove a run that is not at work; how it was before."""
        path = self.path(id)
        info = jobs.read(path)
        jobs.delete(path)
        return info

    def log_tail(self, id: str) -> str:
        """The end of a run's log."""
        return jobs.log_tail(self.path(id))

    def log_from(self, id: str, offset: int | None = None) -> LogPart:
        """The log's whole lines from a byte offset on; without one, from near its end."""
        path = self.path(id)
        if offset is None:
            offset = jobs.log_end(path)
        text, to = jobs.log_text(path, offset)
        return LogPart(text=text, start=offset, to=to)

    def config_text(self, id: str) -> str:
        """config.yaml, as it was written when the run was started."""
        return jobs.config_text(self.path(id))

    def trainings(self) -> tuple[Line, ...]:
        """Every training, the newest first."""
        return tuple(self._board.lines(self.list()))

    def card(self, id: str) -> Card:
        """All that made a run."""
        return card(self.path(id))

    def curves(self, id: str, place: Place) -> Piece:
        """A run's points that came after a place."""
        return curves(self.path(id), place)

    def samples(self, id: str, place: Place) -> Samples:
        """A run's sample answers that came after a place."""
        return samples(self.path(id), place)

    def keep_queue(self) -> None:
        """Advance the queue in the background from now on, as the app does. Idempotent."""
        if self._keeper is None and not self.settings.space:
            self._keeper = threading.Thread(target=self._keep, name="queue", daemon=True)
            self._keeper.start()

    def close(self) -> None:
        """Stop advancing the queue; runs go on."""
        self._closing.set()
        if self._keeper is not None:
            self._keeper.join(timeout=5)

    def _keep(self) -> None:
        queue, taken, said = jobs.Queue(self.settings), set[str](), ""
        try:
            while not self._closing.wait(_QUEUE_EVERY):
                try:
                    queue.advance()
                    ended = {info.id for info in self.list() if info.state == "done"}
                    if not ended - taken or self._take_in():
                        taken = ended
                    said = ""
                except Exception as error:  # the queue outlives a full disk, and our own faults
                    if str(error) != said:
                        known = isinstance(error, CaiError | OSError)
                        log.warning("queue: %s", error, exc_info=None if known else error)
                    said = str(error)
        finally:
            queue.close()

    def _take_in(self) -> bool:
        return self._ingest is None or self._ingest()

    def _check_may_run(self) -> None:
        if self.settings.space:
            raise InputError("runs are off in this Space; copy it, or run it on your own machine")

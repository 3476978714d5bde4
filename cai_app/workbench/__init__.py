"""What the page and the commands both call: models, constitutions, chains, verdicts, rows, runs."""

import logging
import threading
from collections.abc import Generator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cai_app import constitution as constitutions
from cai_app import critique, files, judge
from cai_app.backends.base import Backend
from cai_app.constitution import Constitution
from cai_app.errors import BusyError, CaiError, InputError
from cai_app.records import (
    AuditOptions,
    AuditReport,
    Blind,
    Comparison,
    LabelOptions,
    ModelInfo,
    Queue,
    Rater,
    RunInfo,
    Step,
    TrainOptions,
    Transcript,
)
from cai_app.settings import Settings
from cai_app.workbench import ancestry, audit, data, examples, labelling, ladder, lineage, training
from cai_app.workbench.constitution import Workshop
from cai_app.workbench.models import Models, Opener, specs_of
from cai_app.workbench.runs import Runs
from cai_app.workbench.shapes import (
    critique_json,
    judge_json,
    read_transcript,
    run_json,
    write_transcript,
)
from cai_app.workbench.training.gathering import Sources

if TYPE_CHECKING:
    from cai_app.formats import ReadOptions
    from cai_app.store import IngestedRun, Store
    from cai_app.workbench.audit import Rating

__all__ = [
    "Workbench",
    "critique_json",
    "judge_json",
    "read_transcript",
    "run_json",
    "write_transcript",
]

log = logging.getLogger(__name__)


class Workbench:
    """Built once by whoever needs it; models are opened when first asked for, and shared."""

    def __init__(self, settings: Settings, *, opener: Opener | None = None) -> None:
        self.settings = settings
        self._models = Models(settings, opener)
        self._store: Store | None = None
        self._audits = audit.Audits()
        self._opening = threading.Lock()
        # Why finished runs could not be taken in the last time; '' where they could.
        self.trouble = ""
        self.runs = Runs(settings, ingest=self._take_in)
        self.workshop = Workshop(settings, self.open, lambda: self.store)

    @property
    def read_only(self) -> bool:
        """On a Space: look and run, keep nothing."""
        return self.settings.space

    @property
    def store(self) -> "Store":
        """The home's store, opened when first asked for and owned until `close`.

        Raises BusyError naming who holds it, StoreError where it cannot be used as it is.
        """
        # Only now: DuckDB takes longer to import than the page takes to show.
        from cai_app.store import Store

        with self._opening:
            if self._store is None:
                self._store = Store(self.settings.home)
                self._index(self._store)
            return self._store

    def _index(self, store: "Store") -> None:
        """Keep every version of a constitution that is seen; a file that is wrong waits."""
        try:
            found = {one.hash: one for one in constitutions.every_version(self.settings)}
        except CaiError as error:
            log.warning("constitutions are not indexed: %s", error)
            return
        missing = found.keys() - store.constitutions.get(list(found)).keys()
        if missing:
            store.constitutions.add(found[hash] for hash in sorted(missing))

    def ingest(self) -> "list[IngestedRun]":
        """Take the outputs of finished runs into the store; what is in already stays as it is."""
        from cai_app.store import ingest_finished

        return ingest_finished(self.settings.home, self.store)

    def _take_in(self) -> None:
        """`ingest` after a run: its outputs are safe in its folder, so nobody is kept from going
        on. Whoever has the store, or opens it next, takes them in."""
        try:
            self.ingest()
        except CaiError as error:
            log.log(logging.INFO if isinstance(error, BusyError) else logging.ERROR, "%s", error)
            self.trouble = str(error)
        else:
            self.trouble = ""

    def current_versions(self) -> dict[str, str]:
        """Hash by name of the constitutions as they stand now; empty where one cannot be read."""
        try:
            return {one.name: one.hash for one in self.constitutions()}
        except CaiError as error:
            log.warning("versions are not compared: %s", error)
            return {}

    def lineage(self, id: str) -> lineage.Lineage:
        """What an id was made from and became. Raises InputError where nothing has it."""
        return lineage.trace(
            id, store=self.store, settings=self.settings, current=self.current_versions()
        )

    def ancestry(self, id: str) -> ancestry.Graph:
        """The whole way from constitutions to policies around an id; see `ancestry.graph`."""
        return ancestry.graph(
            id, settings=self.settings, current=self.current_versions(), store=self.store
        )

    def climb(self, asked: ladder.Climb) -> ladder.Ladder:
        """One prompt answered at every stage of the method; see `ladder.climb`."""
        return ladder.climb(
            asked,
            settings=self.settings,
            trainings=self.runs.trainings(),
            open_backend=self.open,
        )

    def import_file(self, format: str, path: Path, options: "ReadOptions") -> "data.Imported":
        """Take a file's rows into the store; see `data.import_file`."""
        self._check_may_keep()
        return data.import_file(self.store, format, path, options)

    def preview(self, format: str, path: Path, options: "ReadOptions") -> "data.Preview":
        """The first rows of a file as an import would take them."""
        return data.preview(format, path, options)

    def export_file(
        self, format: str, path: Path, *, source: str | None = None, rater: str | None = None
    ) -> "data.Exported":
        """Write rows of the store to a new file; see `data.export_file`."""
        return data.export_file(self.store, format, path, source=source, rater=rater)

    def source_task(self, source: str, options: LabelOptions) -> labelling.Task:
        """Comparisons of a source or run, to be labelled."""
        return labelling.of_source(self.store, source, options)

    def file_task(self, path: str, options: LabelOptions) -> labelling.Task:
        """Comparisons of a file, to be labelled."""
        return labelling.of_file(path, options, self.settings)

    def retry_task(self, run: str, *, max_tokens: int | None = None) -> labelling.Task:
        """What a label run has left unscored, to be labelled again."""
        return labelling.of_unscored(self.store, self.settings, run, max_tokens)

    def plan_label(self, task: labelling.Task) -> labelling.LabelPlan:
        """What labelling would do, need and take."""
        return labelling.plan(task, self.settings, self.open)

    def label(self, task: labelling.Task) -> RunInfo:
        """Queue a run that labels."""
        return self.runs.start(labelling.prepare(task, self.settings))

    def train_plan(self, kind: str, options: TrainOptions) -> training.TrainPlan:
        """What a training would read, need and take, with its exact command and YAML."""
        return training.plan(kind, options, self._sources())

    def train_start(self, kind: str, options: TrainOptions, *, hold: bool = False) -> RunInfo:
        """Queue a training; `hold` only writes its directory, for a launcher to start."""
        return self.runs.start(training.prepare(kind, options, self._sources()), hold=hold)

    def train_options(self, run: str) -> tuple[str, TrainOptions]:
        """Kind and options of an earlier training, to fill a form with."""
        return training.from_run(self.settings, run)

    def _sources(self) -> Sources:
        return Sources(self.settings, lambda: self.store)

    def audit(self, asked: AuditOptions) -> AuditReport:
        """An AI rater against people; see `audit.audit`."""
        return self._audits.audit(self.store, asked)

    def write_report(self, found: AuditReport, path: Path) -> None:
        """An audit as one HTML file; an older one in its place is replaced."""
        from cai_app.workbench.audit.page import page

        files.replace(path, page(self.store, found))

    def draw_queue(self, ai: str, wanted: Queue) -> Queue:
        """Draw a spot-check of what an AI rater has labelled; `wanted.ai` is filled in."""
        from cai_app.workbench.audit import choose_ai, draw

        self._check_may_keep()
        rater = choose_ai(self.store, ai)
        return draw(self.store, rater, wanted.model_copy(update={"ai": rater.id}))

    def rating(self, queue: str, rater: str, *, blind: Blind) -> "Rating":
        """A person at a queue, by its id or name; see `audit.Rating`."""
        from cai_app.workbench.audit import Rating

        self._check_may_keep()
        found = self.store.queues.find(queue)
        if found is None:
            raise InputError(f"there is no queue {queue!r}; draw one first")
        return Rating(self.store, found, Rater(kind="human", name=rater), blind=blind)

    def saw(self, rater: str, comparison: Comparison) -> None:
        """That a person has seen an AI judge this pair: it leaves that person's queues."""
        person = Rater(kind="human", name=rater)
        self.store.queues.reveal(person.id, [comparison.id])

    def _check_may_keep(self) -> None:
        if self.read_only:
            raise InputError("this Space keeps nothing; copy it, or run it on your own machine")

    def open(self, spec: str) -> Backend:
        """The backend of a spec, opened once; its verbs wait until the weights are loaded."""
        return self._models.open(spec)

    def prepare(self, spec: str) -> None:
        """Start loading a spec in the background; what goes wrong shows in `models` and `open`."""
        self._models.prepare(spec)

    def models(self) -> list[ModelInfo]:
        """The default first, then what else is here or was opened; waits for no weights."""
        return self._models.infos()

    def model_specs(self) -> list[str]:
        """Every model with each adapter that fits it, as specs, the default first."""
        return specs_of(self.models())

    def constitution(self, spec: str) -> Constitution:
        """One constitution by `NAME`, `NAME@HASH` or path, as its file stands now."""
        return constitutions.load(spec, self.settings)

    def constitutions(self) -> list[Constitution]:
        """Shipped ones, `harmless` first and hazards last, then the user's own."""
        return constitutions.list_all(self.settings)

    def chain(
        self,
        prompt: str,
        config: critique.ChainConfig,
        *,
        backend: str,
        constitution: str,
        done: Sequence[Step] = (),
        principles: Sequence[str] = (),
    ) -> Generator[critique.Event, None, None]:
        """A critique-revision chain as events; see `critique.run`."""
        found = self.constitution(constitution)
        yield from critique.run(
            self.open(backend),
            found,
            prompt,
            config,
            settings=self.settings,
            done=done,
            principles=principles,
        )

    def replay(self, transcript: Transcript) -> Generator[critique.Event, None, None]:
        """The same chain again: same seeds, principles and settings, so the identical result.

        Steps up to the last edited one are kept, as no seed gives them back. Raises InputError
        where the constitution has changed since.
        """
        named = transcript.constitution
        edited = [index for index, step in enumerate(transcript.steps) if step.edited]
        rounds = max((step.round for step in transcript.steps), default=0)
        by_round = {step.round: step.principle for step in transcript.steps if step.principle}
        config = critique.ChainConfig(
            rounds=rounds,
            direct=transcript.direct,
            few_shot=transcript.few_shot,
            temperature=transcript.temperature,
            seed=transcript.seed,
            max_tokens=transcript.max_tokens,
        )
        yield from self.chain(
            transcript.prompt,
            config,
            backend=transcript.backend,
            constitution=f"{named.name}@{named.hash}",
            done=transcript.steps[: edited[-1] + 1] if edited else (),
            principles=[by_round[n] for n in sorted(by_round)],
        )

    def compare(
        self,
        prompt: str,
        a: str,
        b: str,
        config: judge.JudgeConfig,
        *,
        backend: str,
        constitution: str,
    ) -> Generator[judge.Event, None, None]:
        """A comparison judged, as events; see `judge.compare`."""
        for name, text in (("prompt", prompt), ("response A", a), ("response B", b)):
            if not text.strip():
                raise InputError(f"{name} is empty; type it first")
        found = self.constitution(constitution)
        yield from judge.compare(
            self.open(backend), found, prompt, a, b, config, settings=self.settings
        )

    @cached_property
    def _prompts(self) -> list[str]:
        return examples.prompts(self.settings)

    def examples(self) -> list[str]:
        """A few prompts to click, harmful and harmless in turn."""
        return examples.few(self._prompts)

    def near_examples(self, prompt: str) -> list[str]:
        """Three known prompts that share most words with this one."""
        return examples.near(prompt, self._prompts)

    def pairs(self) -> list[dict[str, str]]:
        """Example comparisons: prompt, a, b."""
        return examples.pairs(self.settings)

    def close(self) -> None:
        """Close the store and every model that was opened; runs go on."""
        self.runs.close()
        with self._opening:
            if self._store is not None:
                self._store.close()
                self._store = None
        self._models.close()

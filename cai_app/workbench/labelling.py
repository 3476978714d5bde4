"""What a `label` run is started with: comparisons and constitution snapshotted, options checked."""

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from cai_app import constitution as constitutions
from cai_app import formats, jobs, judge
from cai_app import prompts as rendering
from cai_app.backends import adapter_hash, describe, is_preference_model, memory, parse_spec
from cai_app.backends.base import Backend
from cai_app.constitution import Constitution
from cai_app.errors import CaiError, InputError
from cai_app.formats import ReadOptions
from cai_app.records import Comparison, LabelOptions, Record, RunInfo
from cai_app.settings import Settings
from cai_app.workbench.generation import DEVICE, whole_spec
from cai_app.workbench.home import Home
from cai_app.workbench.runs import Runs

if TYPE_CHECKING:
    from cai_app.store import Store

PAIRS = "inputs.pairs.jsonl"
CONSTITUTION = "inputs.constitution.yaml"  # of a run, as it was then
BUILT_IN = "pairs"
Pair = dict[str, Any]
_PROBE = 8  # comparisons judged to estimate the time
_LIKE = ("backend", "cot", "orders", "few_shot")  # options that decide how long one takes


class LabelPlan(Record):
    """What a run would do and need. A preference model `scores` two responses a comparison and is
    asked nothing: `questions` counts them. `seconds` is None where nobody can say, and
    `seconds_from` says what the estimate is taken from; `memory_free` is None where nobody
    can say."""

    comparisons: int
    questions: int
    backend: str
    adapter: str | None
    adapter_hash: str | None
    constitution: str
    scores: bool
    device: int | None
    memory: int
    memory_free: int | None
    fits: bool
    seconds: float | None
    seconds_from: str


class Task(NamedTuple):
    """Comparisons to judge, and how."""

    pairs: Sequence[Pair]
    origin: str
    options: LabelOptions


def of_source(store: "Store", source: str, options: LabelOptions) -> Task:
    """Comparisons of a source or run in the store."""
    from cai_app.store import judging

    return Task(judging.pairs(store, source, limit=options.limit), f"source {source}", options)


def of_file(path: str, options: LabelOptions, settings: Settings) -> Task:
    """Comparisons of a JSON-lines file with `prompt`, `a`, `b`, or of the built-in `pairs`.

    Raises InputError naming the first line that cannot be used.
    """
    from cai_app.store import judging

    file = settings.data / "prompts" / "pairs.jsonl" if path == BUILT_IN else Path(path)
    source = ReadOptions(source=path if path == BUILT_IN else file.stem)
    found: dict[str, Pair] = {}
    for row in formats.find("jsonl").read(file, source):
        if row.reason is not None:
            raise InputError(f"{file.name}, line {row.number}: {row.reason}; mend it, or import it")
        pairs = [one for one in row.records if isinstance(one, Comparison)]
        found |= {one.id: judging.pair_of(one) for one in pairs}
    if not found:
        raise InputError(f'{file} has no comparisons; write one a line: {{"prompt", "a", "b"}}')
    return Task(list(found.values())[: options.limit], f"file {path}", options)


def of_unscored(store: "Store", settings: Settings, run: str, max_tokens: int | None) -> Task:
    """What a label run left unscored, asked again in the same way, or with more room."""
    from cai_app.store import judging

    path = jobs.find(settings, run)
    config = jobs.config(path)
    if config.kind != "label":
        raise InputError(f"run {path.name} is a {config.kind} run; name a label run to retry")
    kept = path / CONSTITUTION  # as it was: a name may stand for a newer version by now
    asked_under = {"constitution": str(kept)} if kept.is_file() else {}
    known = LabelOptions(**{**config.options, "limit": None, **asked_under})
    if max_tokens is not None:
        known = LabelOptions(**{**known.model_dump(), "max_tokens": max_tokens})
    pairs = judging.unscored(store, path.name)
    if not pairs:
        raise InputError(f"run {path.name} has left nothing unscored; there is nothing to retry")
    return Task(pairs, f"unscored of {path.name}", known)


def prepare(task: Task, settings: Settings) -> jobs.NewRun:
    """The run, ready to be started. Raises InputError for a backend, constitution, principle or
    few-shot count that cannot be used."""
    options = task.options.model_copy(update={"backend": whole_spec(task.options.backend)})
    describe(options.backend, settings)
    scores = is_preference_model(options.backend, settings)
    templates = rendering.template_hash()  # first: few-shots that were edited are read again
    found = None if scores else checked(options, settings)
    if scores:
        _check_asked_nothing(options)
    remote = parse_spec(options.backend).kind == "openai"
    rows = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in task.pairs)
    inputs = {PAIRS: rows.encode()}
    if found is not None:
        kept = found.model_dump(mode="json")
        snapshot = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)
        inputs[CONSTITUTION] = snapshot.encode()
    return jobs.NewRun(
        kind="label",
        options=options.model_dump(mode="json"),
        inputs=inputs,
        provenance={
            "pairs": task.origin,
            "constitution": f"{found.name}@{found.hash}" if found else "none",
            "template_hash": templates,
            "adapter_hash": adapter_hash(options.backend, settings) or "none",
        },
        device=None if remote else DEVICE,
        memory=memory.needed(
            options.backend, settings, rows=min(options.batch, len(task.pairs)) * 2
        ),
        total=len(task.pairs),
        unit="comparisons",
    )


def _check_asked_nothing(options: LabelOptions) -> None:
    """Raises InputError for options that say how a question is asked."""
    usual = LabelOptions()
    for name in ("principle", "cot", "orders"):
        if getattr(options, name) != getattr(usual, name):
            raise InputError(
                f"{options.backend} is a preference model: it scores responses and is asked "
                f"nothing, so {name}={getattr(options, name)} means nothing; leave it out"
            )


def checked(options: LabelOptions, settings: Settings) -> Constitution:
    """The constitution, with the principle and the few-shots that were asked for in it."""
    found = constitutions.load(options.constitution, settings)
    match options.principle:
        case "drawn":
            constitutions.draw(found.preference, random.Random(0), of=found.name)
        case judge.ALL:
            if not any(one.enabled for one in found.preference):
                raise InputError(f"constitution {found.name} has no enabled preference principle")
        case id:
            constitutions.pick(found.preference, id, of=found.name)
    rendering.few_shots("judge_cot" if options.cot else "judge", options.few_shot, settings)
    return found


def plan(task: Task, settings: Settings, open: Callable[[str], Backend] | None) -> LabelPlan:
    """What `label` would do. A local model judges a few comparisons for the estimate, if `open`
    gives one."""
    run = prepare(task, settings)
    free = memory.free(DEVICE) if run.device is not None else None
    scores = is_preference_model(run.options["backend"], settings)
    found = constitutions.load(task.options.constitution, settings)
    principles = sum(one.enabled for one in found.preference)
    each = principles if task.options.principle == judge.ALL else 1
    seconds, basis = _seconds(task, settings, None if run.device is None else open)
    return LabelPlan(
        comparisons=len(task.pairs),
        questions=len(task.pairs) * each * (2 if task.options.orders == "both" else 1),
        backend=task.options.backend,
        adapter=describe(task.options.backend, settings).adapter,
        adapter_hash=adapter_hash(task.options.backend, settings),
        constitution="none" if scores else f"{found.name}@{found.hash}",
        scores=scores,
        device=run.device,
        memory=run.memory,
        memory_free=free,
        fits=free is None or run.memory <= free,
        seconds=seconds,
        seconds_from=basis,
    )


def _seconds(
    task: Task, settings: Settings, open: Callable[[str], Backend] | None
) -> tuple[float | None, str]:
    """How long it may take, and how that is known: from an earlier run like it, or from a try."""
    several = task.options.principle == judge.ALL
    for info in jobs.list_all(settings):
        if info.kind != "label" or info.state != "done" or not info.started or not info.done:
            continue
        if not info.unbroken:  # the time is of its last life, the rows of all
            continue
        try:
            options = LabelOptions(**jobs.config(Path(info.path)).options)
        except (CaiError, ValueError):  # of another version, or damaged: no measure for this one
            continue
        alike = all(getattr(options, n) == getattr(task.options, n) for n in _LIKE)
        if alike and (options.principle == judge.ALL) == several:
            took = ((info.ended or info.updated) - info.started) / info.done
            return took * len(task.pairs), f"run {info.id}"
    if open is None:
        return None, "no earlier run like it, and no model was tried for an estimate"
    pairs, backend = list(task.pairs[: _PROBE + 1]), open(task.options.backend)
    ask = _scoring if is_preference_model(task.options.backend, settings) else _judging
    tried = ask(backend, task.options, settings)
    tried(pairs[:1])  # few-shots are read
    begun = time.perf_counter()
    tried(pairs[1:] or pairs)
    each = (time.perf_counter() - begun) / len(pairs[1:] or pairs)
    return each * len(task.pairs), f"{len(pairs[1:] or pairs)} comparisons judged just now"


def _judging(
    backend: Backend, options: LabelOptions, settings: Settings
) -> Callable[[Sequence[Pair]], object]:
    """How the worker judges comparisons."""
    found = checked(options, settings)
    config = judge.JudgeConfig(
        principle=None if options.principle == "drawn" else options.principle,
        few_shot=options.few_shot,
        cot=options.cot,
        max_tokens=options.max_tokens,
    )

    def tried(pairs: Sequence[Pair]) -> object:
        some = [judge.Asked(prompt=one["prompt"], a=one["a"], b=one["b"]) for one in pairs]
        return judge.compare_many(
            backend, found, some, config, settings=settings, orders=options.orders
        )

    return tried


def _scoring(
    backend: Backend, options: LabelOptions, settings: Settings
) -> Callable[[Sequence[Pair]], object]:
    """About as long as a preference model takes, whatever the form of its dialogues."""

    def tried(pairs: Sequence[Pair]) -> object:
        sides = [(one["prompt"], one[side]) for one in pairs for side in ("a", "b")]
        return backend.score([f"{prompt} {text}" for prompt, text in sides])

    return tried


class Labelling(Home):
    """Label runs of a home, planned and started."""

    runs: Runs
    _unscored: tuple[tuple[str, int], int] | None = None  # of the run that was asked about last

    def source_task(self, source: str, options: LabelOptions) -> Task:
        """Comparisons of a source or run, to be labelled."""
        return of_source(self.store, source, options)

    def file_task(self, path: str, options: LabelOptions) -> Task:
        """Comparisons of a file, to be labelled."""
        return of_file(path, options, self.settings)

    def retry_task(self, run: str, *, max_tokens: int | None = None) -> Task:
        """What a label run has left unscored, to be labelled again."""
        return of_unscored(self.store, self.settings, run, max_tokens)

    def still_unscored(self, run: str) -> int:
        """How much of what a label run left unscored is so by now; counted once for each version
        of the labels."""
        from cai_app.store import judging

        key = (run, self.store.queues.version()[0])
        if self._unscored is None or self._unscored[0] != key:
            self._unscored = key, judging.count_unscored(self.store, run)
        return self._unscored[1]

    def plan_label(self, task: Task, *, probe: bool = True) -> LabelPlan:
        """What labelling would do, need and take; without `probe` no model is tried for that."""
        return plan(task, self.settings, self.open if probe else None)

    def label(self, task: Task) -> RunInfo:
        """Queue a run that labels."""
        return self.runs.start(prepare(task, self.settings))

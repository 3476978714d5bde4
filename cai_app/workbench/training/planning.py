"""A training before its start: what it reads, needs and takes, and the run that it becomes."""

import math
from collections.abc import Sequence

from cai_app import constitution as constitutions
from cai_app import jobs
from cai_app import prompts as rendering
from cai_app.backends import counting, describe, folders, locate, memory, parse_spec, trained
from cai_app.errors import InputError
from cai_app.records import PreferenceOptions, Record, RlOptions, TrainOptions
from cai_app.settings import Settings
from cai_app.workbench.generation import DEVICE, whole_spec
from cai_app.workbench.training import pace
from cai_app.workbench.training.asking import command, yaml_text
from cai_app.workbench.training.gathering import Gathered, Sources
from cai_app.workbench.training.kinds import kind_of


class TrainPlan(Record):
    """What a training would do and need. `seconds` comes from an earlier run like it, else from a
    rule (pace.py); `seconds_from` says which. `memory_free` is None where nobody can say."""

    kind: str
    rows: int
    counts: dict[str, int]
    rejected: dict[str, int]
    too_long: int
    tokens: int
    steps: int
    backend: str
    base_hash: str
    start: str
    start_hash: str
    adapter: str
    device: int | None
    memory: int
    memory_free: int | None
    fits: bool
    seconds: float
    seconds_from: str
    notes: tuple[str, ...]
    command: str
    yaml: str


def plan(kind: str, options: TrainOptions, sources: Sources) -> TrainPlan:
    """What `train` would do. Raises InputError for whatever would stop it at its start."""
    settled = settle(options, sources.settings)
    data = kind_of(kind).gather(settled, sources)
    run = _run(kind, options, settled, data, sources.settings)
    lengths = counting.lengths(locate(settled.spec, sources.settings).base, data.texts)
    total = _tokens(lengths, data)
    steps = run.total or 0
    free = memory.free(DEVICE)
    seconds, basis = pace.seconds(
        kind, settled, sources.settings, steps=steps, by_rule=run.expected
    )
    return TrainPlan(
        kind=kind,
        rows=data.rows,
        counts=data.counts,
        rejected=data.rejected,
        too_long=sum(length > settled.max_tokens for length in lengths),
        tokens=total,
        steps=steps,
        backend=settled.backend,
        base_hash=run.provenance["base_hash"],
        start=settled.start,
        start_hash=run.provenance["start_hash"],
        adapter=settled.name or "named by its run",
        device=run.device,
        memory=run.memory,
        memory_free=free,
        fits=free is None or run.memory <= free,
        seconds=seconds,
        seconds_from=basis,
        notes=data.notes,
        command=run.provenance["command"],
        yaml=yaml_text(settled),
    )


def prepare(kind: str, options: TrainOptions, sources: Sources) -> jobs.NewRun:
    """The run, ready to be started. Raises InputError for a base, adapter, name or data that
    cannot be used."""
    settled = settle(options, sources.settings)
    data = kind_of(kind).gather(settled, sources)
    return _run(kind, options, settled, data, sources.settings)


def settle(options: TrainOptions, settings: Settings) -> TrainOptions:
    """Options with base and start adapter found: `backend` without an adapter, `start` a name.

    Raises InputError for a base or start that the training cannot use, and a name that is taken.
    """
    parsed = parse_spec(whole_spec(options.backend))
    if parsed.kind == "openai":
        raise InputError(f"{parsed.text} is a remote model, which cannot be trained here")
    base = f"hf:{parsed.target}" if parsed.kind == "hf" else parsed.text.partition("@")[0]
    if options.start not in ("preset", parsed.adapter) and parsed.adapter:
        raise InputError(
            f"backend names adapter {parsed.adapter} and start {options.start}; name one of them"
        )
    start = parsed.adapter or options.start
    if start == "preset":
        start = options.start_of_preset() if parsed.kind == "pocket" else "none"
    found = locate(f"{base}@{start}", settings).adapter
    if found is not None and "/" not in start:
        start = trained.name_of(found)
    scores = found is not None and folders.scores_texts(found)
    if scores and not isinstance(options, PreferenceOptions):
        raise InputError(
            f"start {start} is a preference model, which writes nothing; name one that writes, "
            "such as helpful, or none"
        )
    _check_batch(options)
    if options.name and (reason := trained.taken(settings, options.name)):
        raise InputError(f"the name {reason} already; choose another one")
    return options.model_copy(update={"backend": base, "start": start})


def _check_batch(options: TrainOptions) -> None:
    """A library's trainer takes a batch in equal parts; loops of our own take any."""
    most = min(options.at_once, options.batch)
    if not isinstance(options, PreferenceOptions | RlOptions) and options.batch % most:
        whole = f"choose a multiple of {most}, or a micro_batch that it is a multiple of"
        raise InputError(f"batch {options.batch} cannot be taken {most} at once; {whole}")


def _run(
    kind: str, asked: TrainOptions, settled: TrainOptions, data: Gathered, settings: Settings
) -> jobs.NewRun:
    place = locate(settled.spec, settings)
    describe(settled.spec, settings)
    refuse_hazards(data.provenance.get("constitutions", ""), settled.backend, settings)
    lengths = counting.lengths(place.base, data.texts)
    longest = min(settled.max_tokens, max(lengths, default=1))
    steps = steps_of(settled, data.rows)
    epochs = steps * settled.batch / max(1, data.rows)
    return jobs.NewRun(
        kind=kind,
        options=settled.model_dump(mode="json"),
        inputs=data.inputs,
        provenance={
            **data.provenance,
            "template_hash": rendering.template_hash(),
            "base_hash": trained.base_hash(place.base),
            "start_hash": folders.adapter_hash(place.adapter) if place.adapter else "none",
            "command": command(kind, asked, settings),
        },
        device=DEVICE,
        memory=memory.training(
            settled.spec,
            settings,
            tokens=min(settled.micro_batch, settled.batch) * longest,
            longest=longest,
            rank=settled.rank,
        ),
        total=steps,
        unit="steps",
        expected=pace.rule(
            settled,
            settings,
            tokens=_tokens(lengths, data) * epochs * data.passes,
            written=data.written(steps),
        ),
    )


def _tokens(lengths: Sequence[int], data: Gathered) -> int:
    """Tokens of all rows; `lengths` may be of some of the texts only."""
    if data.tokens is not None:
        return data.tokens
    return int(sum(lengths) * len(data.texts) / max(1, len(lengths)))


def refuse_hazards(versions: str, backend: str, settings: Settings) -> None:
    """A constitution marked as a hazard trains the toy world's models only.

    `versions` is `NAME@HASH, …`. Raises InputError naming the constitution.
    """
    if parse_spec(backend).kind == "pocket":
        return
    for version in filter(None, versions.split(", ")):
        if constitutions.load(version, settings).hazard:
            raise InputError(
                f"constitution {version} is marked as a hazard: it shows what goes wrong, and "
                f"trains pocket models only, not {backend}; choose data under another constitution"
            )


def steps_of(options: TrainOptions, rows: int) -> int:
    """Optimizer steps over so many rows, held-out ones taken off; of RL, as many as are asked; of
    preference models, over so many pairs that are learned."""
    if isinstance(options, RlOptions):
        return options.max_steps
    if isinstance(options, PreferenceOptions):
        halves = (rows - rows // 2, rows // 2) if options.split else (rows,)
        return sum(map(options.steps_of, halves))
    kept = max(1, rows - min(200, round(rows * options.held_out)))
    whole = math.ceil(math.ceil(kept / options.batch) * options.epochs)
    return min(whole, options.max_steps) if options.max_steps else whole

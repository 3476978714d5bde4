"""What a `generate` run is started with: prompts and constitution snapshotted, options checked."""

import json
import random
import shlex
from pathlib import Path

import yaml

from cai_app import constitution as constitutions
from cai_app import prompts as rendering
from cai_app.backends import describe, folders, is_preference_model, memory, parse_spec
from cai_app.errors import InputError
from cai_app.jobs import NewRun
from cai_app.records import GenerateOptions, Record
from cai_app.settings import Settings

# Forty of each to look at, and a thousand harmful ones to train on.
BUILT_IN = ("red-team", "helpful", "requests")
DEVICE = 0
PROMPTS = "inputs.prompts.jsonl"


class Plan(Record):
    """What a run would do and need. `memory_free` is None where nobody can say.

    `completions` is how often the model writes, `most_tokens` how much at most.
    """

    prompts: int
    mode: str
    completions: int
    most_tokens: int
    backend: str
    adapter: str | None
    constitution: str
    device: int | None
    memory: int
    memory_free: int | None
    fits: bool


def plan(options: GenerateOptions, *, prompts: str, settings: Settings) -> Plan:
    """What `generate` would do. Raises InputError for whatever would stop it at its start."""
    run = prepare(options, prompts=prompts, settings=settings)
    free = memory.free(DEVICE) if run.device is not None else None
    found = constitutions.load(options.constitution, settings)
    count, texts = len(run.inputs[PROMPTS].splitlines()), run.total or 0
    return Plan(
        prompts=count,
        mode=options.mode,
        completions=texts,
        most_tokens=texts * options.max_tokens,
        backend=options.backend,
        adapter=describe(options.backend, settings).adapter,
        constitution=f"{found.name}@{found.hash}",
        device=run.device,
        memory=run.memory,
        memory_free=free,
        fits=free is None or run.memory <= free,
    )


def prepare(options: GenerateOptions, *, prompts: str, settings: Settings) -> NewRun:
    """The run, ready to be started. Raises InputError for a backend, constitution, few-shot count
    or prompt file that cannot be used."""
    texts = read_prompts(prompts, settings)[: options.limit]
    options = options.model_copy(update={"backend": whole_spec(options.backend)})
    describe(options.backend, settings)
    if is_preference_model(options.backend, settings):
        raise folders.writes_nothing(options.backend)
    templates = rendering.template_hash()  # first: few-shots that were edited are read again
    found = constitutions.load(options.constitution, settings)
    if options.mode == "chains":
        constitutions.draw(found.supervised, random.Random(0), of=found.name)
        rendering.few_shots("critique", options.few_shot, settings)
    remote = parse_spec(options.backend).kind == "openai"
    rows = "".join(json.dumps({"prompt": text}, ensure_ascii=False) + "\n" for text in texts)
    snapshot = yaml.safe_dump(found.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    batch = options.batch * (1 if options.mode == "chains" else 2)
    return NewRun(
        kind="generate",
        options=options.model_dump(mode="json"),
        inputs={
            PROMPTS: rows.encode(),
            "inputs.constitution.yaml": snapshot.encode(),
        },
        provenance={
            "prompts": prompts,
            "constitution": f"{found.name}@{found.hash}",
            "template_hash": templates,
        },
        device=None if remote else DEVICE,
        memory=memory.needed(options.backend, settings, rows=min(batch, len(texts) * 2)),
        total=len(texts) * options.texts_each,
        unit="texts",
    )


def command(options: GenerateOptions, *, prompts: str, settings: Settings) -> str:
    """What starts the same run in a terminal: only what differs from the defaults is said."""
    words = ["generate", "--prompts", prompts]
    for name, value in options.model_dump(exclude_defaults=True).items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return f"{settings.command} {shlex.join(words)}"


def whole_spec(spec: str, folder: Path | None = None) -> str:
    """A spec whose relative paths, those of `folder` (the current one), are made whole: the worker
    starts elsewhere."""
    parsed = parse_spec(spec)
    if parsed.kind != "hf":
        return parsed.text
    adapter = f"@{_whole(parsed.adapter, folder)}" if parsed.adapter else ""
    return f"hf:{_whole(parsed.target, folder)}{adapter}"


def _whole(text: str, folder: Path | None) -> str:
    """A path that is there made whole; a name or an id stays as it is."""
    path = (folder or Path.cwd()) / Path(text).expanduser()
    return str(path) if path.exists() else text


def read_prompts(source: str, settings: Settings) -> list[str]:
    """Prompts of a JSONL file, or of a built-in list. Raises InputError naming the line."""
    path = Path(source).expanduser()
    if source in BUILT_IN:
        folder = "lessons" if source == "requests" else "prompts"
        path = settings.data / folder / f"{source}.jsonl"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        known = " or ".join(BUILT_IN)
        problem = f"prompts {source}: {error.strerror}; name a JSONL file, or {known}"
        raise InputError(problem) from error
    found = [
        _prompt(line, f"{path.name}, line {number}")
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]
    if not found:
        raise InputError(f'{path} holds no prompts; write one a line: {{"prompt": "…"}}')
    return found


def _prompt(line: str, place: str) -> str:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f'{place}: not JSON ({error}); write {{"prompt": "…"}}') from error
    prompt = row.get("prompt") if isinstance(row, dict) else None
    if not isinstance(prompt, str) or not prompt.strip():
        raise InputError(f'{place}: no text in `prompt`; write {{"prompt": "…"}}')
    try:
        rendering.human_turn(prompt)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    return prompt

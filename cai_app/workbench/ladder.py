"""One prompt answered at every stage of the method: pretrained, helpful, SL-CAI, RL at each step.

All answers come from one mixed-adapter batch on one base; a preference model scores them where one
is there.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cai_app.backends import locate, parse_spec, trained
from cai_app.backends.base import Backend
from cai_app.critique.flags import flags_of
from cai_app.errors import BackendError, CaiError, InputError
from cai_app.prompts import STOP, draft
from cai_app.records import Record, Sampling
from cai_app.settings import Settings
from cai_app.workbench.board import Line

MOST_STEPS = 24  # checkpoints of one run that are compared
_SHIPPED_RL = ("rl-cai",)


class Rung(Record):
    """A stage of the method: which adapter it is, or what has to be trained for it.

    `kind` is the training that makes it, `step` the checkpoint's within its run.
    """

    title: str
    kind: str
    adapter: str = ""
    step: int | None = None
    here: bool = True


class Answer(Record):
    """What a rung wrote. `score` is the preference model's, standardised on the start policy's
    samples where it says how, None without one."""

    rung: Rung
    text: str
    tokens: int
    finish: str
    flags: tuple[str, ...] = ()
    score: float | None = None


class Ladder(Record):
    """The answers from left to right, what is missing between them, and who scored."""

    prompt: str
    base: str
    seed: int
    temperature: float
    answers: tuple[Answer, ...]
    missing: tuple[Rung, ...]
    scorer: str = ""
    unscored_reason: str = ""


class Climb(NamedTuple):
    """What is asked: a prompt, the base it is answered on, and which RL run is followed ('' for
    the newest)."""

    prompt: str
    model: str
    run: str = ""
    seed: int = 0
    temperature: float = 1.0
    max_tokens: int = 160


class _Place(NamedTuple):
    rung: Rung
    path: Path | None


def climb(
    asked: Climb,
    *,
    settings: Settings,
    trainings: Sequence[Line],
    open_backend: Callable[[str], Backend],
) -> Ladder:
    """Answer a prompt at every stage that is here. Raises InputError for an empty prompt or a
    remote model, whose adapters are not here."""
    if not asked.prompt.strip():
        raise InputError("the prompt is empty; type what the person asks, or click an example")
    base = base_of(asked.model)
    places = _places(base, settings, trainings, asked.run)
    here = [one for one in places if one.rung.here]
    backend: Any = open_backend(f"{base}@none" if base.startswith("pocket") else base)
    if not hasattr(backend, "generate_each"):
        raise InputError(f"{asked.model} cannot mix adapters in one batch; choose a local model")
    sampling = Sampling(
        seed=asked.seed, temperature=asked.temperature, max_tokens=asked.max_tokens, stop=STOP
    )
    count = len(here)
    written = backend.generate_each(
        [draft(asked.prompt)] * count, [sampling] * count, [one.path for one in here]
    )
    texts = [one.text.strip() for one in written]
    scorer, scores, reason = _scored(base, asked, texts, settings, trainings, open_backend)
    answers = [
        Answer(
            rung=place.rung,
            text=text,
            tokens=one.tokens,
            finish=one.finish,
            flags=flags_of(text, kind="draft", before=None, unknown=False),
            score=score,
        )
        for place, one, text, score in zip(here, written, texts, scores, strict=True)
    ]
    return Ladder(
        prompt=asked.prompt,
        base=base,
        seed=asked.seed,
        temperature=asked.temperature,
        answers=tuple(answers),
        missing=tuple(one.rung for one in places if not one.rung.here),
        scorer=scorer,
        unscored_reason=reason,
    )


def base_of(model: str) -> str:
    """The base of a spec, without its adapter. Raises InputError for a remote model."""
    parsed = parse_spec(model)
    if parsed.kind == "openai":
        raise InputError(f"{model} is a remote model, whose checkpoints are not here")
    return f"hf:{parsed.target}" if parsed.kind == "hf" else parsed.text.partition("@")[0]


def _places(base: str, settings: Settings, trainings: Sequence[Line], run: str) -> list[_Place]:
    found = [
        _Place(Rung(title="pretrained", kind="", adapter="none"), None),
        _one("helpful", "helpful", ("helpful",), base, settings, trainings),
        _one("SL-CAI", "sl-cai", ("sl-cai",), base, settings, trainings),
    ]
    steps = _followed_steps(base, settings, trainings, run)
    return found + (steps or [_one("RL-CAI", "rl", _SHIPPED_RL, base, settings, trainings)])


def _followed_steps(
    base: str, settings: Settings, trainings: Sequence[Line], run: str
) -> list[_Place]:
    """The checkpoints of the named RL run; else of the newest with any on this base, or shipped."""
    for line in trainings:
        if line.kind == "rl" and run in ("", line.id) and (steps := _steps(line, base, settings)):
            return steps
    return [] if run else _shipped_steps(base, settings)


def _one(
    title: str,
    kind: str,
    names: Sequence[str],
    base: str,
    settings: Settings,
    trainings: Sequence[Line],
) -> _Place:
    """A stage by the adapter's usual name, else by the newest run that is of its kind."""
    made = [one.id for one in trainings if one.kind == kind and one.spec]
    for name in (*names, *made):
        try:
            path = locate(f"{base}@{name}", settings).adapter
        except CaiError:
            continue
        return _Place(Rung(title=title, kind=kind, adapter=name), path)
    return _Place(Rung(title=title, kind=kind, here=False), None)


def _steps(line: Line, base: str, settings: Settings) -> list[_Place]:
    """The checkpoints that an RL run has kept for comparing, evenly taken where there are many."""
    folder = settings.home / "runs" / line.id / "steps"
    own = locate(f"{base}@none" if base.startswith("pocket") else base, settings).base
    kept = []
    for path in sorted(folder.glob("[0-9]*")):
        try:
            kept.append(trained.check_base(path, own))
        except CaiError:
            continue
    kept = [path for path in kept if (path / "adapter_model.safetensors").is_file()]
    gap = max(1, -(-len(kept) // MOST_STEPS))
    chosen = kept[::-1][::gap][::-1]  # the last one always
    return [
        _Place(
            Rung(title=f"RL step {int(path.name)}", kind="rl", adapter=line.id,
                 step=int(path.name)),
            path,
        )
        for path in chosen
    ]  # fmt: skip


def _shipped_steps(base: str, settings: Settings) -> list[_Place]:
    """The RL checkpoints that ship with a pocket base: `rl-050` and so on."""
    if not base.startswith("pocket"):
        return []
    own = locate(f"{base}@none", settings).base
    shipped = settings.data / "pocket" / "adapters" / own.name
    found = []
    for path in sorted(shipped.glob("rl-[0-9]*")):
        step = int(path.name.removeprefix("rl-"))
        rung = Rung(title=f"RL step {step}", kind="rl", adapter=path.name, step=step)
        found.append(_Place(rung, trained.check_base(path, own)))
    return found


def _scored(
    base: str,
    asked: Climb,
    texts: Sequence[str],
    settings: Settings,
    trainings: Sequence[Line],
    open_backend: Callable[[str], Backend],
) -> tuple[str, list[float | None], str]:
    """Who scored, the scores, and why there are none."""
    nothing: list[float | None] = [None] * len(texts)
    made = [one.id for one in trainings if one.kind == "preference" and one.spec]
    reason = "no preference model yet"
    for name in ("pm", *made):
        try:
            path = locate(f"{base}@{name}", settings).adapter
            assert path is not None, f"{name} names an adapter"
            scorer: Any = open_backend(f"{base}@{name}")
            # In the model's own form, as it was trained and as it labels.
            whole = [scorer.dialogue(draft(asked.prompt), text) for text in texts]
            found = scorer.score(whole)
        except InputError:
            continue
        except BackendError as error:
            reason = str(error)
            continue
        scale = trained.facts(path).get("scale") or {}
        mean, spread = float(scale.get("mean", 0)), float(scale.get("std", 1))
        return name, [(one - mean) / spread for one in found], ""
    return "", nothing, reason

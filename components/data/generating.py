"""The form that starts a `generate` run: what it would do and need, the command, the start."""

import hashlib
from pathlib import Path
from typing import Any

import gradio as gr

from cai_app import files
from cai_app.errors import InputError
from cai_app.records import GenerateOptions
from cai_app.workbench import Workbench, generation
from components.data.rows import clock
from components.data.view import Plan
from components.shared import check_open_to, role, sentence, text_of, whole

# What an empty store offers: small enough to be done in a minute or two on a laptop.
FIRST_STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "pairs": ("red-team", {"mode": "pairs", "limit": 12}),
    "chains": ("red-team", {"mode": "chains", "rounds": 2, "limit": 8, "batch": 4}),
}


def estimate(workbench: Workbench, *form: Any) -> dict[str, Any]:
    """What the run would do, as the form stands; a form that cannot be run says why."""
    try:
        options, prompts = read_form(*form)
        _check(workbench, options, prompts)
        return _planned(workbench, options, prompts).model_dump(mode="json")
    except (InputError, OSError) as error:
        return Plan(state="failed", message=sentence(error)).model_dump(mode="json")


def start(workbench: Workbench, *form: Any) -> dict[str, Any]:
    """Start the run, or queue it; the page then opens it in the Runs panel."""
    options, prompts = read_form(*form)
    return _started(workbench, options, prompts)


def first_step(workbench: Workbench, event: gr.EventData) -> dict[str, Any]:
    """Start one of the small runs that an empty store offers."""
    name = text_of(event, "name", 20)
    if name not in FIRST_STEPS:
        raise InputError(f"there is no first step '{name}'; reload the page")
    prompts, options = FIRST_STEPS[name]
    return _started(workbench, GenerateOptions(**options), prompts)


def uploaded(workbench: Workbench, path: str) -> str:
    """Prompts that were uploaded, checked and kept in HOME/exchange; their path for the form."""
    data = Path(path).read_bytes()
    generation.read_prompts(path, workbench.settings)
    folder = files.make_folder(workbench.settings.home / "exchange")
    target = folder / f"prompts-{hashlib.sha256(data).hexdigest()[:12]}.jsonl"
    files.replace(target, data)
    return str(target)


def read_form(
    prompts: str,
    mode: str,
    rounds: int,
    model: str,
    constitution: str,
    limit: str,
    seed: float,
    temperature: float,
    max_tokens: float,
    batch: float,
) -> tuple[GenerateOptions, str]:
    """The form's values as options, and the prompts' name or file."""
    if not (prompts or "").strip():
        raise InputError("no prompts are named; choose a built-in list, or name a JSONL file")
    chains = {"rounds": rounds, "constitution": constitution} if mode == "chains" else {}
    options = GenerateOptions(
        mode=mode,  # type: ignore[arg-type]
        backend=model.strip(),
        limit=limit_of(limit),
        seed=whole(seed),
        temperature=temperature,
        max_tokens=max_tokens,  # type: ignore[arg-type]  # a field may be empty, or hold 1.5
        batch=batch,  # type: ignore[arg-type]
        **chains,
    )
    return options, prompts.strip()


def limit_of(text: str) -> int | None:
    """How many rows, from a text field; None for all of them."""
    text = (text or "").strip()
    if not text:
        return None
    if not text.isdecimal() or not int(text):
        raise InputError(f"“first so many” is {text}; give a whole number from 1 up, or nothing")
    return int(text)


def _started(workbench: Workbench, options: GenerateOptions, prompts: str) -> dict[str, Any]:
    _check(workbench, options, prompts)
    info = workbench.runs.generate(options, prompts=prompts)
    plan = _planned(workbench, options, prompts)
    return plan.model_copy(update={"started": info.id}).model_dump(mode="json")


def _check(workbench: Workbench, options: GenerateOptions, prompts: str) -> None:
    """A visitor reads no files of this machine, by no error message either."""
    check_open_to(workbench, options.backend, options.constitution)
    if role(workbench) != "owner" and prompts not in generation.BUILT_IN:
        known = ", ".join(generation.BUILT_IN)
        raise InputError(f"prompts {prompts} are not offered on this page; use {known}")


def _planned(workbench: Workbench, options: GenerateOptions, prompts: str) -> Plan:
    found = workbench.runs.plan_generate(options, prompts=prompts)
    pace = workbench.runs.pace(options)
    each = f"{options.texts_each} texts" if options.mode == "chains" else "2 answers"
    work = (
        f"{found.prompts:,} prompt{'s' * (found.prompts != 1)} × {each} = {found.completions:,} "
        f"texts, at most {found.most_tokens:,} tokens"
    )
    if pace:
        work += f"; about {clock(found.completions / pace)} at the pace of the last such run"
    return Plan(
        state="ready",
        work=work,
        needs=needs_of(found.device, found.memory, found.memory_free, found.fits),
        fits=found.fits,
        command=generation.command(options, prompts=prompts, settings=workbench.settings),
    )


def needs_of(device: int | None, memory: int, free: int | None, fits: bool) -> str:
    """What a run needs, as a sentence."""
    if device is None:
        return "Runs on the server that the model's address names; no memory of this machine."
    need = f"Needs about {memory / 2**30:.1f} GiB"
    if free is None:
        return f"{need} on this machine."
    more = "" if fits else ", so free some first, or choose a smaller batch"
    return f"{need}; {free / 2**30:.1f} GiB are free{more}."

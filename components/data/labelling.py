"""The form that starts a `label` run: what it would judge and need, the command, the start."""

import shlex
from typing import Any

import gradio as gr

from cai_app.errors import CaiError, InputError
from cai_app.records import LabelOptions
from cai_app.workbench import Workbench
from cai_app.workbench.labelling import BUILT_IN, Task
from components.data.generating import limit_of, needs_of
from components.data.rows import clock
from components.data.view import Plan
from components.shared import check_open_to, role, sentence, whole

# The form's value and the option of the command that says the same.
_SPELLED = {"backend": "--backend", "constitution": "--constitution", "principle": "--principle",
            "few_shot": "--few-shot", "orders": "--orders", "limit": "--limit", "seed": "--seed",
            "batch": "--batch", "max_tokens": "--max-tokens"}  # fmt: skip


def estimate(workbench: Workbench, *form: Any) -> dict[str, Any]:
    """What the run would do, as the form stands; a form that cannot be run says why."""
    return _told(workbench, form, probe=False)


def timed(workbench: Workbench, *form: Any) -> dict[str, Any]:
    """The dry run: a few comparisons are judged to see how long all would take."""
    return _told(workbench, form, probe=True)


def settled(workbench: Workbench, asked: list[Any], *form: Any) -> Any:
    """After the dry run: the plan of the form as it stands, if it is not the one that was timed."""
    return gr.skip() if list(form) == asked else estimate(workbench, *form)


def start(workbench: Workbench, *form: Any) -> dict[str, Any]:
    """Start the run, or queue it; the page then opens it in the Runs panel."""
    source, options = read_form(*form)
    task = _task(workbench, source, options)
    info = workbench.label(task)
    plan = _planned(workbench, source, task, probe=False)
    return plan.model_copy(update={"started": info.id}).model_dump(mode="json")


def choices(workbench: Workbench, chosen: str) -> Any:
    """Where comparisons are, the built-in ones last; what is chosen stays, in its words."""
    from cai_app.store import judging

    found = [(f"{one}", one) for one in judging.sources(workbench.store, limit=50)]
    return gr.update(choices=[*found, ("the built-in pairs", BUILT_IN)], value=chosen)


def read_form(
    source: str,
    model: str,
    constitution: str,
    principle: str,
    cot: bool,
    orders: str,
    limit: str,
    seed: float,
    few_shot: int,
    batch: float,
    max_tokens: float | None,
) -> tuple[str, LabelOptions]:
    """The form's values as options, and where the comparisons are."""
    if not (source or "").strip():
        raise InputError("no comparisons are named; choose a source, or the built-in pairs")
    options = LabelOptions(
        backend=model.strip(),
        constitution=constitution,
        principle=(principle or "").strip() or "drawn",
        cot=cot,
        orders=orders,  # type: ignore[arg-type]
        limit=limit_of(limit),
        seed=whole(seed),
        few_shot=few_shot,
        batch=batch,  # type: ignore[arg-type]  # a field may be empty, or hold 1.5
        max_tokens=max_tokens,  # type: ignore[arg-type]
    )
    return source.strip(), options


def command(source: str, options: LabelOptions) -> str:
    """The same in a terminal, after the program's name."""
    given = options.model_dump(exclude_defaults=True)
    where = f"--pairs {BUILT_IN}" if source == BUILT_IN else f"--source {shlex.quote(source)}"
    parts = ["label", where]
    parts += [
        f"{spelled} {shlex.quote(str(given[name]))}"
        for name, spelled in _SPELLED.items()
        if name in given
    ]
    return " ".join([*parts, *(["--cot"] if options.cot else [])])


def _task(workbench: Workbench, source: str, options: LabelOptions) -> Task:
    check_open_to(workbench, options.backend, options.constitution)
    if source == BUILT_IN:
        return workbench.file_task(BUILT_IN, options)
    if role(workbench) != "owner":
        raise InputError("visitors label the built-in pairs only")
    return workbench.source_task(source, options)


def _told(workbench: Workbench, form: tuple[Any, ...], *, probe: bool) -> dict[str, Any]:
    try:
        source, options = read_form(*form)
        task = _task(workbench, source, options)
        return _planned(workbench, source, task, probe=probe).model_dump(mode="json")
    except (CaiError, OSError) as error:
        return Plan(state="failed", message=sentence(error)).model_dump(mode="json")


def _planned(workbench: Workbench, source: str, task: Task, *, probe: bool) -> Plan:
    found = workbench.plan_label(task, probe=probe)
    asked = "responses to score, no question asked" if found.scores else "questions"
    work = f"{found.comparisons:,} comparisons, {found.questions:,} {asked}"
    if found.seconds is not None:
        work += f"; about {clock(found.seconds)} ({found.seconds_from})"
    return Plan(
        state="ready",
        work=work,
        needs=needs_of(found.device, found.memory, found.memory_free, found.fits),
        fits=found.fits,
        command=f"{workbench.settings.command} {command(source, task.options)}",
    )

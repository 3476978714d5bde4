"""The form that draws a queue: what is offered, what the chances would be, the draw itself."""

import shlex
from typing import Any

import gradio as gr

from cai_app.errors import CaiError, InputError
from cai_app.records import Queue
from cai_app.workbench import Workbench
from cai_app.workbench.audit import QueuePlan
from components.shared import sentence, whole
from components.spotcheck import queues

EVERYWHERE = ("everywhere", "")
RULES = (
    ("uniform", "uniform"),
    ("by AI confidence", "confidence"),
    ("by principle", "principle"),
    ("by disagreement", "disagreement"),
)
_WHY = {
    "uniform": "the same for all",
    "confidence": "the less sure the AI was, the greater",
    "principle": "greater the rarer the principle that was asked",
    "disagreement": "greater the further the two orders, or the principles, lie apart",
}
WHICHEVER = ("the one that has scored most of them", "auto")
NOBODY = ("none", "none")
_UNSCORED = (
    " No preference model has scored these pairs, so only orders and principles count. To hold the "
    "judge against one, label the same pairs with it as the model: Data, Label, pocket@pm."
)


def offer(workbench: Workbench, *form: Any) -> tuple[Any, ...]:
    """Choices of AI raters, sources and preference models as they are now, and the sentence on the
    chances."""
    ai, source, *rest, pm = form
    try:
        raters, sources = workbench.spotchecks.raters(), workbench.spotchecks.sources()
        models = workbench.spotchecks.preference_models()
    except CaiError as error:
        return gr.skip(), gr.skip(), gr.skip(), {"state": "failed", "message": sentence(error)}
    listed = [(f"{name} · {count:,}", id) for id, name, count in raters]
    known = {id for _, id in listed}
    chosen = ai if ai in known else next((id for _, id in listed), None)
    offered = [EVERYWHERE, *((name, name) for name in sources)]
    where = source if source in {"", *sources} else ""
    scored = [WHICHEVER, *((name, id) for id, name in models), NOBODY]
    against = pm if pm in {id for _, id in scored} else WHICHEVER[1]
    return (
        gr.update(choices=listed, value=chosen),
        gr.update(choices=offered, value=where),
        gr.update(choices=scored, value=against),
        explain(workbench, chosen, where, *rest, against),
    )


def explain(workbench: Workbench, *form: Any) -> dict[str, Any]:
    """What drawing would do as the form stands, in a sentence, and the same as a command."""
    try:
        if not form[0]:
            return {"state": "empty"}
        ai, wanted = read_form(workbench, *form)
        plan = workbench.spotchecks.plan(ai, wanted)
    except CaiError as error:
        return {"state": "failed", "message": sentence(error)}
    return {
        "state": "ready",
        "message": said(plan, wanted),
        "command": f"{workbench.settings.command} {command(ai, wanted)}",
    }


def draw(workbench: Workbench, *form: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Draw the queue; the list then shows it. The name is free for the next one."""
    if not form[0]:
        raise InputError("no AI has labelled anything yet; label some pairs first")
    ai, wanted = read_form(workbench, *form)
    made = workbench.spotchecks.draw(ai, wanted)
    return explain(workbench, *form), {"drawn": made.id}, ""


def read_form(
    workbench: Workbench,
    ai: str,
    source: str,
    rule: str,
    count: float | None,
    name: str,
    overlap: float,
    repeats: float,
    floor: float,
    reveal: str,
    seed: float | None,
    pm: str | None,
) -> tuple[str, Queue]:
    """The rater and the queue that a form asks for. Raises InputError for what is no number."""
    if count is None or count < 1:
        raise InputError(f"draw {count} pairs? Give a whole number from 1 up")
    named = " ".join((name or "").split()) or workbench.spotchecks.next_name()
    wanted = Queue(
        name=named[:80],
        ai="",
        rule=rule,
        wanted=int(count),
        floor=floor,
        seed=whole(seed),
        overlap=overlap,
        repeats=repeats,
        reveal="item" if reveal == "item" else "end",
        source=source or None,
        pm=pm or WHICHEVER[1],
    )
    return ai, wanted


def said(plan: QueuePlan, wanted: Queue) -> str:
    """What the chances are, in words."""
    low, high = queues.percent(plan.low), queues.percent(plan.high)
    span = f"a chance of {low}" if low == high else f"a chance between {low} and {high}"
    floor = "" if wanted.rule == "uniform" else f", never under {wanted.floor:g} of the average"
    why = _WHY[wanted.rule] + (_apart(plan) if wanted.rule == "disagreement" else "")
    lacking = wanted.rule == "disagreement" and plan.pm is None and wanted.pm != NOBODY[1]
    return (
        f"About {plan.expected:.0f} of {plan.pool:,} labelled pairs. Each is drawn by itself with "
        f"{span}: {why}{floor}. The chance is kept with the pair, and every figure weighs a pair "
        f"by one over it, so that the sample stands for all of them.{_UNSCORED if lacking else ''}"
    )


def _apart(plan: QueuePlan) -> str:
    """That a preference model counts, too."""
    if plan.pm is None:
        return ""
    part = "" if plan.scored == plan.pool else f", which has scored {plan.scored:,} of them"
    return f", and the further the AI is from {plan.pm}{part}"


def command(ai: str, wanted: Queue) -> str:
    """The same on the command line, after the program's name."""
    usual = Queue(name="", ai="", rule="uniform", wanted=50, pm=WHICHEVER[1])
    options: list[str] = ["--ai", ai, "--name", wanted.name]
    for option, name in (
        ("source", "source"), ("rule", "rule"), ("n", "wanted"), ("overlap", "overlap"),
        ("repeats", "repeats"), ("floor", "floor"), ("reveal", "reveal"), ("seed", "seed"),
        ("pm", "pm"),
    ):  # fmt: skip
        value = getattr(wanted, name)
        if value != getattr(usual, name):
            options += [f"--{option}", f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(["spotcheck", "draw", *options])

"""What the measuring part does: run a measurement on what the cards say, stream it, stop it."""

import contextlib
import json
import logging
from collections.abc import Generator, Iterator
from typing import Any, Literal, NamedTuple

import gradio as gr

from cai_app import judge
from cai_app.constitution import Constitution, from_data
from cai_app.errors import CaiError, InputError
from cai_app.judge import Measured
from cai_app.records import Record
from cai_app.workbench import Workbench
from cai_app.workbench.comparisons import BUILT_IN, SAVED
from components.shared import Pace, check_open_to, person, sentence, whole

log = logging.getLogger(__name__)

Kind = Literal["effect", "ablate", "invert", "conflicts"]
SAVED_VERSION = ""
# Rows that travel while it runs, and at the end; the command line prints all of them.
FEW, MANY = 30, 400
MOST_PAIRS = 5000
# Outputs: the results, Measure, Stop.
Update = tuple[Any, Any, Any]


class EffectView(Record):
    """The value of the results component, as plain JSON in the browser."""

    state: Literal["empty", "waiting", "running", "stopped", "failed", "done"] = "empty"
    kind: Kind = "effect"
    message: str = ""
    about: dict[str, Any] = {}
    result: dict[str, Any] | None = None


class Asked(Record):
    """What the editor's script sends along: the cards, what they are edits of, own negations."""

    document: dict[str, Any] | None
    spec: str
    hash: str = ""
    error: str | None = None
    negations: dict[str, str] = {}


class Plan(NamedTuple):
    """One measurement: what, on which comparisons, by which judge."""

    kind: Kind
    old: Constitution
    new: Constitution
    model: str
    source: str
    limit: int
    few_shot: int


def measure(
    workbench: Workbench,
    sent: str,
    kind: Kind,
    against: str,
    model: str,
    source: str,
    count: float,
    few_shot: int,
    request: gr.Request | None = None,
) -> Iterator[Update]:
    """Measure what the cards say; yields the result as it grows.

    Whoever asks reads what the AI says of saved pairs, so these leave their spot-checks.
    """
    view = EffectView(kind=kind, state="waiting")
    try:
        asked = _asked(sent)
        check_open_to(workbench, model, against or asked.spec)
        plan = Plan(
            kind=kind,
            old=workbench.constitution(against or asked.spec),
            new=from_data(asked.document, "the cards"),
            model=model,
            source=source,
            limit=min(MOST_PAIRS, max(1, whole(count, "number of comparisons"))),
            few_shot=few_shot,
        )
        view = view.model_copy(update=_about(workbench, plan))
        yield _shown(view, busy=True)
        noted: set[str] = set()
        with contextlib.closing(_views(view, _results(workbench, asked, plan))) as views:
            for view in views:
                if plan.source == SAVED and not workbench.read_only:
                    _saw(workbench, request, view, noted)
                yield _shown(view, busy=view.state != "done")
    except Exception as error:
        failed = {"state": "failed", "message": sentence(error)}
        yield _shown(view.model_copy(update=failed), busy=False)
        raise


def _views(
    view: EffectView, results: Generator[Measured, None, None]
) -> Generator[EffectView, None, None]:
    """What is shown of a measurement, some of it while it grows; the last one is whole."""
    pace = Pace(4.0)
    found: Measured | None = None
    with contextlib.closing(results):
        for found in results:
            if pace.due():
                yield _grown(view, found, FEW, state="running")
    assert found is not None
    yield _grown(view, found, MANY, state="done")


def _saw(
    workbench: Workbench, request: gr.Request | None, view: EffectView, noted: set[str]
) -> None:
    """That whoever asks is about to read what the AI says of these saved pairs. Each is `noted`
    once; what goes wrong is logged, as in `saw`."""
    result = view.result or {}
    parts = (*result.get("principles", ()), *result.get("pairs", ()))
    rows = [*result.get("rows", ()), *(one for part in parts for one in part.get("examples", ()))]
    fresh = sorted({str(row["comparison"]) for row in rows} - noted)
    try:
        workbench.spotchecks.saw_answers(person(getattr(request, "username", None)), fresh)
        noted.update(fresh)
    except CaiError as error:
        log.warning("what was seen is not noted: %s", error)


def stop(workbench: Workbench, value: dict[str, Any] | None) -> Update:
    """Keep what is there; the measurement itself was cancelled by the same click."""
    view = EffectView.model_validate(value) if value else EffectView()
    if view.state not in ("running", "waiting"):
        return gr.skip(), gr.update(interactive=True), gr.update(interactive=False)
    told = {"state": "stopped", "message": "Stopped. What was measured so far is kept."}
    return _shown(view.model_copy(update=told), busy=False)


def against_choices(workbench: Workbench) -> list[tuple[str, str]]:
    """What the cards can be compared with."""
    known = [(f"{one.title} ({one.name})", one.name) for one in workbench.constitutions()]
    return [("the version they are edits of", SAVED_VERSION), *known]


def kind_changed(workbench: Workbench, kind: Kind) -> Any:
    """Only an effect compares with something."""
    return gr.update(visible=kind == "effect")


def _asked(sent: str) -> Asked:
    try:
        asked = Asked.model_validate(json.loads(sent))
    except (TypeError, ValueError) as error:
        raise InputError("the editor has not loaded yet; wait a moment, and measure again") from (
            error
        )
    if asked.error or asked.document is None:
        raise InputError(f"the cards cannot be measured yet: {asked.error or 'nothing is open'}")
    return asked


def _about(workbench: Workbench, plan: Plan) -> dict[str, Any]:
    """What the page says of the measurement before there is a result."""
    ready = any(one.spec == plan.model and one.state == "ready" for one in workbench.models())
    old, new = plan.old, plan.new
    sides = {"new": new.name, "new_hash": new.hash}
    if plan.kind == "effect":
        sides |= {"old": old.name, "old_hash": old.hash}
    used = (old, new) if plan.kind == "effect" else (new,)
    hazards = ", ".join(dict.fromkeys(one.title for one in used if one.hazard))
    return {
        "about": {**sides, "model": plan.model, "hazards": hazards},
        "message": "Asking the judge…" if ready else f"Loading the weights of {plan.model}…",
    }


def _results(workbench: Workbench, asked: Asked, plan: Plan) -> Generator[Measured, None, None]:
    """The measurement that was asked for, as it grows."""
    shop, new = workbench.workshop, plan.new
    if plan.source not in (BUILT_IN, SAVED):
        raise InputError(f"There is no set of comparisons {plan.source}")
    if plan.kind == "effect" and new.hash == plan.old.hash:
        raise InputError(
            "the cards say what that version says, so nothing would change; edit a card, or "
            "compare with another constitution"
        )
    turned = shop.turned(new, asked.negations) if plan.kind == "invert" else []
    pairs = shop.pairs(plan.source, limit=plan.limit)
    scores = shop.scores(plan.model, plan.few_shot)
    if plan.kind == "effect":
        yield from judge.effect(scores, pairs, plan.old, new)
    elif plan.kind == "ablate":
        yield from judge.ablate(scores, pairs, new)
    elif plan.kind == "invert":
        yield from judge.invert(scores, pairs, turned)
    else:
        yield from judge.conflicts(scores, pairs, new)


def _grown(view: EffectView, found: Measured, rows: int, *, state: str) -> EffectView:
    result = found.model_dump(mode="json")
    if len(result.get("rows", ())) > rows:
        points = [[row.get("p_old", row.get("p")), row.get("p_new", row.get("p_inverted"))]
                  for row in result["rows"]]  # fmt: skip
        result["points"] = points
        result["rows"] = result["rows"][:rows]
    return view.model_copy(update={"state": state, "result": result, "message": ""})


def _shown(view: EffectView, *, busy: bool) -> Update:
    buttons = gr.update(interactive=not busy), gr.update(interactive=busy)
    return view.model_dump(mode="json"), *buttons

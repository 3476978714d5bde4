"""The Agreement tab: who can be audited against whom, the report, its rows to read, its file."""

import itertools
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
from pydantic import ValidationError

from cai_app.errors import CaiError, InputError
from cai_app.records import AuditKind, AuditOptions, AuditReport, Rater
from cai_app.workbench import Workbench
from components.agreement.view import PUBLISHED, Agreement, Line, Step
from components.shared import person, sentence

SERIALS = itertools.count(1)
MOST_ROWS = 200
_WORDS: dict[AuditKind, str] = {"preference": "", "refusal": "refusals: "}
Choices = list[tuple[str, str]]


def opened(workbench: Workbench, *form: Any) -> Iterator[tuple[Any, ...]]:
    """The tab is looked at: who is there now, and the report as the form stands."""
    listed = [gr.update(choices=choices) for choices in _choices(workbench)]
    for view, question in show(workbench, *form):
        yield (*listed, view, question)
        listed = [gr.skip()] * 3


def show(workbench: Workbench, *form: Any) -> Iterator[tuple[Any, Any]]:
    """The report that the form asks for, and the questions that can be asked for."""
    yield {"state": "working"}, gr.skip()
    try:
        asked = read_form(*form)
        yield _shown(workbench, asked), gr.update(choices=_questions(workbench, asked))
    except CaiError as error:
        missing = _missing(workbench)
        state = "failed" if all(one.done for one in missing) else "empty"
        view = Agreement(state=state, steps=missing, message=sentence(error), serial=next(SERIALS))
        yield view.model_dump(mode="json"), gr.skip()


def read_form(
    ai: str, people: Sequence[str], queue: str, question: str, where: str, width: float
) -> AuditOptions:
    """The form's values. `ai` is a kind of label and a rater's id; empty takes who shares most."""
    kind, _, id = (ai or "").rpartition("|")
    try:
        return AuditOptions(
            kind=kind or "preference",
            ai=id or None,
            human=",".join(people or ()) or None,
            queue=queue or None,
            question=question or None,
            slice=(where or "").strip() or None,
            width=width / 100,
        )
    except ValidationError as error:
        raise InputError("the form holds something that is no audit; reload the page") from error


def command(asked: AuditOptions) -> str:
    """The same in a terminal, after the program's name."""
    given = asked.model_dump(exclude_defaults=True)
    options = [f"--{name} {shlex.quote(str(value))}" for name, value in given.items()]
    return " ".join(("audit", *options))


def rows(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Answers in a cell of the confusion table; pairs that are shown leave this person's queues."""
    cell, limit = (asked.get("ai"), asked.get("human")), asked.get("limit")
    if not {*cell} <= {"first", "tie", "second"} or type(limit) is not int:
        raise InputError("there is no such cell; reload the page")
    found = workbench.audit_cell(
        _asked(asked),
        str(cell[0]),
        str(cell[1]),
        limit=min(max(limit, 1), MOST_ROWS),
        reader=person(who),
    )
    return found.model_dump(mode="json")


def file(workbench: Workbench, asked: dict[str, Any], who: str) -> str:
    """The report as one HTML file; pairs that it shows leave this person's queues."""
    return workbench.audit_page(_asked(asked), reader=person(who))


def _asked(payload: dict[str, Any]) -> AuditOptions:
    try:
        return AuditOptions.model_validate(payload.get("asked"))
    except ValidationError as error:
        raise InputError("this page asked for a report in an unknown way; reload it") from error


def _shown(workbench: Workbench, asked: AuditOptions) -> dict[str, Any]:
    found = workbench.audit(asked)
    view = Agreement(
        state="ready",
        asked=asked.model_dump(mode="json"),
        report=found,
        names=tuple(map(name, (found.ai, *(one.rater for one in found.beside)))),
        people=tuple(str(one.name) for one in found.human),
        published=_published(found),
        command=f"{workbench.settings.command} {command(asked)}",
        serial=next(SERIALS),
    )
    return view.model_dump(mode="json")


def _published(found: AuditReport) -> tuple[Line, ...]:
    """Nothing that pocket does is to be held against what people did on real tasks."""
    pocket = (found.ai.backend or "").startswith("pocket")
    real = found.kind == "preference" and found.against == "human" and not pocket
    return PUBLISHED if real else ()


def name(rater: Rater) -> str:
    """A rater in a few words, with the constitution's version where there is one."""
    under = rater.constitution
    parts = [
        str(rater.name or rater.backend),
        f"under {under.name} {under.hash[:6]}" if under else "",
        "reasoned" if rater.cot else "",
        {"preference_model": "preference model", "reference": "reference rule"}.get(rater.kind, ""),
    ]
    return " · ".join(filter(None, parts))


def _choices(workbench: Workbench) -> tuple[Choices, Choices, Choices]:
    """Audited raters, people (and rules), queues."""
    from cai_app.store import audit_raters

    store = workbench.store
    kinds: tuple[AuditKind, ...] = ("preference", "refusal")
    found = {kind: audit_raters.raters(store, kind) for kind in kinds}
    audited = [
        (f"{_WORDS[kind]}{name(one.rater)} · {one.comparisons:,}", f"{kind}|{one.rater.id}")
        for kind in kinds
        for one in found[kind]
        if one.rater.kind != "human" or kind == "refusal"
    ]
    against = {
        one.rater.id: f"{name(one.rater)} · {one.comparisons:,}"
        for kind in kinds
        for one in found[kind]
        if one.rater.kind in ("human", "reference")
    }
    queues = [(one.name, one.id) for one in store.queues.all()]
    return (
        [("who shares most with the people", ""), *audited],
        [(text, id) for id, text in against.items()],
        [("the newest with answers", ""), ("none: labels from anywhere", "none"), *queues],
    )


def _questions(workbench: Workbench, asked: AuditOptions) -> Choices:
    return [("every question", ""), *((one, one) for one in workbench.audit_questions(asked))]


def _missing(workbench: Workbench) -> tuple[Step, ...]:
    """What there has to be before anything can be compared, in the order of doing it."""
    from cai_app.store import audit_raters

    store = workbench.store
    raters = [
        one.rater for kind in ("preference", "refusal") for one in audit_raters.raters(store, kind)
    ]
    compared = store.comparisons.count() > 0
    labelled = any(one.kind in ("ai", "preference_model") for one in raters)
    people = any(one.kind == "human" for one in raters)
    return (
        Step(
            title="Get comparisons",
            text="Import a file that people have labelled, such as HH-RLHF, or write pairs of "
            "answers to a list of prompts.",
            done=compared or people,
            tab="Data",
            button="Open Data",
        ),
        Step(
            title="Let an AI label them",
            text="A label run judges every comparison under a constitution, in both orders.",
            done=labelled,
            tab="Data",
            button="Open Data",
        ),
        Step(
            title="Let people say what they think",
            text="Import their labels with the file, or draw a blind spot-check and rate a few "
            "pairs: a hundred are enough for a first answer.",
            done=people,
            tab="Spot-check",
            button="Draw a spot-check",
        ),
    )

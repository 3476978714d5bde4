"""One row, whole: its texts as cards, its labels, and what lies behind it."""

import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from cai_app.errors import CaiError, InputError
from cai_app.records import Comparison, Label, Response, Step, Transcript
from cai_app.workbench import Workbench
from cai_app.workbench.lineage import version
from cai_app.workbench.words import word_diff
from components.data.rows import model_name, rater_name, value_of
from components.data.view import NOUNS, Card, Fact, LabelLine, Noun, Reading
from components.shared import saw, sentence, text_of

log = logging.getLogger(__name__)

# Opening the same row twice is two answers.
SERIALS = itertools.count(1)
# Labels of a row that are shown; the table has the others.
MOST_LABELS = 50


def open_row(
    workbench: Workbench, event: gr.EventData, request: gr.Request | None = None
) -> dict[str, Any]:
    """The row that was clicked; what goes wrong is told in its place.

    Whoever reads what an AI said of a pair will not be asked about it in a spot-check.
    """
    noun, id = text_of(event, "noun", 20), text_of(event, "id", 300)
    serial = next(SERIALS)
    try:
        if noun not in NOUNS:
            raise InputError(f"there are no {noun or 'rows of that kind'} here; reload the page")
        view = _READERS[noun](workbench, id)
        if noun == "comparisons" and view.labels:
            saw(workbench, request, view.prompt, [card.text for card in view.cards])
        found = view.model_copy(
            update={"state": "ready", "noun": noun, "id": id, "lineage": workbench.lineage(id)}
        )
    except Exception as error:
        if not isinstance(error, CaiError):
            log.exception("reading %s %s failed", noun, id)
        known: Noun = noun if noun in NOUNS else "responses"  # type: ignore[assignment]
        found = Reading(state="failed", noun=known, id=id, message=sentence(error))
    return found.model_copy(update={"serial": serial}).model_dump(mode="json")


def pair(workbench: Workbench, value: dict[str, Any]) -> tuple[Any, ...]:
    """Two texts for the Judge tab: prompt, A, B, and the open tab."""
    view = Reading.model_validate(value)
    answers = [card.text.strip() for card in view.cards if card.kind != "critique"]
    if len(answers) < 2:
        raise InputError("this row has no two texts to compare; open a comparison or a transcript")
    return view.prompt, answers[0], answers[-1], gr.update(selected="judge")


def _record(workbench: Workbench, noun: str, id: str) -> Any:
    found = getattr(workbench.store, noun).get([id]).get(id)
    if found is None:
        raise InputError(f"there is no row {id} among the {noun}; it may be of another home")
    return found


def _response(workbench: Workbench, id: str) -> Reading:
    row: Response = _record(workbench, "responses", id)
    card = Card(kind="plain", title="Response", text=row.text)
    facts = (
        Fact(name="model", value=model_name(row.model, row.adapter) or "unknown"),
        Fact(name="seed", value="" if row.seed is None else str(row.seed)),
        Fact(name="source", value=row.source or ""),
    )
    return Reading(prompt=row.prompt, cards=(card,), facts=_told(facts),
                   labels=_labels(workbench, id))  # fmt: skip


def _comparison(workbench: Workbench, id: str) -> Reading:
    row: Comparison = _record(workbench, "comparisons", id)
    cards = tuple(
        Card(kind=kind, title=f"Response {kind.upper()}", text=side.text,
             meta=model_name(side.model, side.adapter))
        for kind, side in (("a", row.a), ("b", row.b))
    )  # fmt: skip
    facts = _told((Fact(name="source", value=row.source or ""),))
    return Reading(prompt=row.prompt, cards=cards, facts=facts, labels=_labels(workbench, id),
                   pair=True)  # fmt: skip


def _transcript(workbench: Workbench, id: str) -> Reading:
    row: Transcript = _record(workbench, "transcripts", id)
    answers = sum(step.kind != "critique" for step in row.steps)
    facts = (
        Fact(name="model", value=model_name(row.backend, row.adapter)),
        Fact(name="constitution", value=f"{row.constitution.name}@{row.constitution.hash}"),
        Fact(name="seed", value=str(row.seed)),
        Fact(name="temperature", value=f"{row.temperature:g}"),
        Fact(name="few-shots", value=str(row.few_shot)),
    )
    cards = tuple(_step(row.steps, n) for n in range(len(row.steps)))
    return Reading(prompt=row.prompt, cards=cards, facts=facts, pair=answers > 1)


def _step(steps: tuple[Step, ...], n: int) -> Card:
    step = steps[n]
    before = [one.text for one in steps[:n] if one.kind != "critique"]
    changed = step.kind == "revision" and before
    tokens = f"{step.tokens} tokens" if step.tokens else ""
    parts = (f"principle: {step.principle}" if step.principle else "", tokens)
    return Card(
        kind=step.kind,
        title=step.kind.capitalize() + (f" {step.round}" if step.round else ""),
        text=step.text.strip(),
        meta=" · ".join(filter(None, parts)),
        request=step.request or "",
        flags=step.flags,
        diff=word_diff(before[-1].strip(), step.text.strip()) if changed else None,
    )


def _label(workbench: Workbench, id: str) -> Reading:
    row: Label = _record(workbench, "labels", id)
    under, about = row.rater.constitution, f"{row.about}s"
    asked = [
        Fact(name=f"P(A), {one.first.upper()} shown first",
             value=one.unscored_reason or f"{one.p_a:.3f}" if one.p_a is not None
             else one.unscored_reason or "unscored")
        for one in row.orders
    ]  # fmt: skip
    facts = (
        Fact(name=row.kind, value=value_of(row)),
        Fact(name="unscored, as", value=row.unscored_reason or ""),
        *asked,
        Fact(name="about", value=f"{row.about} {row.subject}", noun=about, id=row.subject),
        Fact(name="rater", value=rater_name(row.rater)),
        Fact(name="constitution", value=f"{under.name}@{under.hash}" if under else ""),
        Fact(name="principle", value=row.principle or ""),
        Fact(name="question", value=row.question or ""),
        Fact(name="seed", value="" if row.seed is None else str(row.seed)),
        Fact(name="time", value=row.time.isoformat(" ", "seconds") if row.time else ""),
    )
    reasons = tuple(
        Card(kind="plain", title=f"Reasoning, {one.first.upper()} shown first", text=one.rationale)
        for one in row.orders
        if one.rationale
    )
    return Reading(facts=_told(facts), cards=reasons)


def _run(workbench: Workbench, id: str) -> Reading:
    info = workbench.runs.read(id)
    facts = (
        Fact(name="kind", value=info.kind),
        Fact(name="state", value=info.state),
        Fact(name="error", value=info.error or ""),
        Fact(name="folder", value=info.path),
    )
    return Reading(facts=_told(facts), config=workbench.runs.config_text(id))


_READERS: dict[str, Callable[[Workbench, str], Reading]] = {
    "responses": _response,
    "comparisons": _comparison,
    "transcripts": _transcript,
    "labels": _label,
    "runs": _run,
}


def _told(facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
    return tuple(fact for fact in facts if fact.value)


def _labels(workbench: Workbench, subject: str) -> tuple[LabelLine, ...]:
    """The newest labels about a row."""
    current = workbench.current_versions()
    found = workbench.store.labels.of(subject)[-MOST_LABELS:]
    return tuple(_label_line(label, current) for label in reversed(found))


def _label_line(label: Label, current: Mapping[str, str]) -> LabelLine:
    under = label.rater.constitution
    return LabelLine(
        id=label.id,
        rater=rater_name(label.rater),
        kind=label.kind,
        value=value_of(label) if label.value is not None else f"unscored: {label.unscored_reason}",
        principle=label.principle or "",
        version=version(under, current) if under else None,
    )

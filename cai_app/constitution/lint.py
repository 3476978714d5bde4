"""What is worth a second look in a constitution: each finding with its reason and the words.

A finding is advice, but for `error`: such a constitution cannot be used as it is.
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import combinations
from typing import Literal

from pydantic import Field

from cai_app.constitution import words
from cai_app.constitution.model import STAGES, TEXTS, Constitution, Principle, Stage, drawable
from cai_app.constitution.parsing import problems
from cai_app.records import Record

Severity = Literal["error", "warning", "note"]
Rule = Literal[
    "invalid", "near-duplicate", "double-negation", "names-option", "leaks-answer",
    "rewards-harm", "rewards-persuasion", "rewards-refusal", "all-off", "missing-twin",
    "placeholder",
]  # fmt: skip
Span = tuple[int, int]
# Two texts of one set that share this much are one principle written twice.
ALIKE = 0.9


class Finding(Record):
    """One thing worth a look. `spans` are the offending words in the text of `field`."""

    rule: Rule
    severity: Severity = "warning"
    stage: Stage | None = None
    index: int | None = None
    id: str | None = None
    field: str | None = None
    message: str
    spans: tuple[Span, ...] = ()
    words: tuple[str, ...] = Field(default=())


def lint(constitution: Constitution) -> list[Finding]:
    """Everything found, errors first, then in the order of the document."""
    found = [*_invalid(constitution), *_tags(constitution)]
    for stage in STAGES:
        principles = constitution.of(stage)
        for index, principle in enumerate(principles):
            for field in TEXTS[stage]:
                found += _text(principle, stage, index, field)
        found += _alike(principles, stage)
    order = ("error", "warning", "note")
    place = {stage: n for n, stage in enumerate(STAGES)}
    return sorted(
        found,
        key=lambda one: (
            order.index(one.severity),
            place.get(one.stage, -1) if one.stage else -1,
            one.index or 0,
        ),
    )


def _invalid(constitution: Constitution) -> Iterator[Finding]:
    """What keeps it from being used: empty or doubled ids, empty texts, tags of the dialogue."""
    for place, problem in problems(constitution):
        told = Finding(rule="invalid", severity="error", message=problem)
        if len(place) < 2:
            yield told.model_copy(update={"field": str(place[0]) if place else None})
            continue
        stage, index, field = place
        principle = getattr(constitution, str(stage))[index]
        where = {"stage": stage, "index": index, "id": principle.id, "field": field}
        yield told.model_copy(update=where)


def _text(principle: Principle, stage: Stage, index: int, field: str) -> Iterator[Finding]:
    """What single words or phrases give away, one finding a rule."""
    text = getattr(principle, field)
    for rule, message, spans in words.suspicions(text, field):
        yield Finding(
            rule=rule,  # type: ignore[arg-type]
            stage=stage,
            index=index,
            id=principle.id,
            field=field,
            message=message,
            spans=spans,
            words=tuple(text[start:end] for start, end in spans),
        )


def _alike(principles: Sequence[Principle], stage: Stage) -> Iterator[Finding]:
    """Texts of one set that say nearly the same, told at the later one; only of principles that
    can be drawn, as the others count for nothing."""
    field = TEXTS[stage][0]
    plain = [words.plain(getattr(one, field)) for one in principles]
    bags = [set(text) for text in plain]
    able = [index for index, one in enumerate(principles) if drawable([one])]
    for first, later in combinations(able, 2):
        shared, every = len(bags[first] & bags[later]), len(bags[first] | bags[later])
        # The bag of words is the quick look; only likely pairs are compared in order.
        if not every or shared / every < ALIKE - 0.2:
            continue
        likeness = SequenceMatcher(None, plain[first], plain[later], autojunk=False).ratio()
        if likeness >= ALIKE:
            text = getattr(principles[later], field)
            same = plain[first] == plain[later]
            yield Finding(
                rule="near-duplicate",
                stage=stage,
                index=later,
                id=principles[later].id,
                field=field,
                message=f"{'says the same as' if same else 'is nearly'} '{principles[first].id}', "
                "so it counts twice in the draw; reword it, or give one of them more weight",
                spans=((0, len(text)),),
                words=(text,),
            )


def _tags(constitution: Constitution) -> Iterator[Finding]:
    """Tags that one set covers and the other does not, and tags whose principles are all off."""
    having = {stage: _tagged(constitution.of(stage)) for stage in STAGES}
    able = {stage: _tagged(drawable(constitution.of(stage))) for stage in STAGES}
    for stage in STAGES:
        other: Stage = "preference" if stage == "supervised" else "supervised"
        for tag, index in having[stage].items():
            told = Finding(
                rule="all-off",
                stage=stage,
                index=index,
                id=constitution.of(stage)[index].id,
                field="tags",
                message=f"every {stage} principle tagged '{tag}' is off or has weight 0, so "
                f"nothing covers {tag}; switch one on",
                words=(tag,),
            )
            if tag not in able[stage]:
                yield told
            elif constitution.of(other) and tag not in having[other]:
                yield told.model_copy(
                    update={
                        "rule": "missing-twin",
                        "severity": "note",
                        "message": f"no {other} principle is tagged '{tag}': what one stage asks "
                        "for, the other does not",
                    }
                )


def _tagged(principles: Sequence[Principle]) -> dict[str, int]:
    """Each tag with the first principle that has it."""
    found: dict[str, int] = {}
    for index, principle in enumerate(principles):
        for tag in principle.tags:
            found.setdefault(tag, index)
    return found

"""Segments of a document: text, its weight in the loss, and marks of what it should have told.

Marks tell training what a reader should have understood by some place in the text; the words
alone say so only at the very end.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import NamedTuple

from cai_app.pocket import replies
from cai_app.pocket.principles import Wording
from cai_app.pocket.replies import Reply

TEMPLATES = Path(__file__).resolve().parents[2] / "data" / "templates"
WRITTEN, ASIDE, QUOTED, VERDICT = 1.0, 0.1, 0.0, 4.0
KNOWN = 0.4  # what a quoted reply says of an act
OPENING = 4  # words with which a part of a reply begins, by habit
PARTS = (*replies.FACETS, *("decline", "answer", "tip", "evade", "vague", "preach", "brand"))
FOUND = ("fine", *replies.FACETS, "preach", "evade", "brand")


class Mark(NamedTuple):
    """What is known once a segment is read up to character `end`.

    `head` says what: "part", what sort of part has just ended (index into PARTS); "asked", which
    aspect a principle is about and whether the worse is wanted (2 × index into ASPECTS + worse);
    "worth", how good the reply is up to here, as asked; "act", which act is asked for (index into
    the world's acts); "kind", of what sort that is (index into SORTS); "found", the first fault
    that a critique of the response should name (index into FOUND).
    """

    end: int
    head: str
    value: float


@dataclass(frozen=True)
class Segment:
    """A stretch of text and the weight of its tokens in the loss."""

    text: str
    weight: float
    # Where the text is one of two letters: the known chance of this one, learned as a soft target.
    chance: float | None = None
    marks: tuple[Mark, ...] = ()
    # Stretches (from, to) that weigh KNOWN, whatever the rest weighs.
    known: tuple[tuple[int, int], ...] = ()


Document = list[Segment]


@dataclass(frozen=True)
class Shipped:
    """The few-shots the program ships, rendered as prompts render them."""

    critique: str = ""
    direct: str = ""
    judge: str = ""
    cot: str = ""


@cache
def _template(name: str) -> Template:
    return Template((TEMPLATES / f"{name}.txt").read_text(encoding="utf-8"))


def form(name: str, **values: str) -> str:
    """One of the program's templates, filled."""
    return _template(name).substitute(values)


def part_marks(reply: Reply, start: int) -> tuple[Mark, ...]:
    """Where each part of a reply that begins at `start` ends, and of what sort it is."""
    ends = itertools.accumulate((len(part.text) + 1 for part in reply.parts), initial=start)
    return tuple(
        Mark(end - 1, "part", PARTS.index(part.kind))
        for part, end in zip(reply.parts, itertools.islice(ends, 1, None), strict=True)
    )


def options(question: str, pair: Sequence[Reply]) -> list[tuple[Reply, int]]:
    """The responses of a judge's question, each with where it begins there."""
    found, start = [], 0
    for reply in pair:
        start = question.index("[[[" + reply.text, start) + 3
        found.append((reply, start))
    return found


def known_stretches(reply: Reply, start: int) -> tuple[tuple[int, int], ...]:
    """How each part of a quoted reply that begins at `start` goes on after its first words.

    How a part begins is the assistant's habit, which what is quoted must not teach; but what can
    be said of an act is the same wherever it is said.
    """
    found = []
    for part in reply.parts:
        opening = " ".join(part.text.split(" ")[:OPENING])
        found.append((start + len(opening), start + len(part.text)))
        start += len(part.text) + 1
    return tuple((begin, end) for begin, end in found if begin < end)


def asked_marks(request: str, wording: Wording, before: str = "") -> tuple[Mark, ...]:
    """What a request asks about, known at its end (or where `before` ends)."""
    end = request.index(before) + len(before) if before else len(request.rstrip())
    return (Mark(end, "asked", 2 * replies.ASPECTS.index(wording.aspect) + wording.worse),)

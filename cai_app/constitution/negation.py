"""The opposite of a comparison question: by hand for the shipped ones, else proposed by rule."""

import re

from cai_app.constitution.library import load, shipped_names
from cai_app.constitution.model import Constitution
from cai_app.errors import InputError
from cai_app.records import Record
from cai_app.settings import Settings

# The constitution that holds the hand-written ones, each with this before the id that it negates.
INVERTED = "inverted"
PREFIX = "inverted-"
_OPPOSITES = (
    ("more", "less"), ("most", "least"), ("fewer", "more"), ("less", "more"), ("least", "most"),
    ("better", "worse"), ("best", "worst"), ("worse", "better"), ("worst", "best"),
    ("smaller", "bigger"), ("larger", "smaller"), ("safer", "less safe"), ("kinder", "less kind"),
    ("nicer", "less nice"),
)  # fmt: skip
_TURN = dict(_OPPOSITES)
_WORD = re.compile(r"\b(" + "|".join(_TURN) + r")\b", re.IGNORECASE)
_AS_AS = re.compile(r"\bas ((?:\w+,? )*(?:and )?\w+) as possible\b", re.IGNORECASE)


class Negation(Record):
    """A principle's question and its opposite; None where no rule finds one.

    `by_hand`: written and checked by a person. A proposal is to be read before it is used.
    """

    id: str
    question: str
    negated: str | None
    by_hand: bool


def negations(constitution: Constitution, settings: Settings) -> tuple[Negation, ...]:
    """One for each comparison principle, in order."""
    known = _by_hand(settings)
    return tuple(
        Negation(
            id=one.id,
            question=one.question,
            negated=known.get(one.question) or proposed(one.question),
            by_hand=one.question in known,
        )
        for one in constitution.preference
    )


def proposed(question: str) -> str | None:
    """The question turned round by its comparing words; None where it has none."""
    if _AS_AS.search(question):
        return _AS_AS.sub(lambda m: f"as little {m.group(1)} as possible", question)
    turned = _WORD.sub(lambda m: _like(m.group(1), _TURN[m.group(1).lower()]), question)
    return turned if turned != question else None


def _by_hand(settings: Settings) -> dict[str, str]:
    """Questions of shipped constitutions with their hand-written opposites, matched by id."""
    shipped = [name for name in shipped_names(settings) if name != INVERTED]
    try:
        inverted = {one.id: one.question for one in load(INVERTED, settings).preference}
    except InputError:
        return {}
    return {
        one.question: inverted[PREFIX + one.id]
        for name in shipped
        for one in load(name, settings).preference
        if PREFIX + one.id in inverted
    }


def _like(word: str, turned: str) -> str:
    if word.isupper():
        return turned.upper()
    return turned.capitalize() if word[0].isupper() else turned

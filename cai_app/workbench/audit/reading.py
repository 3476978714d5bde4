"""Rows of an audit to read: what was asked, both texts, what the AI and the person said."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cai_app.records import Record
from cai_app.workbench.audit.choosing import Chosen
from cai_app.workbench.audit.confusion import disagreeing, inside
from cai_app.workbench.audit.report import Core

if TYPE_CHECKING:
    from cai_app.store import Store


class Example(Record):
    """One answer with its row. `b` is None for a response; `ai_p` and `human` are about `a`."""

    comparison: str
    prompt: str
    question: str | None
    a: str
    b: str | None
    ai_p: float
    human: float
    rater: str


class Cell(Record):
    """A part of the answers in a cell of the confusion table."""

    ai: str
    human: str
    n: int
    examples: tuple[Example, ...]


def cell(store: "Store", chosen: Chosen, core: Core, ai: str, human: str, *, limit: int) -> Cell:
    """The first so many answers of a cell, with the first side as `a`."""
    places = inside(core.found, core.sides, ai, human)
    shown = _examples(store, chosen, core, [int(one) for one in places[:limit]])
    return Cell(ai=ai, human=human, n=len(places), examples=tuple(shown))


def disagreements(store: "Store", chosen: Chosen, core: Core, *, limit: int) -> list[Example]:
    """Answers on which a person and the AI differ: a sample by id, which is a hash."""
    places = disagreeing(core.found)
    return _examples(store, chosen, core, [int(one) for one in places[:limit]])


def _examples(store: "Store", chosen: Chosen, core: Core, places: Sequence[int]) -> list[Example]:
    from cai_app.store import audit

    found, people = core.found, {one.id: str(one.name) for one in chosen.people}
    ids = {place: str(found.pool.comparison[found.row[place]]) for place in places}
    texts = audit.texts(store, list(ids.values()))
    examples = []
    for place, id in ids.items():
        text, row = texts[id], found.row[place]
        turned = bool(core.sides.turned[row])
        p, human = float(found.ai[place]), float(found.human[place])
        examples.append(
            Example(
                comparison=id,
                prompt=text.prompt,
                question=found.asked[place] or found.pool.question[row],
                a=text.b if turned and text.b is not None else text.a,
                b=text.a if turned else text.b,
                ai_p=1 - p if turned else p,
                human=1 - human if turned else human,
                rater=people[str(found.rater[place])],
            )
        )
    return examples

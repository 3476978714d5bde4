"""Pairs of which one response was chosen: what hh-rlhf, trl and cai-evals have in common."""

from collections.abc import Iterator
from typing import NamedTuple

from cai_app.formats.base import Kept, Labelled, Tally
from cai_app.records import Comparison, Label, Rater, Response

Chosen = tuple[Label, Response, Response]


class Pair(NamedTuple):
    """A chosen and a rejected response to one prompt; `p` is P(the chosen one is better)."""

    prompt: str
    chosen: str
    rejected: str
    model: str | None = None
    source: str | None = None
    question: str | None = None
    p: float = 1.0


def preferred(pair: Pair, rater: Rater) -> tuple[Kept, ...]:
    """The comparison, and the rater's preference as a label about its stored order."""
    chosen, rejected = (
        Response(prompt=pair.prompt, text=text, model=pair.model, source=pair.source)
        for text in (pair.chosen, pair.rejected)
    )
    comparison = Comparison.of(chosen, rejected, source=pair.source)
    label = Label(
        about="comparison",
        subject=comparison.id,
        kind="preference",
        rater=rater,
        value=pair.p if comparison.a.id == chosen.id else 1.0 - pair.p,
        question=pair.question,
    )
    return comparison, label


def chosen_first(found: Labelled, tally: Tally) -> Iterator[Chosen]:
    """Each preference of a comparison with its chosen response first; what has none is counted."""
    if not isinstance(found.subject, Comparison):
        return tally.leave("rows that are no comparison")
    labels = [one for one in found.labels if one.kind == "preference"]
    if not labels:
        return tally.leave("comparisons without a preference")
    pair = found.subject
    for label in labels:
        if label.value is None:
            tally.leave("unscored labels")
        elif label.value == 0.5:
            tally.leave("ties")
        else:
            yield (label, pair.a, pair.b) if label.value > 0.5 else (label, pair.b, pair.a)

"""What a pocket model can do, measured on combinations that training never held.

All sampling is at the method's temperature, 1, behind the few-shots that the page puts there.
"""

import logging
from collections.abc import Callable, Sequence

from cai_app.pocket.measure_critiques import measure_critiques, measure_revisions
from cai_app.pocket.measure_judging import measure_judging, measure_wording
from cai_app.pocket.measure_policies import measure_policies
from cai_app.pocket.measure_reasoning import measure_reasoning
from cai_app.pocket.measure_replies import measure_preambles, measure_replies, measure_sequences
from cai_app.pocket.measure_texts import measure_loss, measure_texts
from cai_app.pocket.tally import UNSEEN, Bench, Tally

__all__ = ["PARTS", "Bench", "Tally", "measure", "pieces"]

log = logging.getLogger(__name__)

Measure = Callable[[Bench, Tally], None]


def _apart(part: Callable[[Bench, Tally, str], None]) -> tuple[Measure, ...]:
    """One piece for each way in which a case is unseen."""

    def piece(suffix: str) -> Measure:
        return lambda bench, tally: part(bench, tally, suffix)

    return tuple(map(piece, UNSEEN))


PARTS: dict[str, tuple[Measure, ...]] = {
    "replies": (measure_replies, measure_preambles),
    "critiques": _apart(measure_critiques),
    "revisions": _apart(measure_revisions),
    "judging": (*_apart(measure_judging), measure_wording),
    "reasoning": (measure_reasoning,),
    "sequences": (measure_sequences,),
    "policies": (measure_policies,),
    "texts": (measure_loss, measure_texts),
}


def pieces(only: Sequence[str] = ()) -> list[tuple[str, int]]:
    """The chosen parts (all) in pieces that can be measured apart: (part, number)."""
    return [
        (name, number)
        for name, measures in PARTS.items()
        if not only or name in only
        for number in range(len(measures))
    ]


def measure(bench: Bench, piece: tuple[str, int]) -> Tally:
    """The outcomes of one piece."""
    name, number = piece
    log.info("measuring %s, %d of %d", name, number + 1, len(PARTS[name]))
    tally = Tally()
    PARTS[name][number](bench, tally)
    return tally

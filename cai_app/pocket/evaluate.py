"""What a pocket model can do, measured on combinations that training never held.

All sampling is at the method's temperature, 1, behind the few-shots that the page puts there.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from cai_app.pocket.measure_critiques import measure_critiques, measure_revisions
from cai_app.pocket.measure_judging import measure_judging, measure_reasoning
from cai_app.pocket.measure_replies import measure_replies, measure_sequences
from cai_app.pocket.tally import Bench, Tally, estimate, slope

__all__ = ["Bench", "Tally", "estimate", "evaluate"]

log = logging.getLogger(__name__)


def evaluate(bench: Bench, *, only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """All keys: {key: {value, ci: [low, high], n, bar, holds}}."""
    parts: dict[str, Callable[[Bench, Tally], None]] = {
        "replies": measure_replies,
        "critiques": measure_critiques,
        "revisions": measure_revisions,
        "judging": measure_judging,
        "reasoning": measure_reasoning,
        "sequences": measure_sequences,
    }
    tally = Tally()
    for name, part in parts.items():
        if not only or name in only:
            log.info("measuring %s", name)
            part(bench, tally)
    scores = {key: estimate(key, rows) for key, rows in tally.rows.items()}
    return scores | {key: slope(pairs) for key, pairs in tally.slopes.items()}

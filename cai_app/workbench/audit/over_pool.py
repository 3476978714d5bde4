"""What people would say of a whole pool, from the part they answered, and how much more they would
have to answer for a narrower interval."""

import numpy as np

from cai_app import agreement
from cai_app.agreement import Estimate, Floats, Sample
from cai_app.records.report import Ci, CorrectedFigures, Figure, Needed
from cai_app.workbench.audit.confusion import Orientation
from cai_app.workbench.audit.matched import Matched, numbers


def corrected(found: Matched, sides: Orientation, seed: int) -> CorrectedFigures:
    """Over the frozen pool: P(human = AI label), and the human preference rate."""
    turned = sides.turned
    score = found.score
    preferred = agreement.turned(found.human, turned[found.row])
    p = agreement.turned(found.pool.p, turned)
    longer = np.log1p(found.pool.a_length) - np.log1p(np.nan_to_num(found.pool.b_length))
    length = np.where(turned, -longer, longer)
    known = [numbers(found, "confidence"), numbers(found, "gap"), np.abs(longer)]
    agreeing = np.column_stack([*known, found.principles])
    return CorrectedFigures(
        agreement=_figure(found, score, agreeing, seed),
        preference=_figure(found, preferred, np.column_stack([p, length]), seed),
        preference_of=sides.of,
    )


def _figure(found: Matched, values: Floats, features: Floats, seed: int) -> Figure | None:
    """Each comparison once: of several people, their mean."""
    if not len(values):
        return None
    rows, place = np.unique(found.row, return_inverse=True)
    counts = np.bincount(place.reshape(-1))
    y = np.bincount(place.reshape(-1), weights=values) / counts
    own = agreement.codes(found.prompts[rows])
    made = agreement.corrected(
        Sample(rows, y, found.probabilities[rows], own), features.astype(np.float64), seed=seed
    )
    if made is None:
        return None
    return Figure(estimate=made.estimate, ci=made.ci, n=len(rows), tuning=made.tuning)


def needed(
    found: Matched,
    figures: CorrectedFigures,
    plain: Estimate,
    width: float,
    *,
    waiting: int | None,
) -> Needed:
    """How many labels more would bring the interval down to ± width: at most those of all that
    nobody has answered yet, after which nothing of the pool is left to estimate. `waiting` are the
    drawn rows without an answer."""
    figure, n = figures.agreement, len(np.unique(found.row))
    ci: Ci | None = figure.ci if figure is not None else plain.ci
    if ci is None:
        return Needed(width=width, n=None, waiting=waiting)
    more = agreement.more_labels(n, width, agreement.Interval(*ci))
    return Needed(width=width, n=min(more, len(found.pool.p) - n), waiting=waiting)

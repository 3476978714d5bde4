"""Other raters beside the audited one: against the same people, on the same rows."""

from typing import TYPE_CHECKING

import numpy as np

from cai_app import agreement
from cai_app.records import Rater
from cai_app.records.report import BesideFigure
from cai_app.workbench.audit.choosing import Chosen
from cai_app.workbench.audit.matched import Bools, Matched, differs, scores

if TYPE_CHECKING:
    from cai_app.store import Store

MOST = 12


def beside(store: "Store", chosen: Chosen, found: Matched) -> tuple[BesideFigure, ...]:
    """Other AI raters (constitution versions too), preference models and rules, the one with most
    answers in common first; who shares none is left out."""
    if not len(found.row):
        return ()
    figures = [_beside(store, one, found) for one in chosen.others[: 2 * MOST]]
    shown = sorted((one for one in figures if one.n), key=lambda one: -one.n)
    return tuple(shown[:MOST])


def _beside(store: "Store", rater: Rater, found: Matched) -> BesideFigure:
    kept, score = said_of(store, rater, found)
    made = agreement.rate(score, found.weights[kept], agreement.codes(found.clusters[kept]))
    return BesideFigure(rater=rater, n=made.n, agreement=made.value, ci=made.ci)


def said_of(store: "Store", rater: Rater, found: Matched) -> tuple[Bools, agreement.Floats]:
    """At which answers of people this rater can be held against them, and how far they agree
    there; see `scores`."""
    from cai_app.store import audit

    rows, where = np.unique(found.row, return_inverse=True)
    place = where.reshape(-1)
    said = audit.said(store, rater.id, list(found.pool.comparison[rows]), found.kind)
    p = np.full(len(rows), np.nan)
    p[said.row] = said.p
    question = np.full(len(rows), None, dtype=object)
    question[said.row] = said.question
    # A preference model was asked nothing; of the others only answers to the same question count.
    same = np.fromiter(
        (
            rater.kind == "preference_model" or not differs(theirs, question[at])
            for theirs, at in zip(found.asked, place, strict=True)
        ),
        dtype=bool,
        count=len(place),
    )
    kept = same & np.isfinite(p[place])
    return kept, scores(found.kind, found.human[kept], agreement.hard(p[place][kept]))

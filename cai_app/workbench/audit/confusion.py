"""The confusion table: what the AI and a person said of the same row, and the rows of a cell."""

from typing import NamedTuple

import numpy as np

from cai_app import agreement
from cai_app.records.report import CellFigure
from cai_app.workbench.audit.matched import Bools, Matched

WORDS = ("first", "tie", "second")
_VALUES = {"first": 1.0, "tie": 0.5, "second": 0.0}


class Orientation(NamedTuple):
    """Which rows are turned, so that the first side means something: a model, where two compete.

    `of` says whose preference rate it then is, `names` what the first and the second side are.
    """

    turned: Bools
    of: str
    names: tuple[str, str]


def orientation(found: Matched) -> Orientation:
    """Sides as stored say nothing: a hash put them there."""
    pool = found.pool
    as_stored = np.zeros(len(pool.p), dtype=bool)
    if found.kind == "refusal":
        return Orientation(as_stored, "refusal", ("refusal", "compliance"))
    both = {*zip(pool.a_model, pool.b_model, strict=True)}
    models = {one for pair in both for one in pair}
    if len(models) == 2 and None not in models and all(a != b for a, b in both):
        first, second = sorted(map(str, models))
        turned = np.fromiter((one != first for one in pool.a_model), dtype=bool, count=len(pool.p))
        return Orientation(turned, first, (first, second))
    return Orientation(as_stored, "stored side a", ("A", "B"))


def cells(found: Matched, sides: Orientation) -> tuple[CellFigure, ...]:
    """All nine, or less where nothing is there."""
    ai, human = _said(found, sides)
    weights = found.weights
    total = float(weights.sum())
    figures = []
    for one in WORDS:
        for other in WORDS:
            inside = (ai == _VALUES[one]) & (human == _VALUES[other])
            if inside.any():
                share = float(weights[inside].sum()) / total
                figures.append(CellFigure(ai=one, human=other, n=int(inside.sum()), share=share))
    return tuple(figures)


def inside(found: Matched, sides: Orientation, ai: str, human: str) -> agreement.Ints:
    """The places of the answers in a cell, in the order of their rows, whose ids are hashes."""
    own, theirs = _said(found, sides)
    return np.flatnonzero((own == _VALUES[ai]) & (theirs == _VALUES[human]))


def disagreeing(found: Matched) -> agreement.Ints:
    """The places of the answers that are opposite to the AI's."""
    return np.flatnonzero((found.human - 0.5) * (found.ai - 0.5) < 0)


def _said(found: Matched, sides: Orientation) -> tuple[agreement.Floats, agreement.Floats]:
    turned = sides.turned[found.row]
    return (
        agreement.turned(agreement.hard(found.ai), turned),
        agreement.turned(agreement.hard(found.human), turned),
    )

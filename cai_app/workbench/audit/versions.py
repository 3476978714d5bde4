"""Agreement by constitution version: the same model under each version of what it was given.

A rater has one version, so a breakdown holds it beside raters that differ from it in nothing else.
Each version counts where it was asked the question that the people answered; versions share
prompts, which the variance knows.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cai_app import agreement
from cai_app.agreement import Floats, Ints
from cai_app.records import Rater
from cai_app.records.report import SliceFigure
from cai_app.workbench.audit.beside import said_of
from cai_app.workbench.audit.choosing import Chosen
from cai_app.workbench.audit.matched import Matched

if TYPE_CHECKING:
    from cai_app.store import Store

DIMENSION = "constitution"


def versions(store: "Store", chosen: Chosen, found: Matched) -> tuple[SliceFigure, ...]:
    """A slice for every version with answers; none for a rater without a constitution."""
    if chosen.ai.constitution is None or not len(found.row):
        return ()
    everything = np.ones(len(found.row), dtype=bool)
    parts = [(_name(chosen.ai), everything, found.score)]
    for one in chosen.others:
        if _alike(one, chosen.ai):
            kept, score = said_of(store, one, found)
            parts.append((_name(one), kept, score))
    names = [name for name, kept, _ in parts for _ in range(int(kept.sum()))]
    return sliced(
        DIMENSION,
        names,
        np.concatenate([score for _, _, score in parts]),
        np.concatenate([found.weights[kept] for _, kept, _ in parts]),
        np.concatenate([found.clusters[kept] for _, kept, _ in parts]),
    )


def sliced(
    by: str, names: Sequence[str], scores: Floats, weights: Floats, clusters: Ints
) -> tuple[SliceFigure, ...]:
    """Agreement in each part of a dimension, as agreement.slices has it."""
    return tuple(
        SliceFigure(
            by=by,
            name=one.name,
            n=one.rate.n,
            agreement=one.rate.value,
            ci=one.rate.ci,
            p_value=one.p_value,
            few=one.few,
        )
        for one in agreement.slices(names, scores, weights, clusters)
    )


def _alike(one: Rater, other: Rater) -> bool:
    """Whether two raters differ in their constitution alone."""
    return (
        one.constitution is not None
        and one.model_copy(update={"constitution": other.constitution}) == other
    )


def _name(rater: Rater) -> str:
    assert rater.constitution
    return f"{rater.constitution.name} {rater.constitution.hash[:8]}"

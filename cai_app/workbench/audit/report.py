"""The audit itself: from matched answers to the report. Every number uses the sampling weights."""

from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cai_app import agreement, spotcheck
from cai_app.agreement import Estimate, Floats
from cai_app.records import AuditOptions, AuditReport
from cai_app.records.report import (
    BesideFigure,
    BinFigure,
    CellFigure,
    CorrectedFigures,
    Kappa,
    Skips,
    SliceFigure,
)
from cai_app.workbench.audit.beside import beside
from cai_app.workbench.audit.choosing import Chosen
from cai_app.workbench.audit.confusion import Orientation, cells, orientation
from cai_app.workbench.audit.matched import (
    DIMENSIONS,
    Matched,
    names,
    narrowed,
    scores,
)
from cai_app.workbench.audit.over_pool import corrected, needed
from cai_app.workbench.audit.versions import DIMENSION as VERSIONS
from cai_app.workbench.audit.versions import sliced, versions

if TYPE_CHECKING:
    from cai_app.store import Store

_SHOWN = ("principle", VERSIONS, "source", "confidence", "length")


class Core(NamedTuple):
    """What does not hang on the width asked for, nor on how it is broken down."""

    found: Matched
    values: dict[str, Estimate]
    sides: Orientation
    corrected: CorrectedFigures
    bins: tuple[BinFigure, ...]
    beside: tuple[BesideFigure, ...]
    confusion: tuple[CellFigure, ...]
    skips: Skips | None
    waiting: int | None
    versions: tuple[SliceFigure, ...]


def breakdown(asked: AuditOptions) -> str | None:
    """The dimension to break down by, where `slice` names one and is no condition."""
    return asked.slice if asked.slice in DIMENSIONS else None


def computed(store: "Store", asked: AuditOptions, chosen: Chosen, matched: Matched) -> Core:
    """Everything that takes time, of the answers that are asked for."""
    found = narrowed(matched, None if breakdown(asked) else asked.slice, asked.question)
    sides = orientation(found)
    return Core(
        found=found,
        values=_values(found, asked.seed),
        sides=sides,
        corrected=corrected(found, sides, asked.seed),
        bins=_bins(found),
        beside=beside(store, chosen, found),
        confusion=cells(found, sides),
        skips=_skips(store, chosen, found),
        # Of a part of the pool it would say nothing: a new spot-check draws from the whole.
        waiting=_waiting(store, chosen, found) if found is matched else None,
        versions=versions(store, chosen, found),
    )


def reported(asked: AuditOptions, chosen: Chosen, core: Core) -> AuditReport:
    """The report of what was computed."""
    by, found, values = breakdown(asked), core.found, core.values
    # Those without an answer here are no part of it.
    answered = tuple(one for one in chosen.people if one.id in {*found.rater}) or chosen.people
    plain: dict[str, Any] = {name: values[name].value for name in _PLAIN}
    return AuditReport(
        kind=chosen.kind,
        ai=chosen.ai,
        human=answered,
        against="reference" if answered[0].kind == "reference" else "human",
        queue=chosen.queue.id if chosen.queue else None,
        sampling=_sampling(chosen, found),
        pool=len(found.pool.p),
        n=len(found.row),
        comparisons=len(np.unique(found.row)),
        ci=values["agreement"].ci,
        kappa=Kappa(ties_out=values["kappa_out"].value, ties_half=values["kappa_half"].value),
        human_human_pairs=values["human_human"].n,
        corrected=core.corrected,
        needed=needed(
            found, core.corrected, values["agreement"], asked.width, waiting=core.waiting
        ),
        skips=core.skips,
        left_out={why: len(rows) for why, rows in found.left_out.items() if len(rows)},
        intervals={name: one.ci for name, one in values.items() if one.ci is not None},
        unweighted_ci=values["unweighted"].ci,
        calibration=core.bins,
        slices=tuple(
            one
            for name in ([by] if by else _SHOWN)
            for one in (core.versions if name == VERSIONS else _slices(found, name))
        ),
        beside=core.beside,
        confusion=core.confusion,
        sides=core.sides.names,
        **plain,
    )


_PLAIN = (
    "agreement", "agreement_ties_out", "unweighted", "alpha", "human_alpha", "human_human", "ece",
    "brier", "order_gap", "first_gain", "flip_rate", "longer_wins", "human_longer_wins", "always_a",
)  # fmt: skip


def _sampling(chosen: Chosen, found: Matched) -> str:
    if chosen.kind == "refusal":
        return "as if by chance, each response once"
    if chosen.queue is None:
        if found.served.any():
            return (
                "as if by chance, though people answered some of these in a spot-check; that "
                "spot-check's own report uses its chances"
            )
        return "as if by chance: these labels were drawn by nobody"
    return f"{chosen.queue.rule}, with known chances, served in random order"


def _values(found: Matched, seed: int) -> dict[str, Estimate]:
    """All numbers with intervals, by name."""
    human, ai = found.human, agreement.hard(found.ai)
    weights, clusters = found.weights, found.clusters
    score = found.score
    decided = (human != 0.5) & (ai != 0.5)
    swapped = _swapped(found, seed)
    turned = [agreement.turned(answers, swapped) for answers in (human, ai)]
    confidence = np.maximum(found.ai, 1 - found.ai)
    asked = agreement.orders(
        found.pool.p_a_first,
        found.pool.p_b_first,
        np.ones(len(found.pool.p)),
        agreement.codes(found.prompts),
    )
    plain = agreement.rate(score, np.ones(len(score)), np.arange(len(score)))
    everybody, people = _alphas(found, swapped)
    return {
        "agreement": agreement.rate(score, weights, clusters),
        "agreement_ties_out": agreement.rate(
            score[decided], weights[decided], agreement.codes(clusters[decided])
        ),
        "unweighted": plain,
        "kappa_out": agreement.kappa(turned[0], turned[1], weights, clusters, ties="out"),
        "kappa_half": agreement.kappa(turned[0], turned[1], weights, clusters, ties="half"),
        "alpha": everybody,
        "human_alpha": people,
        "human_human": _between_people(found),
        "ece": agreement.ece(confidence, score, weights, clusters, low=0.5),
        "brier": agreement.brier(found.ai, human, weights, clusters),
        "order_gap": asked.gap,
        "first_gain": asked.first_gain,
        "flip_rate": asked.flip_rate,
        "longer_wins": _longer(found, ai),
        "human_longer_wins": _longer(found, human),
        "always_a": agreement.rate(turned[0], weights, clusters),
    }


def _swapped(found: Matched, seed: int) -> np.typing.NDArray[np.bool_]:
    """Sides in a seeded random order; refusal and compliance have no sides."""
    if found.kind == "refusal":
        return np.zeros(len(found.row), dtype=bool)
    return agreement.sides(list(found.pool.comparison[found.row]), seed)


def _longer(found: Matched, answers: Floats) -> Estimate:
    """How often the longer response wins, where there are two."""
    if found.kind == "refusal":
        return Estimate(None, None, 0)
    a, b = found.pool.a_length[found.row], found.pool.b_length[found.row]
    return agreement.longer_wins(answers, a, b, found.weights, found.clusters)


def _alphas(found: Matched, swapped: np.typing.NDArray[np.bool_]) -> tuple[Estimate, Estimate]:
    """Krippendorff's alpha of the people with the AI among them, and of the people alone.

    Nominal, so of answers: every other chance that a label may hold would be a kind of its own.
    """
    human = agreement.turned(agreement.hard(found.human), swapped)
    people = agreement.alpha(found.row, human, found.weights, found.clusters)
    rows, first = np.unique(found.row, return_index=True)
    own = agreement.turned(agreement.hard(found.ai), swapped)[first]
    everybody = agreement.alpha(
        np.concatenate([found.row, rows]),
        np.concatenate([human, own]),
        np.concatenate([found.weights, found.weights[first]]),
        np.concatenate([found.clusters, found.clusters[first]]),
    )
    return everybody, people


def _between_people(found: Matched) -> Estimate:
    """How often two people agree: the band behind the AI's bar."""
    together: dict[int, list[int]] = {}
    for place, row in enumerate(found.row):
        together.setdefault(int(row), []).append(place)
    pairs = [pair for places in together.values() for pair in combinations(places, 2)]
    if not pairs:
        return Estimate(None, None, 0)
    one, other = (np.array(side) for side in zip(*pairs, strict=True))
    score = scores(found.kind, found.human[one], found.human[other])
    return agreement.rate(score, found.weights[one], agreement.codes(found.clusters[one]))


def _bins(found: Matched) -> tuple[BinFigure, ...]:
    confidence = np.maximum(found.ai, 1 - found.ai)
    score = found.score
    made = agreement.reliability(confidence, score, found.weights, found.clusters, low=0.5, bins=5)
    return tuple(
        BinFigure(
            low=one.low,
            high=one.high,
            n=one.rate.n,
            share=one.share,
            confidence=one.promised,
            agreement=one.rate.value,
            ci=one.rate.ci,
        )
        for one in made
    )


def _slices(found: Matched, dimension: str) -> tuple[SliceFigure, ...]:
    own = names(found, dimension, found.row)
    return sliced(dimension, own, found.score, found.weights, found.clusters)


def _skips(store: "Store", chosen: Chosen, found: Matched) -> Skips | None:
    """How much of a queue was skipped, and what that could hide."""
    if chosen.queue is None:
        return None
    people = {one.id for one in chosen.people}
    skipped = [
        row["comparison"]
        for row in store.queues.answers(chosen.queue.id)
        if row["answer"] == "skip" and row["rater"] in people and not row["repeat"]
    ]
    chance = dict(zip(found.pool.comparison, found.probabilities, strict=True))
    weights = np.array([1 / chance[one] for one in skipped if one in chance])
    score = found.score
    return Skips(**spotcheck.response(score, found.weights, weights)._asdict())


def _waiting(store: "Store", chosen: Chosen, found: Matched) -> int | None:
    """How many drawn rows of a queue nobody has answered or skipped; None without a queue, 0 of a
    closed one."""
    if chosen.queue is None:
        return None
    if chosen.queue.id in store.queues.closed():
        return 0
    done = {row["comparison"] for row in store.queues.answers(chosen.queue.id)}
    left = store.queues.served(chosen.queue.id).keys() - done
    return len(left.intersection(found.pool.comparison))

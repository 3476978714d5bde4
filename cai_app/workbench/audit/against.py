"""The judge held against a preference model: where they differ most, people look first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cai_app.errors import InputError
from cai_app.records import Rater
from cai_app.spotcheck import Floats

if TYPE_CHECKING:
    from cai_app.store import Store

AUTO = "auto"  # whichever has scored most of the pairs, if any
NONE = "none"
_HOW = "score them with one: label --source NAME --backend pocket@pm (or the adapter you trained)"


class Against(NamedTuple):
    """A preference model, None for none; the distance of its P(a) from the judge's for each row, 0
    where it has scored no pair; and how many it has."""

    rater: Rater | None
    distance: Floats
    scored: int


def preference_models(store: "Store") -> list[Rater]:
    """Those that have scored pairs of the store, the one with most of them first."""
    from cai_app.store import audit_raters

    found = [one.rater for one in audit_raters.raters(store)]
    return [one for one in found if one.kind == "preference_model"]


def held_against(
    store: "Store", named: str | None, *, but: str, comparisons: Sequence[str], p: Floats
) -> Against:
    """The preference model that is named (by id, name or `auto`) at sorted comparisons, whose P(a)
    by the judge is `p`. Raises InputError, saying how to score them, where a named one has not."""
    known = [one for one in preference_models(store) if one.id != but]
    if named == AUTO:
        tried = [_distance(store, one, comparisons, p) for one in known]
        # None has scored these: nothing that anybody asked for is missing.
        return max(tried, key=lambda one: one.scored, default=_nobody(p))
    if named in (None, NONE):
        return _nobody(p)
    found = [one for one in known if named in (one.id, one.name, one.backend)]
    if not found:
        there = ", ".join(str(one.name) for one in known) or "none yet"
        raise InputError(
            f"preference model {named!r} has scored no pairs (those that have: {there}); {_HOW}"
        )
    best = max((_distance(store, one, comparisons, p) for one in found), key=lambda x: x.scored)
    if not best.scored:
        raise InputError(f"preference model {named!r} has scored none of these pairs; {_HOW}")
    return best


def _nobody(p: Floats) -> Against:
    return Against(None, np.zeros(len(p)), 0)


def _distance(store: "Store", pm: Rater, comparisons: Sequence[str], p: Floats) -> Against:
    from cai_app.store import audit

    said = audit.said(store, pm.id, comparisons)
    distance = np.zeros(len(p))
    distance[said.row] = np.abs(p[said.row] - said.p)
    return Against(pm if len(said.row) else None, distance, len(said.row))

"""Who is compared with whom: raters by id, name or backend, or those who have most in common."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from cai_app.errors import InputError
from cai_app.records import AuditKind, AuditOptions, Queue, Rater

if TYPE_CHECKING:
    from cai_app.store import Store

NO_QUEUE = "none"  # labels wherever they come from
_NOBODY: dict[AuditKind, str] = {
    "preference": "no AI has labelled yet; label comparisons first: label --source NAME",
    "refusal": "nobody else has said which responses refuse; import labels of kind refusal",
}


class Chosen(NamedTuple):
    """An AI rater, the people (or the reference) it is held against, and the queue they used.

    `others` are the raters beside it that are no people.
    """

    kind: AuditKind
    ai: Rater
    people: tuple[Rater, ...]
    queue: Queue | None
    others: tuple[Rater, ...] = ()


def choose(store: "Store", asked: AuditOptions) -> Chosen:
    """Raises InputError naming those who are there."""
    from cai_app.store import audit_raters

    known = [one.rater for one in audit_raters.raters(store, asked.kind)]
    humans = [one for one in known if one.kind == "human"]
    machines = [one for one in known if one.kind != "human"]
    people = _people(known, humans, asked)
    others = [one for one in machines if one not in people]
    ai = None
    if asked.ai is not None:
        # Two annotators may be held against each other where no AI has said anything.
        candidates = known if asked.kind == "refusal" else others
        ai = _single(_named(candidates, asked.ai, "ai"), asked.ai)
    queue = _queue(store, asked, people, ai)
    if ai is None and queue is not None:
        ai = next(one for one in known if one.id == queue.ai)
    elif ai is None:
        # A rule is no AI: it is audited where it is named.
        models = [one for one in others if one.kind != "reference"]
        ai = _most_in_common(store, asked.kind, models, people)
    people = [one for one in people if one != ai]
    if not people:
        raise InputError(f"{ai.name or ai.backend} is held against nobody; name --human")
    return Chosen(
        asked.kind, ai, tuple(people), queue, tuple(one for one in others if one.id != ai.id)
    )


def choose_ai(store: "Store", name: str) -> Rater:
    """One AI rater by id, name, backend or kind. Raises InputError for none, and for several."""
    from cai_app.store import audit_raters

    known = [one.rater for one in audit_raters.raters(store) if one.rater.kind != "human"]
    return _single(_named(known, name, "ai"), name)


def _people(known: Sequence[Rater], humans: Sequence[Rater], asked: AuditOptions) -> list[Rater]:
    """Those who are named, else everybody."""
    if asked.human is not None:
        if asked.kind == "preference":
            known = [one for one in known if one.kind in ("human", "reference")]
        names = [name.strip() for name in asked.human.split(",") if name.strip()]
        found = [one for name in names for one in _named(known, name, "human")]
        return list(dict.fromkeys(found))
    if not humans:
        raise InputError("no person has labelled yet; import their labels, or rate a few pairs")
    return list(humans)


def _single(found: Sequence[Rater], name: str) -> Rater:
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise InputError(f"--ai {name!r} may be any of {ids}; name one by its id")
    return found[0]


def _queue(
    store: "Store", asked: AuditOptions, people: Sequence[Rater], ai: Rater | None
) -> Queue | None:
    """The queue that was named, else the newest one that one of these people has answered; where
    an AI was named, of its labels only."""
    from cai_app.store import audit_raters

    if asked.queue == NO_QUEUE or asked.kind != "preference":
        return None
    if asked.queue is not None:
        found = store.queues.find(asked.queue)
        if found is None:
            names = ", ".join(one.name for one in store.queues.all()) or "none yet"
            raise InputError(f"there is no queue {asked.queue!r}; there are: {names}")
        if ai is not None and found.ai != ai.id:
            raise InputError(
                f"queue {found.name!r} was drawn from the labels of rater {found.ai}, not of "
                f"{ai.name or ai.backend} ({ai.id}); leave --ai or --queue out"
            )
        return found
    by = audit_raters.answered(store)
    ids = {one.id for one in people}
    own = [one for one in store.queues.all() if ai is None or one.ai == ai.id]
    return next((one for one in own if by.get(one.id, set()) & ids), None)


def _named(known: Sequence[Rater], name: str, option: str) -> list[Rater]:
    kind, _, rest = name.partition(":")
    found = [
        one
        for one in known
        if name in (one.id, one.name, one.backend, one.kind)
        or (len(name) >= 4 and one.id.startswith(name))
        or (one.kind == kind and rest in (one.name, one.backend))
    ]
    if not found:
        there = ", ".join(f"{one.name or one.backend} ({one.id})" for one in known[:8])
        raise InputError(f"--{option} {name!r} has no labels here; there are: {there or 'nobody'}")
    return found


def _most_in_common(
    store: "Store", kind: AuditKind, others: Sequence[Rater], people: Sequence[Rater]
) -> Rater:
    from cai_app.store import audit_raters

    if not others:
        # Of two annotators, the first is held against the rest.
        if kind == "refusal" and len(people) > 1:
            return min(people, key=lambda one: str(one.name))
        raise InputError(_NOBODY[kind])
    if len(others) == 1:
        return others[0]
    best = audit_raters.most_in_common(
        store, [one.id for one in others], [one.id for one in people], kind
    )
    return next((one for one in others if one.id == best), others[0])

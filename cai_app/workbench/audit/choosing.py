"""Who is compared with whom: raters by id, name or backend, or those who have most in common."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from cai_app.errors import InputError
from cai_app.records import AuditOptions, Queue, Rater

if TYPE_CHECKING:
    from cai_app.store import Store


class Chosen(NamedTuple):
    """An AI rater, the people (or the reference) it is held against, and the queue they used."""

    ai: Rater
    people: tuple[Rater, ...]
    queue: Queue | None


def choose(store: "Store", asked: AuditOptions) -> Chosen:
    """Raises InputError naming those who are there."""
    from cai_app.store import audit

    known = [one.rater for one in audit.raters(store)]
    queue = _queue(store, asked)
    people = _named(known, asked.human, [one for one in known if one.kind == "human"], "human")
    others = [one for one in known if one.kind != "human" and one not in people]
    if asked.ai is not None:
        ai = _single(_named(others, asked.ai, [], "ai"), asked.ai)
    elif queue is not None:
        ai = next(one for one in known if one.id == queue.ai)
    else:
        ai = _most_in_common(store, others, people)
    if queue is not None and queue.ai != ai.id:
        queue = None
    return Chosen(ai, tuple(people), queue)


def choose_ai(store: "Store", name: str) -> Rater:
    """One AI rater by id, name, backend or kind. Raises InputError for none, and for several."""
    from cai_app.store import audit

    known = [one.rater for one in audit.raters(store) if one.rater.kind != "human"]
    return _single(_named(known, name, [], "ai"), name)


def _single(found: Sequence[Rater], name: str) -> Rater:
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise InputError(f"--ai {name!r} may be any of {ids}; name one by its id")
    return found[0]


def _queue(store: "Store", asked: AuditOptions) -> Queue | None:
    """The queue that was named, else the newest one that somebody has answered."""
    if asked.queue is not None:
        found = store.queues.find(asked.queue)
        if found is None:
            names = ", ".join(one.name for one in store.queues.all()) or "none yet"
            raise InputError(f"there is no queue {asked.queue!r}; there are: {names}")
        return found
    return next((one for one in store.queues.all() if store.queues.answers(one.id)), None)


def _named(
    known: Sequence[Rater], name: str | None, default: Sequence[Rater], option: str
) -> list[Rater]:
    if name is None:
        if not default:
            raise InputError("no person has labelled yet; import their labels, or rate a few pairs")
        return list(default)
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
        raise InputError(f"--{option} {name!r} has no preferences; there are: {there or 'nobody'}")
    return found


def _most_in_common(store: "Store", others: Sequence[Rater], people: Sequence[Rater]) -> Rater:
    if not others:
        raise InputError("no AI has labelled yet; label comparisons first: label --source NAME")
    with store.db.cursor() as cursor:
        rows = cursor.execute(
            "SELECT o.rater, count(DISTINCT o.subject) AS n FROM labels o WHERE o.kind = "
            "'preference' AND o.value IS NOT NULL AND o.rater IN (SELECT unnest($others)) "
            "AND o.subject IN (SELECT subject FROM labels WHERE rater IN (SELECT unnest($people)))"
            " GROUP BY o.rater ORDER BY n DESC, o.rater",
            {"others": [one.id for one in others], "people": [one.id for one in people]},
        ).fetchall()
    best = rows[0][0] if rows else others[0].id
    return next(one for one in others if one.id == best)

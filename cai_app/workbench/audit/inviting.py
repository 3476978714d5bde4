"""Spot-checks as their owner sees them: drawn queues, who rates them how far, and invitations."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations, count
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime

from cai_app.errors import InputError
from cai_app.records import Comparison, Invite, Queue, Rater, Record, Response
from cai_app.workbench.audit.against import preference_models
from cai_app.workbench.audit.choosing import choose_ai
from cai_app.workbench.audit.desk import Desk, Seat
from cai_app.workbench.audit.drawing import QueuePlan, draw, plan
from cai_app.workbench.audit.rating import Progress, Rating

if TYPE_CHECKING:
    from cai_app.store import Store

DAYS = 30
_LONGEST_NAME = 60
_FORGOTTEN = "this link does not work: it may be mistyped. Ask whoever sent it for a new one"
NEEDS_LOGIN = (
    "raters are invited to a page with a login, as without one they could open the main page and "
    "look up what the AI said. Start the page with --auth user:password"
)


class Person(Record):
    """A rater of a queue: how far, and whether there is a link. `invite` is None without one."""

    name: str
    progress: Progress
    invite: Literal["open", "expired", "revoked"] | None
    expires: AwareDatetime | None


class QueueState(Record):
    """A queue with the figures of its drawing, and everybody who rates it. `answered` says whether
    anybody ever answered in it, so that closing it keeps it."""

    id: str
    name: str
    ai: str
    ai_id: str
    rule: str
    source: str | None
    reveal: str
    overlap: float
    repeats: float
    pool: int
    drawn: int
    low: float
    high: float
    pm: str | None
    answered: bool
    closed: bool
    raters: tuple[Person, ...]


class Invited(Record):
    """A new invitation. `path` holds the token, which is told once and kept nowhere; `url` is the
    whole link where a page is up."""

    queue: str
    rater: str
    path: str
    url: str | None
    expires: AwareDatetime


class Spotchecks:
    """What the page, the rating page and the commands do with queues. Any thread may call."""

    def __init__(self, store: "Callable[[], Store]", check_may_keep: Callable[[], None]) -> None:
        self._store, self._check_may_keep = store, check_may_keep
        self._desk = Desk()
        self._login: bool | None = None
        self._url: str | None = None

    def opened(self, url: str, *, login: bool) -> None:
        """The page is up: where, and whether it asks for a login."""
        self._url, self._login = url, login

    @property
    def login(self) -> bool | None:
        """Whether the page that is up asks for a login; None where none is up."""
        return self._login

    def plan(self, ai: str, wanted: Queue) -> QueuePlan:
        """What drawing would do. Raises InputError where there is nothing to draw from."""
        rater = choose_ai(self._store(), ai)
        return plan(self._store(), rater, wanted.model_copy(update={"ai": rater.id}))

    def raters(self) -> list[tuple[str, str, int]]:
        """Id, name and number of labelled comparisons of every AI rater, most labels first."""
        from cai_app.store import audit_raters

        found = [one for one in audit_raters.raters(self._store()) if one.rater.kind != "human"]
        return [(one.rater.id, _name(one.rater), one.comparisons) for one in found]

    def sources(self) -> list[str]:
        """Where comparisons came from."""
        return self._store().queues.sources()

    def next_name(self) -> str:
        """A name that no queue has."""
        taken = {one.name for one in self._store().queues.all()}
        return next(name for n in count(1) if (name := f"check {n}") not in taken)

    def draw(self, ai: str, wanted: Queue) -> Queue:
        """Draw a spot-check of what an AI rater has labelled; `wanted.ai` is filled in."""
        self._check_may_keep()
        rater = choose_ai(self._store(), ai)
        return draw(self._store(), rater, wanted.model_copy(update={"ai": rater.id}))

    def queues(self) -> list[QueueState]:
        """Every queue, the newest first."""
        store, now = self._store(), datetime.now(UTC)
        sizes, queues = store.queues.sizes(), store.queues.all()
        closed, answered = store.queues.closed(), store.queues.answered()
        named = {id for one in queues for id in (one.ai, one.pm) if id}
        with store.db.cursor() as cursor:
            raters = store.labels.raters.read(cursor, sorted(named))
        return [
            QueueState(
                **one.model_dump(include={"name", "rule", "source", "reveal", "overlap",
                                          "repeats"}),
                **sizes[one.id]._asdict(),
                id=one.id,
                ai=_name(raters.get(one.ai)),
                ai_id=one.ai,
                pm=_name(raters.get(one.pm)) if one.pm else None,
                answered=one.id in answered,
                closed=one.id in closed,
                raters=tuple(self._people(store, one, now)),
            )
            for one in queues
        ]  # fmt: skip

    def preference_models(self) -> list[tuple[str, str]]:
        """Id and name of every preference model that has scored pairs, most pairs first."""
        return [(one.id, _name(one)) for one in preference_models(self._store())]

    def close(self, queue: str) -> bool:
        """Close a queue, so that it is served to nobody; whether it is kept. What was answered
        stays, and so does its queue, which can be opened again; one without answers is deleted,
        its links with it. Raises InputError where there is no such queue."""
        self._check_may_keep()
        return self._store().queues.close(self._queue(queue).id)

    def reopen(self, queue: str) -> None:
        """Serve a closed queue again. Raises InputError where there is no such queue."""
        self._check_may_keep()
        self._store().queues.reopen(self._queue(queue).id)

    def _people(self, store: "Store", queue: Queue, now: datetime) -> list[Person]:
        invites = {one.rater: one for one in store.invites.of(queue.id)}
        found = []
        for name in sorted({*store.queues.people(queue.id), *invites}):
            rating = Rating(store, queue, Rater(kind="human", name=name), blind="page")
            invite = invites.get(name)
            found.append(
                Person(
                    name=name,
                    progress=rating.progress(),
                    invite=invite.state(now) if invite else None,
                    expires=invite.expires if invite else None,
                )
            )
        return found

    def invite(self, queue: str, rater: str, *, days: float = DAYS) -> Invited:
        """A link for one rater to one queue; an earlier one of theirs stops working.

        Raises InputError for a page without a login, a name that is none, or no such queue.
        """
        self._check_may_keep()
        if self.login is False:
            raise InputError(NEEDS_LOGIN)
        if not 0 < days <= 3650:
            raise InputError(
                f"{days:g} days: a link works for at least a moment, at most ten years"
            )
        name = " ".join(rater.split())
        if not 0 < len(name) <= _LONGEST_NAME:
            raise InputError(
                f"a rater's name has 1 to {_LONGEST_NAME} characters; this is {rater!r}"
            )
        found, token = self._queue(queue), secrets.token_urlsafe(32)
        expires = datetime.now(UTC) + timedelta(days=days)
        self._store().invites.add(
            Invite(token_hash=_hash(token), queue=found.id, rater=name,
                   salt=secrets.token_hex(16), expires=expires)
        )  # fmt: skip
        path = f"/rate/?token={token}"
        url = f"{self._url.rstrip('/')}{path}" if self._url else None
        return Invited(queue=found.name, rater=name, path=path, url=url, expires=expires)

    def revoke(self, queue: str, rater: str) -> None:
        """Take a rater's link back at once; what they answered stays. Raises InputError where
        they have none."""
        self._check_may_keep()
        found = self._queue(queue)
        if not self._store().invites.revoke(found.id, rater):
            raise InputError(f"{rater!r} has no link to {found.name!r} that works")

    def seat_of(self, token: str, *, knows_login: bool = False) -> Seat:
        """Where the holder of a link rates, blinded by the server; by the page alone where they
        are logged in on the main page, too. Raises InputError for a link that does not work."""
        if not self.login:
            raise InputError(NEEDS_LOGIN)
        invite = self._store().invites.find(_hash(token)) if token else None
        if invite is None:
            raise InputError(_FORGOTTEN)
        state = invite.state(datetime.now(UTC))
        if state != "open":
            what = "was taken back" if state == "revoked" else "has expired"
            raise InputError(f"this link {what}; ask whoever sent it for a new one")
        queue = self._queue(invite.queue)
        person = Rater(kind="human", name=invite.rater)
        blind: Literal["page", "server"] = "page" if knows_login else "server"
        return self._desk.seat(self._store(), queue, person, blind=blind, salt=invite.salt)

    def own_seat(self, queue: str, rater: str) -> Seat:
        """Where somebody on the main page rates, blinded by the page alone."""
        self._check_may_keep()
        found, person = self._queue(queue), Rater(kind="human", name=rater)
        return self._desk.seat(self._store(), found, person, blind="page", salt=found.id)

    def saw(self, rater: str, prompt: str, texts: Sequence[str]) -> None:
        """That a person has seen an AI at work on these texts: pairs of them leave that person's
        queues, whichever model they are filed under."""
        store, person = self._store(), Rater(kind="human", name=rater)
        responses = [Response(prompt=prompt, text=text) for text in dict.fromkeys(texts)]
        typed = [Comparison.of(one, other).id for one, other in combinations(responses, 2)]
        self._note(person, {*typed, *store.queues.alike(prompt, texts)})

    def saw_answers(self, rater: str, comparisons: Sequence[str]) -> None:
        """That a person has read what an AI says of these pairs, as `saw` has it."""
        if comparisons:
            found = {*self._store().queues.same_texts(comparisons)}
            self._note(Rater(kind="human", name=rater), found)

    def _note(self, person: Rater, seen: set[str]) -> None:
        queues = self._store().queues
        if fresh := seen - queues.revealed(person.id).keys():
            queues.reveal(person.id, sorted(fresh))

    def _queue(self, name: str) -> Queue:
        found = self._store().queues.find(name) if name else None
        if found is None:
            raise InputError(f"there is no queue {name!r}; draw one first")
        return found


def _name(rater: Rater | None) -> str:
    if rater is None:
        return "unknown"
    named = f" under {rater.constitution.name}" if rater.constitution else ""
    return f"{rater.backend or rater.name}{named}"


def _hash(token: str) -> str:
    """Of 256 random bits, so that it needs no salt and no slowness."""
    return hashlib.sha256(token.encode()).hexdigest()

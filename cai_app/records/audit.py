"""Spot-checks: queues, and what people answer."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from cai_app.records.base import Options, Record
from cai_app.records.rows import Rater, Seed, hashed

Answered = Literal["a", "b", "tie", "both_bad", "skip", "undone"]
Blind = Literal["server", "page", "revealed"]
Share = Annotated[float, Field(ge=0, le=1)]


class Queue(Options):
    """A spot-check: what was drawn from what an AI rater had labelled, and how it is served.

    `reveal` says when a rater sees the AI's answers: at the end of the queue, or after each item,
    from which on that rater's labels no longer count as blind. `pm` is the rater id of the
    preference model that a disagreement-weighted draw held the judge against, None for none.
    """

    name: str
    ai: str
    rule: str
    wanted: int
    floor: Share = 0.25
    seed: Seed = 0
    overlap: Share = 0.2
    repeats: Share = 0.05
    reveal: Literal["end", "item"] = "end"
    source: str | None = None
    pm: str | None = None

    @property
    def id(self) -> str:
        """A hash of all of it: the same queue is drawn once."""
        asked = self.model_dump(mode="json")
        if self.pm is None:  # as it was before there was one
            del asked["pm"]
        return hashed("queue", asked)


class QueueRow(Record):
    """One row of a queue's frozen pool; `place` is None where it was not drawn."""

    queue: str
    comparison: str
    probability: float
    place: int | None = None
    p: float
    gap: float | None = None
    spread: float | None = None
    other: float | None = None
    principle: str | None = None
    question: str | None = None


class Answer(Record):
    """What a person answered to a row of a queue.

    `answer` is about the stored sides; `swapped` says that they were shown the other way round.
    """

    queue: str
    comparison: str
    rater: Rater
    answer: Answered
    swapped: bool
    blind: Blind
    time: AwareDatetime
    repeat: bool = False
    label: str | None = None
    note: str | None = None
    lead_ms: int | None = None

    @property
    def id(self) -> str:
        """A hash of who answered what, and when."""
        asked = (self.queue, self.comparison, self.rater.id, self.repeat)
        return hashed("answer", *asked, self.answer, self.time.timestamp())


class Invite(Record):
    """An invitation to rate a queue by a link. The token itself is kept nowhere."""

    token_hash: str
    queue: str
    rater: str
    salt: str
    expires: AwareDatetime
    revoked: AwareDatetime | None = None

    def state(self, now: datetime) -> Literal["open", "expired", "revoked"]:
        """Whether its link works."""
        if self.revoked is not None:
            return "revoked"
        return "open" if now < self.expires else "expired"

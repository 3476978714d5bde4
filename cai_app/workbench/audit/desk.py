"""Raters at work: what each has before them, one answer at a time, and what they are told.

A rating page gets nothing but what `Turn` holds. Its items go by ids that are good for one
invitation, as a comparison's own id is a hash of, among others, model names.
"""

import threading
import time
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from cai_app import spotcheck
from cai_app.errors import InputError
from cai_app.records import Answered, Blind, Queue, Rater, Record, hashed
from cai_app.workbench.audit.rating import Look, Rating

if TYPE_CHECKING:
    from cai_app.store import Store

_HOLD = 600.0  # seconds that a pair stays with the rater who has it on the screen
_SEATS = 256
_NOTE = 4000  # characters
_ELSEWHERE = (
    "You had answered that pair already, in another window; that answer stands. Undo takes it back."
)
_TURNED = {"a": "b", "b": "a"}


class Item(Record):
    """One pair on the screen."""

    item: str
    prompt: str
    first: str
    second: str
    question: str | None


class Turn(Record):
    """What a rater's page holds: this pair, the one after it, and how far they are.

    `note` is what the rater had written about this pair before an undo, `told` a sentence on
    something unexpected. `peeks` says that the AI's answer may be asked for after every pair,
    `unblinded` that it was.
    """

    rater: str
    now: Item | None
    then: Item | None
    done: int
    left: int
    skipped: int
    may_undo: bool
    peeks: bool
    unblinded: bool
    blind: Blind
    note: str = ""
    told: str = ""


class Line(Record):
    """One answered pair once the AI's answer may be seen; `ai` is the chance that the first one
    shown is better."""

    item: str
    prompt: str
    first: str
    second: str
    question: str | None
    answer: str
    note: str
    ai: float
    agrees: bool | None


class Ending(Record):
    """What a rater is shown at the end. `same` is how often a repeated pair got the same answer,
    of `repeats`. Ties and skips are left out of what is `compared`; a repeat counts with any
    answer but a skip."""

    lines: tuple[Line, ...]
    agreed: int
    compared: int
    repeats: int
    same: float | None
    median_lead_ms: float | None


class Seat:
    """One rater at one queue, by one invitation. Any thread may call."""

    def __init__(self, desk: "Desk", rating: Rating, salt: str, blind: Blind) -> None:
        self._desk, self._rating, self._salt, self._blind = desk, rating, salt, blind
        self._items = {
            self._id(comparison, repeat): spotcheck.Next(comparison, repeat)
            for comparison in rating.order
            for repeat in (False, True)
        }

    def _id(self, comparison: str, repeat: bool) -> str:
        return hashed("item", self._salt, comparison, repeat)

    def open(self) -> Turn:
        """What is before this rater now."""
        with self._desk.lock:
            return self._turn(self._rating.look())

    def answer(
        self, item: str, answer: Answered, *, note: str = "", lead_ms: int | None = None
    ) -> Turn:
        """Keep an answer, durably, and go on. The same one sent twice is kept once."""
        with self._desk.lock:
            asked, look = self._asked(item), self._rating.look()
            given = self._given(asked, look)
            if given is not None:
                told = "" if self._as_shown(given) == answer else _ELSEWHERE
                return self._turn(look, told=told)
            self._rating.answer(
                asked.comparison,
                answer,
                repeat=asked.repeat,
                note=note.strip()[:_NOTE] or None,
                lead_ms=lead_ms,
                look=look,
            )
            return self._turn(self._rating.look())

    def undo(self) -> Turn:
        """Take the last answer back; its pair comes again, with its note."""
        with self._desk.lock:
            own = self._rating.mine()
            if self._rating.undo() is None:
                return self._turn(self._rating.look(), told="There is nothing to undo.")
            last = own[-1]
            again = spotcheck.Next(last["comparison"], bool(last["repeat"]))
            return self._turn(self._rating.look(), first=again, note=last["note"] or "")

    def peek(self, item: str) -> Line:
        """What the AI says of an answered pair; from now on this rater's answers are no longer
        blind. Raises InputError where the queue shows that at its end only."""
        with self._desk.lock:
            asked = self._asked(item)
            return self._lines(asked)[0]

    def ending(self) -> Ending:
        """What the AI says of all that was answered. Raises InputError before the end."""
        with self._desk.lock:
            lines = self._lines(None)
            progress = self._rating.progress()
        decided = [one.agrees for one in lines if one.agrees is not None]
        return Ending(
            lines=tuple(lines),
            agreed=sum(decided),
            compared=len(decided),
            repeats=progress.repeats,
            same=progress.repeat_rate,
            median_lead_ms=progress.median_lead_ms,
        )

    def _lines(self, asked: spotcheck.Next | None) -> list[Line]:
        """One answered pair, the way round it was shown; of None, all of them, the first time."""
        comparison, repeat = asked or (None, False)
        revealed = {one.comparison: one for one in self._rating.reveal(comparison, repeat=repeat)}
        rows = [
            row
            for row in self._rating.mine()
            if row["comparison"] in revealed and bool(row["repeat"]) == repeat
        ]
        items = self._shown([spotcheck.Next(row["comparison"], repeat) for row in rows])
        lines = []
        for row, item in zip(rows, items, strict=True):
            found = revealed[row["comparison"]]
            said: dict[str, Any] = {
                "answer": self._as_shown(row),
                "note": row["note"] or "",
                "ai": 1 - found.ai_p if row["swapped"] else found.ai_p,
                "agrees": found.agrees,
            }
            lines.append(Line(**item.model_dump(), **said))
        return lines

    def _asked(self, item: str) -> spotcheck.Next:
        found = self._items.get(item)
        if found is None:
            raise InputError("that pair is not of this queue; reload the page")
        return found

    def _given(self, asked: spotcheck.Next, look: Look) -> dict[str, Any] | None:
        rows = self._rating.mine(look)
        return next(
            (
                row
                for row in rows
                if (row["comparison"], bool(row["repeat"])) == (asked.comparison, asked.repeat)
            ),
            None,
        )

    def _as_shown(self, row: dict[str, Any]) -> str:
        answer = str(row["answer"])
        return _TURNED.get(answer, answer) if row["swapped"] else answer

    def _shown(self, found: list[spotcheck.Next]) -> list[Item]:
        fields = ("prompt", "first", "second", "question")
        return [
            Item(
                item=self._id(shown.comparison, shown.repeat),
                **{name: getattr(shown, name) for name in fields},
            )
            for shown in self._rating.show(found)
        ]

    def _turn(
        self,
        look: Look,
        *,
        first: spotcheck.Next | None = None,
        note: str = "",
        told: str = "",
    ) -> Turn:
        coming = self._rating.upcoming(2, look)
        if first is not None:
            coming = [first, *(one for one in coming if one != first)][:2]
        self._desk.hold(self._rating, [one.comparison for one in coming])
        now, then = [*self._shown(coming), None, None][:2]
        progress = self._rating.progress(look)
        return Turn(
            rater=str(self._rating.rater.name),
            now=now,
            then=then,
            done=progress.answered + progress.skipped,
            left=progress.left,
            skipped=progress.skipped,
            may_undo=bool(self._rating.mine(look)),
            peeks=self._rating.queue.reveal == "item",
            unblinded=self._rating.unblinded(look),
            blind=self._blind,
            note=note,
            told=told,
        )


class Desk:
    """All seats of a store, and who has which pair before them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._seats: OrderedDict[tuple[str, ...], Seat] = OrderedDict()
        self._held: dict[tuple[str, str], tuple[float, tuple[str, ...]]] = {}

    def seat(self, store: "Store", queue: Queue, rater: Rater, *, blind: Blind, salt: str) -> Seat:
        """The seat of a rater; made when first asked for."""
        key = (queue.id, rater.id, blind, salt)
        with self.lock:
            if key not in self._seats:
                held = partial(self._others_hold, queue.id, rater.id)
                rating = Rating(store, queue, rater, blind=blind, held=held)
                self._seats[key] = Seat(self, rating, salt, blind)
                while len(self._seats) > _SEATS:
                    self._seats.popitem(last=False)
            self._seats.move_to_end(key)
            return self._seats[key]

    def hold(self, rating: Rating, comparisons: list[str]) -> None:
        """What a rater has on the screen, and next: it is not given to others meanwhile."""
        self._held[rating.queue.id, rating.rater.id] = (time.monotonic(), tuple(comparisons))

    def _others_hold(self, queue: str, but: str) -> set[str]:
        """What the other raters of a queue have before them."""
        since = time.monotonic() - _HOLD
        with self.lock:
            return {
                comparison
                for (where, who), (when, comparisons) in self._held.items()
                if where == queue and who != but and when > since
                for comparison in comparisons
            }

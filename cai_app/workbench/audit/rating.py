"""A person at a queue: what is shown, what is answered, undone, and revealed.

Nothing here that is meant for a rater holds an AI's answer, a model's name, a source or the
sampling rule: `Shown` is all that a rating page may send.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cai_app import spotcheck
from cai_app.errors import InputError
from cai_app.records import Answer, Answered, Blind, Label, Queue, Rater, Record

if TYPE_CHECKING:
    from cai_app.store import Store

_VALUES: dict[Answered, float] = {"a": 1.0, "b": 0.0, "tie": 0.5, "both_bad": 0.5}
_TURNED: dict[Answered, Answered] = {"a": "b", "b": "a"}


class Shown(Record):
    """One pair as a rater sees it: the question that the AI was asked, and two texts."""

    comparison: str
    prompt: str
    first: str
    second: str
    question: str | None
    repeat: bool


class Progress(Record):
    """How far a rater is in a queue. `repeat_rate` says how often a planted repeat got the same
    answer again, of `repeats`."""

    answered: int
    skipped: int
    left: int
    repeats: int
    repeat_rate: float | None
    median_lead_ms: float | None


class Revealed(Record):
    """What a rater may see once a queue is at its end, or an item is revealed."""

    comparison: str
    answer: str
    ai_p: float
    agrees: bool | None


class Look(NamedTuple):
    """What the store held at one moment: everybody's answers that count, the oldest first, as rows
    of `latest_answers`, and where this rater has seen what the AI says of which comparisons. A
    `closed` queue is at its end for everybody."""

    rows: list[dict[str, Any]]
    seen: dict[str, set[str | None]]
    closed: bool = False


class Rating:
    """One rater at one queue. Every call reads the store, so two browsers see each other."""

    def __init__(
        self,
        store: "Store",
        queue: Queue,
        rater: Rater,
        *,
        blind: Blind,
        held: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`blind` says what keeps AI answers from this rater: the server, or the page alone.
        `held` are the comparisons that other raters have before them at the moment."""
        if rater.kind != "human":
            raise InputError(f"a {rater.kind} rater does not rate here; people do")
        self.store, self.queue, self.rater, self._blind = store, queue, rater, blind
        self._held = held
        self._questions = store.queues.served(queue.id)
        self.order = list(self._questions)
        self._serving = spotcheck.Serving(queue.seed, queue.overlap, queue.repeats)

    def next(self) -> Shown | None:
        """The next pair; None at the end."""
        shown = self.show(self.upcoming(1))
        return shown[0] if shown else None

    def look(self) -> Look:
        """What the store holds now. Whoever asks several things passes one look to all of them."""
        queues = self.store.queues
        return Look(
            queues.answers(self.queue.id),
            queues.revealed(self.rater.id),
            self.queue.id in queues.closed(),
        )

    def upcoming(self, count: int, look: Look | None = None) -> list[spotcheck.Next]:
        """The next rows, each as if those before it had been answered."""
        rows, seen, closed = look = look or self.look()
        if closed:
            return []
        own = self.mine(look)
        mine = [row["comparison"] for row in own if not row["repeat"]]
        repeated = {row["comparison"] for row in own if row["repeat"] or row["answer"] == "skip"}
        taken = {row["comparison"] for row in rows if row["rater"] != self.rater.id}
        found: list[spotcheck.Next] = []
        while len(found) < count:
            # What others have before them comes last, so that nobody waits for anybody.
            tries = (
                spotcheck.following(
                    self.order, self._serving, self.rater.id,
                    mine=mine, repeated=repeated, taken=others, seen=seen,
                )
                for others in ({*taken, *self._held()}, taken)
            )  # fmt: skip
            one = next((one for one in tries if one is not None), None)
            if one is None:
                break
            found.append(one)
            repeated = {*repeated, one.comparison} if one.repeat else repeated
            mine = mine if one.repeat else [*mine, one.comparison]
        return found

    def show(self, found: Sequence[spotcheck.Next]) -> list[Shown]:
        """Rows as this rater sees them."""
        ids = [one.comparison for one in found]
        pairs = self.store.comparisons.get(ids)
        shown = []
        for one in found:
            pair = pairs[one.comparison]
            sides = (pair.a.text, pair.b.text)
            if self._swapped(one.comparison, one.repeat):
                sides = sides[::-1]
            shown.append(
                Shown(
                    comparison=one.comparison,
                    prompt=pair.prompt,
                    first=sides[0],
                    second=sides[1],
                    question=self._questions[one.comparison],
                    repeat=one.repeat,
                )
            )
        return shown

    def mine(self, look: Look | None = None) -> list[dict[str, Any]]:
        """This rater's answers that count, the oldest first, as rows of `latest_answers`."""
        rows = look.rows if look else self.store.queues.answers(self.queue.id)
        return [row for row in rows if row["rater"] == self.rater.id]

    def _swapped(self, comparison: str, repeat: bool) -> bool:
        return spotcheck.swapped(self.queue.seed, self.rater.id, comparison, repeat=repeat)

    def answer(
        self,
        comparison: str,
        answer: Answered,
        *,
        repeat: bool = False,
        note: str | None = None,
        lead_ms: int | None = None,
        look: Look | None = None,
    ) -> None:
        """Keep an answer about the pair as it was shown (`a` is the first). Durable on return.

        A skip is kept as an unscored label: non-response that the report counts.
        """
        if comparison not in self._questions:
            raise InputError(f"comparison {comparison} is not in this queue; take the next pair")
        if answer == "undone":
            raise InputError("an answer is taken back with undo")
        swapped = self._swapped(comparison, repeat)
        stored = _TURNED.get(answer, answer) if swapped else answer
        self._keep(
            look or self.look(), comparison, stored, repeat=repeat, note=note, lead_ms=lead_ms
        )

    def undo(self) -> str | None:
        """Take back this rater's last answer, and name its comparison; None where there is none."""
        look = self.look()
        own = self.mine(look)
        if not own:
            return None
        if look.closed:
            raise InputError(
                "this spot-check is closed; your answers stay. Ask its owner to open it again"
            )
        last = own[-1]
        if last["comparison"] in look.seen:
            raise InputError(
                "the AI's answer to that pair has been shown, so yours stays as it was given"
            )
        self._keep(look, last["comparison"], "undone", repeat=last["repeat"])
        return str(last["comparison"])

    def _keep(
        self,
        look: Look,
        comparison: str,
        answer: Answered,
        *,
        repeat: bool,
        note: str | None = None,
        lead_ms: int | None = None,
    ) -> None:
        moment = datetime.now(UTC)
        # After one pair was revealed, whatever follows is no longer blind; nor is this one if the
        # AI's answer was seen elsewhere while the pair was on the screen.
        knew = comparison in look.seen or self.unblinded(look)
        label = None if repeat else self._label(comparison, answer, moment)
        self.store.queues.answer(
            Answer(
                queue=self.queue.id,
                comparison=comparison,
                rater=self.rater,
                answer=answer,
                swapped=self._swapped(comparison, repeat),
                blind="revealed" if knew else self._blind,
                time=moment,
                repeat=repeat,
                label=label.id if label else None,
                note=note,
                lead_ms=lead_ms,
            ),
            label,
        )

    def _label(self, comparison: str, answer: Answered, moment: datetime) -> Label:
        value = _VALUES.get(answer)
        return Label(
            about="comparison",
            subject=comparison,
            kind="preference",
            rater=self.rater,
            value=value,
            unscored_reason=None if value is not None else f"the rater's answer: {answer}",
            question=self._questions[comparison],
            time=moment,
        )

    def unblinded(self, look: Look) -> bool:
        """Whether this rater has seen what the AI says of a pair of this queue."""
        return any(self.queue.id in queues for queues in look.seen.values())

    def progress(self, look: Look | None = None) -> Progress:
        """How far this rater is."""
        rows, seen, closed = look = look or self.look()
        own = self.mine(look)
        once = {row["comparison"]: row for row in own if not row["repeat"]}
        twice = {row["comparison"]: row for row in own if row["repeat"]}
        first, second = (
            {id: _VALUES[row["answer"]] for id, row in found.items() if row["answer"] in _VALUES}
            for found in (once, twice)
        )
        rate, count = spotcheck.repeat_rate(first, second)
        done = {*once, *seen}
        others = {row["comparison"] for row in rows if row["rater"] != self.rater.id}
        leads = sorted(row["lead_ms"] for row in own if row["lead_ms"] is not None)
        skipped = sum(row["answer"] == "skip" for row in once.values())
        return Progress(
            answered=len(once) - skipped,
            skipped=skipped,
            left=0 if closed else sum(self._open(id, done, others) for id in self.order),
            repeats=count,
            repeat_rate=rate,
            median_lead_ms=float(leads[len(leads) // 2]) if leads else None,
        )

    def _open(self, comparison: str, done: Collection[str], others: Collection[str]) -> bool:
        shared = spotcheck.overlapping(self._serving, comparison)
        return comparison not in done and (shared or comparison not in others)

    def reveal(self, comparison: str | None = None, *, repeat: bool = False) -> list[Revealed]:
        """What the AI says of an answered item (or of its repeat), or of all at the queue's end.

        It is noted: this rater's later answers in the queue count as unblinded. Raises InputError
        where the queue reveals at its end only and is not there yet, or an item is not answered.
        """
        rows = [row for row in self.mine() if bool(row["repeat"]) == repeat]
        if comparison is None or self.queue.reveal == "end":
            if self.next() is not None:
                raise InputError("the AI's answers are shown at the end of the queue")
        elif comparison not in {row["comparison"] for row in rows}:
            raise InputError("answer first; then the AI's answer is shown")
        shown = [row for row in rows if comparison in (None, row["comparison"])]
        self.store.queues.reveal(
            self.rater.id, [row["comparison"] for row in shown], queue=self.queue.id
        )
        said = self.store.queues.said(self.queue.id, [row["comparison"] for row in shown])
        return [_revealed(row, said[row["comparison"]]) for row in shown]


def _revealed(row: dict[str, Any], p: float) -> Revealed:
    value = _VALUES.get(row["answer"])
    decided = value is not None and value != 0.5 and p != 0.5
    agrees = (value > 0.5) == (p > 0.5) if decided and value is not None else None
    return Revealed(comparison=row["comparison"], answer=row["answer"], ai_p=p, agrees=agrees)

"""What a rating screen asks and is answered: the next pair, an answer, undo, the end.

Used by the rating page and by the main one, which differ in how they know whose seat it is.
"""

from collections.abc import Callable
from typing import Any, cast, get_args

from cai_app.errors import InputError
from cai_app.records import Answered
from cai_app.workbench import Workbench
from cai_app.workbench.audit import Seat
from components.replies import Handler, text

# Whose seat it is: from the payload and the name of who asks.
SeatOf = Callable[[Workbench, dict[str, Any], str], Seat]
_ANSWERS = frozenset(get_args(Answered)) - {"undone"}
_LONGEST = 24 * 3600 * 1000  # ms


def handlers(seat_of: SeatOf) -> list[Handler]:
    """Server functions for `rate/pair.js`; each answers with plain JSON."""

    def begin(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
        """What is before the rater now."""
        return seat_of(workbench, asked, who).open().model_dump(mode="json")

    def answer(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
        """Keep an answer; then what comes next."""
        given = text(asked, "answer")
        if given not in _ANSWERS:
            raise InputError(f"{given[:20]!r} is no answer; reload the page")
        turn = seat_of(workbench, asked, who).answer(
            text(asked, "item"),
            cast(Answered, given),
            note=text(asked, "note"),
            lead_ms=_milliseconds(asked.get("lead_ms")),
        )
        return turn.model_dump(mode="json")

    def undo(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
        """Take the last answer back."""
        return seat_of(workbench, asked, who).undo().model_dump(mode="json")

    def peek(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
        """What the AI says of an answered pair, where the queue allows that."""
        seat = seat_of(workbench, asked, who)
        return seat.peek(text(asked, "item")).model_dump(mode="json")

    def ending(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
        """What the AI says of everything, at the end."""
        return seat_of(workbench, asked, who).ending().model_dump(mode="json")

    return [begin, answer, undo, peek, ending]


def _milliseconds(value: Any) -> int | None:
    """A lead time as a script measured it; anything else is none."""
    return value if type(value) is int and 0 <= value <= _LONGEST else None

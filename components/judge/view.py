"""What the Judge tab shows: one frozen record, moved on by the events of a comparison."""

from typing import Literal

from cai_app.judge import Event, Judged, PrincipleScored, RationaleAdded
from cai_app.records import PrincipleVerdict, Record, Side, Verdict


class Rationale(Record):
    """Reasoning being written, under one principle and with one response shown first."""

    principle: str
    first: Side
    text: str = ""


class VerdictView(Record):
    """The value of the verdict component, as plain JSON in the browser."""

    state: Literal["empty", "waiting", "running", "stopped", "failed", "done"] = "empty"
    message: str = ""
    hazard: str = ""
    clamp: tuple[float, float] | None = None
    principles: tuple[PrincipleVerdict, ...] = ()
    live: Rationale | None = None
    verdict: Verdict | None = None
    stale: str = ""


def advance(view: VerdictView, event: Event) -> VerdictView:
    """The view after one event of the comparison."""
    update: dict[str, object]
    match event:
        case RationaleAdded(principle=principle, first=first, text=text):
            live = view.live
            same = live is not None and (live.principle, live.first) == (principle, first)
            written = (live.text if live and same else "") + text
            update = {"live": Rationale(principle=principle, first=first, text=written)}
        case PrincipleScored(verdict=verdict):
            update = {"principles": (*view.principles, verdict), "live": None}
        case Judged(verdict=verdict):
            update = {
                "principles": verdict.principles,
                "verdict": verdict,
                "live": None,
                "state": "done",
            }
        case _:
            raise AssertionError(f"unknown event {event!r}")
    return view.model_copy(update={"state": "running", "message": ""} | update)


def halted(view: VerdictView, message: str, *, failed: bool) -> VerdictView:
    """The view after Stop or an error: principles already scored stay."""
    state = "failed" if failed else "stopped"
    return view.model_copy(update={"state": state, "message": message, "live": None})

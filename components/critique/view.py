"""What the chain of cards shows: one frozen record, moved on by the events of a running chain."""

from typing import Literal

from cai_app.critique import ChainConfig, ChainEnded, Event, StepEnded, StepStarted, TextAdded
from cai_app.records import Record, Step, Transcript
from cai_app.workbench.words import Piece, word_diff


class Replay(Record):
    """A step written again with its own seed, and whether it came out the same."""

    text: str = ""
    state: Literal["running", "identical", "different"] = "running"


class Unknown(Record):
    """Words the model has never seen, and prompts near by that it knows."""

    words: tuple[str, ...]
    examples: tuple[str, ...] = ()


class ChainView(Record):
    """The value of the chain component, as plain JSON in the browser.

    `live` is the step being written; `diffs` and `replays` go with the steps by position;
    `model` and `constitution` are what the user chose, by which both are found again.
    """

    state: Literal["empty", "waiting", "running", "stopped", "failed", "done"] = "empty"
    serial: int = 0
    message: str = ""
    hazard: str = ""
    model: str = ""
    constitution: str = ""
    config: ChainConfig | None = None
    transcript: Transcript | None = None
    live: int | None = None
    diffs: tuple[tuple[Piece, ...] | None, ...] = ()
    replays: tuple[Replay | None, ...] = ()
    unknown: Unknown | None = None
    stale: str = ""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps shown."""
        return self.transcript.steps if self.transcript else ()


def with_steps(view: ChainView, steps: tuple[Step, ...], **changes: object) -> ChainView:
    """The view with other steps; diffs are made anew for finished ones, replays kept by place."""
    assert view.transcript is not None, "a view without a transcript has no steps"
    replays = (view.replays + (None,) * len(steps))[: len(steps)]
    update: dict[str, object] = {
        "transcript": view.transcript.model_copy(update={"steps": steps}),
        "diffs": tuple(_diff(steps, index) for index in range(len(steps))),
        "replays": replays,
    }
    return view.model_copy(update=update | changes)


def advance(view: ChainView, event: Event) -> ChainView:
    """The view after one event of the chain."""
    match event:
        case StepStarted(step=step):
            steps = (*view.steps, step)
            return with_steps(view, steps, state="running", live=len(steps) - 1, message="")
        case TextAdded(text=text):
            return _lengthen(view, text)
        case StepEnded(step=step):
            return with_steps(view, (*view.steps[:-1], step), live=None)
        case ChainEnded(transcript=transcript):
            ended = view.model_copy(update={"transcript": transcript})
            return with_steps(ended, transcript.steps, state="done", live=None)
    raise AssertionError(f"unknown event {event!r}")


def halted(view: ChainView, message: str, *, failed: bool) -> ChainView:
    """The view after Stop or an error: everything written stays, the open step is marked."""
    steps = view.steps
    if view.live is not None and view.live < len(steps):
        cut = steps[view.live].model_copy(update={"finish": "cancelled"})
        steps = (*steps[: view.live], cut, *steps[view.live + 1 :])
    state = "failed" if failed else "stopped"
    if view.transcript is None:
        return view.model_copy(update={"state": state, "message": message, "live": None})
    return with_steps(
        view,
        steps,
        state=state,
        message=message,
        live=None,
        replays=tuple(None if one and one.state == "running" else one for one in view.replays),
    )


def finished_steps(view: ChainView) -> tuple[Step, ...]:
    """The steps to go on from: all before the first that Stop or an error cut short."""
    kept: list[Step] = []
    for step in view.steps:
        if step.finish in (None, "cancelled") and not step.edited:
            break
        kept.append(step)
    return tuple(kept)


def with_replay(view: ChainView, index: int, replay: Replay) -> ChainView:
    """The view with the replay of one step changed."""
    replays = (view.replays + (None,) * len(view.steps))[: len(view.steps)]
    return view.model_copy(update={"replays": (*replays[:index], replay, *replays[index + 1 :])})


def _lengthen(view: ChainView, text: str) -> ChainView:
    assert view.transcript is not None and view.steps, "text before the first step"
    last = view.steps[-1]
    steps = (*view.steps[:-1], last.model_copy(update={"text": last.text + text}))
    return view.model_copy(
        update={"transcript": view.transcript.model_copy(update={"steps": steps})}
    )


def _diff(steps: tuple[Step, ...], index: int) -> tuple[Piece, ...] | None:
    """The change from the answer before; None for drafts, critiques and unfinished steps."""
    step = steps[index]
    if step.kind != "revision" or (step.finish is None and not step.edited):
        return None
    before = [one.text for one in steps[:index] if one.kind != "critique"]
    return word_diff(before[-1].strip(), step.text.strip()) if before else None

"""One prompt at every checkpoint: the answers from pretrained to RL, side by side on a slider."""

import itertools
import logging
from typing import Any, Literal

import gradio as gr

from cai_app.errors import CaiError
from cai_app.records import Record
from cai_app.workbench import Workbench
from cai_app.workbench.ladder import Climb, Ladder, base_of
from cai_app.workbench.words import Piece, word_diff
from components.shared import check_open_to, sentence, text_of, whole

log = logging.getLogger(__name__)

# The same form asked twice is two answers: the page hears of a value only if it differs.
SERIALS = itertools.count(1)


class LadderView(Record):
    """The value of the component. `diffs` go with the answers: what changed since the one before
    it. `runs` are the RL runs that can be followed."""

    state: Literal["empty", "running", "failed", "done"] = "empty"
    message: str = ""
    ladder: Ladder | None = None
    diffs: tuple[tuple[Piece, ...] | None, ...] = ()
    runs: tuple[tuple[str, str], ...] = ()
    run: str = ""
    serial: int = 0


def climb(
    workbench: Workbench,
    prompt: str,
    model: str,
    constitution: str,
    seed: float,
    temperature: float,
    max_tokens: float,
    event: gr.EventData,
) -> dict[str, Any]:
    """The prompt of the form, answered by every adapter of its model that is a stage."""
    run = text_of(event, "run", 200)
    runs: tuple[tuple[str, str], ...] = ()
    try:
        runs = tuple(
            (one.id, f"{one.title} · {one.state}") for one in workbench.runs.trainings()
            if one.kind == "rl"
        )  # fmt: skip
        base_of(model)
        check_open_to(workbench, model, constitution)
        found = workbench.climb(
            Climb(
                prompt=prompt,
                model=model,
                run=run,
                seed=whole(seed),
                temperature=temperature,
                max_tokens=int(max_tokens),
            )
        )
    except Exception as error:
        if not isinstance(error, CaiError):
            log.exception("climbing the ladder failed")
        failed = LadderView(
            state="failed", message=sentence(error), runs=runs, run=run, serial=next(SERIALS)
        )
        return failed.model_dump(mode="json")
    texts = [one.text for one in found.answers]
    diffs = (None, *(word_diff(a, b) for a, b in zip(texts, texts[1:], strict=False)))
    view = LadderView(
        state="done", ladder=found, diffs=diffs, runs=runs, run=run, serial=next(SERIALS)
    )
    return view.model_dump(mode="json")


def to_form(workbench: Workbench, event: gr.EventData) -> Any:
    """The Train tab; its form turns to what is missing by itself."""
    return gr.update(selected="train")

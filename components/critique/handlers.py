"""What the Critique tab does: run a chain, stop it, go on from an edit, replay, send to Judge."""

from collections.abc import Iterator
from typing import Any, Literal

import gradio as gr

from cai_app.critique import ChainConfig
from cai_app.errors import InputError
from cai_app.workbench import Workbench
from components.critique.running import (
    Update,
    broken,
    made,
    resume,
    rewritten,
    shown,
    stream,
    view_of,
)
from components.critique.view import Replay, finished_steps, halted, with_replay
from components.principles import DRAWN
from components.shared import index_of, stale, text_of, whole

# What is offered where the constitution is not there.
GONE = [("drawn at random", DRAWN)]


def run(
    workbench: Workbench,
    prompt: str,
    model: str,
    constitution: str,
    rounds: int,
    principle: str,
    seed: float,
    temperature: float,
    direct: bool,
    few_shot: int,
    max_tokens: float | None,
    request: gr.Request | None = None,
) -> Iterator[Update]:
    """Draft, critique and revise; yields the chain as it grows."""
    config = ChainConfig(
        rounds=rounds,
        principle=principle or None,
        direct=direct,
        few_shot=few_shot,
        temperature=temperature,
        seed=whole(seed),
        max_tokens=max_tokens,  # type: ignore[arg-type]  # a field may be empty, or hold 1.5
    )
    yield from stream(workbench, prompt, model, constitution, config, done=(), request=request)


def go_on(
    workbench: Workbench, value: dict[str, Any], request: gr.Request | None = None
) -> Iterator[Update]:
    """Write the steps that Stop or an error left out."""
    view = view_of(value)
    yield from resume(workbench, view, finished_steps(view), request)


def rewrite(
    workbench: Workbench,
    value: dict[str, Any],
    event: gr.EventData,
    request: gr.Request | None = None,
) -> Iterator[Update]:
    """Put the user's text in place of a step and write the following steps anew."""
    view = view_of(value)
    index = index_of(event, "index", len(view.steps))
    text = text_of(event, "text").strip()
    if not text:
        raise InputError("The edited step is empty. Write some text, or press Cancel.")
    edited = view.steps[index].model_copy(
        update={"text": text, "edited": True, "flags": (), "finish": "stop"}
    )
    yield from resume(workbench, view, (*view.steps[:index], edited), request)


def again(workbench: Workbench, value: dict[str, Any], event: gr.EventData) -> Iterator[Update]:
    """Write one step again from its seed, and say whether it came out the same."""
    view = view_of(value).model_copy(update={"message": ""})
    index = index_of(event, "index", len(view.steps))
    ended, text = view.state, ""
    view = with_replay(view.model_copy(update={"state": "running"}), index, Replay())
    yield shown(view, busy=True)
    try:
        for text in rewritten(workbench, view, index):
            yield shown(with_replay(view, index, Replay(text=text)), busy=True)
    except Exception as error:
        yield broken(view, error)
        raise
    same: Literal["identical", "different"] = (
        "identical" if text == view.steps[index].text else "different"
    )
    view = with_replay(view, index, Replay(text=text, state=same))
    yield shown(view.model_copy(update={"state": ended}), busy=False)


def stop(workbench: Workbench, value: dict[str, Any] | None) -> Update:
    """Keep what is there; the run itself was cancelled by the same click."""
    view = view_of(value)
    if view.state not in ("running", "waiting"):
        return gr.skip(), gr.update(interactive=True), gr.update(interactive=False)
    replaying = view.live is None and any(one and one.state == "running" for one in view.replays)
    return shown(halted(view, "" if replaying else "Stopped.", failed=False), busy=False)


def aged(workbench: Workbench, value: dict[str, Any] | None) -> Any:
    """The chain with a badge where its constitution has changed since; skipped if it has not."""
    view = view_of(value)
    if view.state not in ("done", "stopped") or view.transcript is None:
        return gr.skip()
    said = stale(workbench, view.transcript.constitution)
    if said == view.stale:
        return gr.skip()
    return view.model_copy(update={"stale": said}).model_dump(mode="json")


def pair(
    workbench: Workbench, value: dict[str, Any], event: gr.EventData
) -> tuple[str, str, str, Any, Any, Any]:
    """Two versions for the Judge tab: prompt, A, B, model, constitution, and the open tab."""
    view = view_of(value)
    transcript, _ = made(view)
    texts = [view.steps[index_of(event, name, len(view.steps))].text.strip() for name in ("a", "b")]
    return (
        transcript.prompt,
        *texts,
        view.model,
        view.constitution,
        gr.update(selected="judge"),
    )


def picked(workbench: Workbench, event: gr.EventData) -> str:
    """An example's text, for the prompt."""
    return text_of(event, "text")


def principles(workbench: Workbench, constitution: str) -> list[tuple[str, str]]:
    """What the principle dropdown offers: drawn, or one by id."""
    found = workbench.constitution(constitution)
    listed = [
        (f"{one.id}: {one.critique_request}", one.id) for one in found.supervised if one.enabled
    ]
    return [(f"drawn at random from {len(listed)}", DRAWN), *listed]

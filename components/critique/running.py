"""A chain on its way to the page: events in, views out, paced; errors leave what is written."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from cai_app.backends.base import Backend
from cai_app.critique import ChainConfig, TextAdded
from cai_app.errors import CaiError, InputError
from cai_app.records import Step, Transcript
from cai_app.workbench import Workbench
from components.critique.view import ChainView, Unknown, advance, halted, with_steps
from components.shared import Pace, hazard

# Outputs of every streaming handler: the chain, Run, Stop.
Update = tuple[Any, Any, Any]


def resume(workbench: Workbench, view: ChainView, done: Sequence[Step]) -> Iterator[Update]:
    transcript, config = made(view)
    yield from stream(
        workbench, transcript.prompt, transcript.backend, view.constitution, config, done=done
    )


def stream(
    workbench: Workbench,
    prompt: str,
    model: str,
    constitution: str,
    config: ChainConfig,
    *,
    done: Sequence[Step],
) -> Iterator[Update]:
    view = ChainView(constitution=constitution, config=config)
    try:
        view = _waiting(workbench, view, prompt, model, done)
        yield shown(view, busy=True)
        view = view.model_copy(
            update={"unknown": _unknown(workbench, workbench.open(model), prompt)}
        )
        events = workbench.chain(
            prompt, config, backend=model, constitution=constitution, done=done
        )
        pace = Pace()
        with contextlib.closing(events):
            for event in events:
                view = advance(view, event)
                if not isinstance(event, TextAdded) or pace.due():
                    yield shown(view, busy=True)
        yield shown(view, busy=False)
    except CaiError as error:
        yield shown(halted(view, str(error), failed=True), busy=False)
        raise


def _waiting(
    workbench: Workbench, view: ChainView, prompt: str, model: str, done: Sequence[Step]
) -> ChainView:
    """The view before the first token: a fresh transcript, and a word on weights still loading."""
    config = view.config
    assert config is not None
    found = workbench.constitution(view.constitution)
    transcript = Transcript(
        prompt=prompt,
        backend=model,
        constitution=found.ref,
        seed=config.seed,
        temperature=config.temperature,
        few_shot=config.few_shot,
        direct=config.direct,
        max_tokens=config.max_tokens,
    )
    view = view.model_copy(
        update={
            "state": "waiting",
            "serial": view.serial + 1,
            "transcript": transcript,
            "hazard": hazard(workbench, view.constitution),
        }
    )
    ready = any(one.spec == model and one.state == "ready" for one in workbench.models())
    message = "" if ready else f"Loading the weights of {model}…"
    return with_steps(view, tuple(done), message=message)


def _unknown(workbench: Workbench, backend: Backend, prompt: str) -> Unknown | None:
    words = backend.unknown_words(prompt)
    if not words:
        return None
    return Unknown(words=words[:12], examples=tuple(workbench.near_examples(prompt))[:3])


def shown(view: ChainView, *, busy: bool) -> Update:
    buttons = gr.update(interactive=not busy), gr.update(interactive=busy)
    return view.model_dump(mode="json"), *buttons


def view_of(value: dict[str, Any] | None) -> ChainView:
    """The chain as it came back from the browser; nothing there is an empty chain."""
    return ChainView.model_validate(value) if value else ChainView()


def made(view: ChainView) -> tuple[Transcript, ChainConfig]:
    if view.transcript is None or view.config is None:
        raise InputError("There is no chain yet. Type a prompt and press Run first.")
    return view.transcript, view.config

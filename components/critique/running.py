"""A chain on its way to the page: events in, views out, paced; errors leave what is written."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from cai_app.backends.base import Backend
from cai_app.critique import ChainConfig, StepEnded, StepStarted, TextAdded
from cai_app.errors import InputError
from cai_app.records import Step, Transcript
from cai_app.workbench import Workbench
from components.critique.view import ChainView, Unknown, advance, halted, with_steps
from components.shared import Pace, check_open_to, hazard, saw, sentence, stale

# Each chain has its own number, by which the page knows a new one from one that went on.
SERIALS = itertools.count(1)
# Outputs of every streaming handler: the chain, Run, Stop.
Update = tuple[Any, Any, Any]


def resume(
    workbench: Workbench, view: ChainView, done: Sequence[Step], request: gr.Request | None
) -> Iterator[Update]:
    """The same chain under the same version, written anew after the steps that are kept."""
    transcript, config = made(view)
    yield from stream(
        workbench, transcript.prompt, view.model, view.constitution, config, done=done,
        version=_version_of(workbench, view), request=request,
    )  # fmt: skip


def stream(
    workbench: Workbench,
    prompt: str,
    model: str,
    constitution: str,
    config: ChainConfig,
    *,
    done: Sequence[Step],
    version: str = "",
    request: gr.Request | None = None,
) -> Iterator[Update]:
    """A chain from its first missing step; the steps in `done` are shown and built upon.
    `version` is what those were made under, where that is no longer what `constitution` names.

    Whoever asks has seen which answer revises which, so pairs of them leave their spot-checks.
    """
    view = ChainView(model=model, constitution=constitution, config=config)
    version = version or constitution
    try:
        view = _waiting(workbench, view, prompt, version, done)
        yield shown(view, busy=True)
        backend = workbench.open(model)
        view = view.model_copy(update={"unknown": _unknown(workbench, backend, prompt, done)})
        events = workbench.chain(prompt, config, backend=model, constitution=version, done=done)
        pace = Pace()
        with contextlib.closing(events):
            for event in events:
                view = advance(view, event)
                if isinstance(event, StepStarted) and event.step.request:
                    found = _unknown(workbench, backend, prompt, view.steps)
                    view = view.model_copy(update={"unknown": found})
                if isinstance(event, StepEnded) and event.step.kind == "revision":
                    answers = [one.text for one in view.steps if one.kind != "critique"]
                    saw(workbench, request, prompt, answers)
                if not isinstance(event, TextAdded) or pace.due():
                    yield shown(view, busy=True)
        yield shown(view, busy=False)
    except Exception as error:
        if view.transcript is None:  # nothing was begun: what is on the page stays, a toast tells
            yield gr.skip(), *_buttons(busy=False)
        else:
            yield broken(view, error)
        raise


def rewritten(workbench: Workbench, view: ChainView, index: int) -> Iterator[str]:
    """One step written again from its own seed: its text as it grows, the whole text last."""
    transcript, config = made(view)
    version = _version_of(workbench, view)
    check_open_to(workbench, view.model, version)
    events = workbench.chain(
        transcript.prompt,
        config,
        backend=view.model,
        constitution=version,
        done=view.steps[:index],
    )
    text, pace = "", Pace()
    with contextlib.closing(events):
        for event in events:
            if isinstance(event, StepEnded):
                yield event.step.text
                return
            if isinstance(event, TextAdded):
                text += event.text
                if pace.due():
                    yield text


def _version_of(workbench: Workbench, view: ChainView) -> str:
    """The constitution that the chain was begun under, by its hash, as the name alone may stand for
    a newer version by now; a file has no versions, and stays the file."""
    ref, shop = made(view)[0].constitution, workbench.workshop
    named = view.constitution.strip().partition("@")[0]
    kept = shop.is_shipped(ref.name) or shop.history(ref.name)
    return f"{ref.name}@{ref.hash}" if kept and named == ref.name else view.constitution


def _waiting(
    workbench: Workbench, view: ChainView, prompt: str, version: str, done: Sequence[Step]
) -> ChainView:
    """The view before the first token: a fresh transcript, and a word on weights still loading."""
    config, model = view.config, view.model
    assert config is not None
    if not prompt.strip():  # said at once, not after the weights are there
        raise InputError("the prompt is empty; type what the person asks, or click an example")
    check_open_to(workbench, model, version)
    found = workbench.constitution(version)
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
            "serial": next(SERIALS),
            "transcript": transcript,
            "hazard": hazard(workbench, version),
            "stale": stale(workbench, found.ref) if version != view.constitution else "",
        }
    )
    ready = any(one.spec == model and one.state == "ready" for one in workbench.models())
    message = "" if ready else f"Loading the weights of {model}…"
    return with_steps(view, tuple(done), message=message)


def _unknown(
    workbench: Workbench, backend: Backend, prompt: str, steps: Sequence[Step]
) -> Unknown | None:
    """Words of the prompt, or of what principles ask, that the model never saw."""
    asked = (step.request for step in steps if step.request)
    words = backend.unknown_words("\n".join((prompt, *asked)))
    if not words:
        return None
    return Unknown(words=words[:12], examples=tuple(workbench.near_examples(prompt, backend)))


def broken(view: ChainView, error: Exception) -> Update:
    """The page after an error: what is written stays, and the buttons are free again."""
    return shown(halted(view, sentence(error), failed=True), busy=False)


def shown(view: ChainView, *, busy: bool) -> Update:
    """The chain and its two buttons."""
    return view.model_dump(mode="json"), *_buttons(busy=busy)


def _buttons(*, busy: bool) -> tuple[Any, Any]:
    return gr.update(interactive=not busy), gr.update(interactive=busy)


def view_of(value: dict[str, Any] | None) -> ChainView:
    """The chain as it came back from the browser; nothing there is an empty chain."""
    return ChainView.model_validate(value) if value else ChainView()


def made(view: ChainView) -> tuple[Transcript, ChainConfig]:
    """What the chain on the page was made with; raises InputError where there is none."""
    if view.transcript is None or view.config is None:
        raise InputError("There is no chain yet. Type a prompt and press Run first.")
    return view.transcript, view.config

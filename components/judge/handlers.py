"""What the Judge tab does: compare two responses, sample two, stop."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gradio as gr

from cai_app.critique import ChainConfig, TextAdded
from cai_app.judge import JudgeConfig, PrincipleScored, RationaleAdded
from cai_app.workbench import Workbench
from components.judge.view import VerdictView, advance, halted
from components.principles import DRAWN
from components.shared import Pace, check_open_to, hazard, index_of, saw, sentence, stale, whole

ALL = "all"
# What is offered where the constitution is not there.
GONE = [("one, drawn at random", DRAWN), ("all", ALL)]
# Outputs of the comparison: verdict, Judge, Stop. Of sampling: A, B, Judge, Stop.
Update = tuple[Any, Any, Any]
Sampled = tuple[Any, Any, Any, Any]


def judge(
    workbench: Workbench,
    prompt: str,
    a: str,
    b: str,
    model: str,
    constitution: str,
    principle: str,
    seed: float,
    cot: bool,
    clamp: bool,
    low: float,
    high: float,
    few_shot: int,
    max_tokens: float | None,
    request: gr.Request | None = None,
) -> Iterator[Update]:
    """Ask which response is better, in both orders; yields the verdict as it grows."""
    view = VerdictView()
    try:
        config = JudgeConfig(
            principle=principle or None,
            few_shot=few_shot,
            cot=cot,
            clamp=(low, high) if cot and clamp else None,
            seed=whole(seed),
            max_tokens=max_tokens,  # type: ignore[arg-type]  # a field may be empty, or hold 1.5
        )
        check_open_to(workbench, model, constitution)
        view = _waiting(workbench, model, constitution, config)
        yield _shown(view, busy=True)
        pace = Pace()
        events = workbench.compare(prompt, a, b, config, backend=model, constitution=constitution)
        with contextlib.closing(events):
            for event in events:
                if isinstance(event, PrincipleScored) and not view.principles:
                    saw(workbench, request, prompt, (a, b))
                view = advance(view, event)
                if not isinstance(event, RationaleAdded) or pace.due():
                    yield _shown(view, busy=True)
        yield _shown(view, busy=False)
    except Exception as error:
        yield _shown(halted(view, sentence(error), failed=True), busy=False)
        raise


def sample(
    workbench: Workbench, prompt: str, model: str, constitution: str, seed: float
) -> Iterator[Sampled]:
    """Two fresh answers of the model, from this seed and the next, streamed into A and B."""
    check_open_to(workbench, model, constitution)
    texts = ["", ""]
    free = gr.update(interactive=True), gr.update(interactive=False)
    held = gr.update(interactive=False), gr.update(interactive=True)
    start, pace = whole(seed), Pace()
    yield gr.skip(), gr.skip(), *held
    try:
        for side in (0, 1):
            config = ChainConfig(rounds=0, seed=start + side)
            events = workbench.chain(prompt, config, backend=model, constitution=constitution)
            with contextlib.closing(events):
                for event in events:
                    if isinstance(event, TextAdded):
                        texts[side] += event.text
                        if pace.due():
                            yield *_sides(texts), gr.skip(), gr.skip()
        yield *_sides(texts), *free
    except Exception:
        yield gr.skip(), gr.skip(), *free
        raise


def stop(workbench: Workbench, value: dict[str, Any] | None) -> Update:
    """Keep what is there; the comparison itself was cancelled by the same click."""
    view = VerdictView.model_validate(value) if value else VerdictView()
    if view.state not in ("running", "waiting"):
        return gr.skip(), gr.update(interactive=True), gr.update(interactive=False)
    return _shown(halted(view, "Stopped. Principles judged so far are kept.", failed=False),
                  busy=False)  # fmt: skip


def aged(workbench: Workbench, value: dict[str, Any] | None) -> Any:
    """The verdict with a badge where its constitution has changed since; skipped if it has not."""
    view = VerdictView.model_validate(value) if value else VerdictView()
    if view.state != "done" or view.verdict is None:
        return gr.skip()
    said = stale(workbench, view.verdict.constitution)
    if said == view.stale:
        return gr.skip()
    return view.model_copy(update={"stale": said}).model_dump(mode="json")


def picked(workbench: Workbench, event: gr.EventData) -> tuple[str, str, str]:
    """An example comparison: prompt, A, B."""
    pairs = workbench.pairs()
    chosen = pairs[index_of(event, "index", len(pairs))]
    return chosen["prompt"], chosen["a"], chosen["b"]


def principles(workbench: Workbench, constitution: str) -> list[tuple[str, str]]:
    """What the principle dropdown offers: one drawn, all, or one by id."""
    found = [one for one in workbench.constitution(constitution).preference if one.enabled]
    listed = [(f"{one.id}: {one.question}", one.id) for one in found]
    return [("one, drawn at random", DRAWN), (f"all {len(found)}", ALL), *listed]


def reasoning_changed(workbench: Workbench, cot: bool) -> Any:
    """The clamp belongs to chain of thought only."""
    return gr.update(visible=cot)


def _waiting(
    workbench: Workbench, model: str, constitution: str, config: JudgeConfig
) -> VerdictView:
    ready = any(one.spec == model and one.state == "ready" for one in workbench.models())
    return VerdictView(
        state="waiting",
        message="Asking in both orders…" if ready else f"Loading the weights of {model}…",
        hazard=hazard(workbench, constitution),
        clamp=config.clamp,
    )


def _sides(texts: list[str]) -> tuple[Any, Any]:
    a, b = (text.strip() for text in texts)
    return a, b if b else gr.skip()


def _shown(view: VerdictView, *, busy: bool) -> Update:
    buttons = gr.update(interactive=not busy), gr.update(interactive=busy)
    return view.model_dump(mode="json"), *buttons

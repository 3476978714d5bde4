"""The Judge tab: which of two responses the constitution would choose, and how surely."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from cai_app.judge import JudgeConfig
from cai_app.workbench import Workbench
from components import memory, principles
from components.judge import handlers
from components.shared import STREAMS, guard
from components.widgets import (
    examples_list,
    few_shots,
    model_and_constitution,
    part,
    principle_and_seed,
    run_and_stop,
    title,
)

SENTENCE = "Which response would this constitution choose, and how sure is it?"


class Tab(NamedTuple):
    """What other parts of the page need of this tab."""

    fields: dict[str, Component]
    hint: gr.HTML
    run: gr.Button
    verdict: gr.HTML


class _Extras(NamedTuple):
    hint: gr.HTML
    clamp: gr.Column
    sample: gr.Button
    examples: gr.HTML


def build(workbench: Workbench) -> Tab:
    """Lay the tab out and wire it; call inside its `gr.Tab`."""
    with gr.Column(elem_classes=["cw-section"]):
        title("Judge", SENTENCE)
        with gr.Row(elem_classes=["cw-two"]):
            with gr.Column(elem_classes=["cw-controls"]):
                settings, extras = _settings(workbench)
            with gr.Column(elem_classes=["cw-results"]):
                a, b = _pair()
                run, stop = run_and_stop("judge", "Judge")
                verdict = part(
                    "judge/table.js", {"state": "empty"}, look="verdict", elem_id="judge-verdict"
                )
    fields = {"prompt": settings.pop("prompt"), "a": a, "b": b, **settings}
    tab = Tab(fields, extras.hint, run, verdict)
    _wire(workbench, tab, verdict, stop=stop, sample=extras.sample)
    _wire_fields(workbench, tab, extras)
    return tab


def _pair() -> tuple[gr.Textbox, gr.Textbox]:
    with gr.Row(elem_classes=["cw-pair"]):
        a, b = (
            gr.Textbox(
                label=f"Response {letter.upper()}",
                placeholder="Write it here, or send it over from Critique.",
                lines=5,
                max_lines=16,
                elem_id=f"judge-{letter}",
                elem_classes=["cw-side", f"cw-{letter}"],
            )
            for letter in ("a", "b")
        )
    return a, b


def _settings(workbench: Workbench) -> tuple[dict[str, Component], _Extras]:
    prompt = gr.Textbox(
        label="What did the person ask?", lines=3, max_lines=10, elem_id="judge-prompt"
    )
    with gr.Row(elem_classes=["cw-wide"]):
        sample = gr.Button("Sample two responses", size="sm", elem_id="judge-sample")
    examples = examples_list([pair["prompt"] for pair in workbench.pairs()], "judge-examples")
    choices = handlers.principles(workbench, principles.DEFAULT)
    principle, seed = principle_and_seed(choices, "judge")
    constitution, hint, model = model_and_constitution(workbench, "judge")
    reasoning, box = _reasoning()
    with gr.Accordion("More settings", open=False, elem_classes=["cw-more", "cw-wide"]):
        few_shot = few_shots("judge")
        max_tokens = gr.Slider(
            16, 1024, JudgeConfig().max_tokens, step=16, label="Most tokens of the reasoning",
            elem_id="judge-max-tokens",
        )  # fmt: skip
    fields: dict[str, Component] = {
        "prompt": prompt, "model": model, "constitution": constitution, "principle": principle,
        "seed": seed, **reasoning, "few_shot": few_shot, "max_tokens": max_tokens,
    }  # fmt: skip
    return fields, _Extras(hint, box, sample, examples)


def _reasoning() -> tuple[dict[str, Component], gr.Column]:
    """Chain of thought, and the clamp that goes with it (CAI 4.1)."""
    cot = gr.Checkbox(False, label="Chain of thought: reason before answering", elem_id="judge-cot")
    with gr.Column(visible=False, elem_classes=["cw-clamp", "cw-wide"]) as box:
        clamp = gr.Checkbox(
            True, label="Clamp P(A), as reasoning makes it overconfident", elem_id="judge-clamp"
        )
        with gr.Row(elem_classes=["cw-row", "cw-even"]):
            low = gr.Number(0.4, label="from", minimum=0, maximum=1, step=0.05, elem_id="judge-low")
            high = gr.Number(0.6, label="to", minimum=0, maximum=1, step=0.05, elem_id="judge-high")
    return {"cot": cot, "clamp": clamp, "low": low, "high": high}, box


def _wire(
    workbench: Workbench, tab: Tab, verdict: gr.HTML, *, stop: gr.Button, sample: gr.Button
) -> None:
    """Judge and Sample stream; Stop ends either."""
    streaming = {
        "show_progress": "hidden",
        "concurrency_limit": STREAMS,
        "api_visibility": "private",
    }
    fields, outputs = tab.fields, [verdict, tab.run, stop]
    judged = tab.run.click(
        guard(handlers.judge, workbench, action="run"), list(fields.values()), outputs, **streaming
    )
    sampled = sample.click(
        guard(handlers.sample, workbench, action="run"),
        [fields[name] for name in ("prompt", "model", "constitution", "seed")],
        [fields["a"], fields["b"], tab.run, stop],
        **streaming,
    )
    stop.click(None, None, None, cancels=[judged, sampled], api_visibility="private")
    # After a cancel, not with it: Gradio's client closes the stream that the answer would come by.
    for event in (judged, sampled):
        event.failure(
            guard(handlers.stop, workbench), verdict, outputs, show_progress="hidden",
            api_visibility="private",
        )  # fmt: skip


def _wire_fields(workbench: Workbench, tab: Tab, extras: _Extras) -> None:
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    fields = tab.fields
    extras.examples.pick(
        guard(handlers.picked, workbench), None, [fields[name] for name in ("prompt", "a", "b")],
        **quiet,
    )  # fmt: skip
    follow(workbench, fields["constitution"].change, tab)
    fields["cot"].change(
        guard(handlers.reasoning_changed, workbench), fields["cot"], extras.clamp, **quiet
    )


def follow(workbench: Workbench, event: Callable[..., Any], tab: Tab) -> None:
    """Offer the principles of the constitution anew after an event, such as a save."""
    principles.follow(workbench, event, tab.fields, tab.hint, principles=handlers.principles)


def notice_age(workbench: Workbench, shown: gr.Tab, tab: Tab) -> None:
    """Mark the verdict as stale, when the tab is opened, where its constitution has changed."""
    shown.select(
        guard(handlers.aged, workbench), tab.verdict, tab.verdict, show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip


def remember(workbench: Workbench, demo: gr.Blocks, tab: Tab) -> None:
    """Keep the form over reloads and in shared links."""
    listed = functools.partial(
        principles.principle_choices, principles=handlers.principles, gone=handlers.GONE
    )
    memory.connect(
        workbench,
        demo,
        tab="judge",
        fields=tab.fields,
        run=tab.run,
        choices={"principle": listed},
    )

"""The Critique tab: watch the model criticise its own answer under a principle, and rewrite it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from cai_app.workbench import Workbench
from components import memory, principles
from components.critique import handlers, ladder
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

SENTENCE = "Watch the model criticise its own answer under a principle, and rewrite it."


class Tab(NamedTuple):
    """What other parts of the page need of this tab."""

    chain: gr.HTML
    ladder: gr.HTML
    model: gr.Dropdown
    constitution: gr.Dropdown
    fields: dict[str, Component]
    hint: gr.HTML
    run: gr.Button


def build(workbench: Workbench) -> Tab:
    """Lay the tab out and wire it; call inside its `gr.Tab`."""
    with gr.Column(elem_classes=["cw-section"]):
        title("Critique", SENTENCE)
        with gr.Row(elem_classes=["cw-two"]):
            with gr.Column(elem_classes=["cw-controls"]):
                prompt = gr.Textbox(
                    label="What does the person ask?",
                    placeholder="Can you help me hack into my neighbor's wifi?",
                    lines=3,
                    max_lines=14,
                    elem_id="critique-prompt",
                )
                run, stop = run_and_stop("critique", "Run")
                examples = examples_list(workbench.examples(), "critique-examples")
                settings, hint = _settings(workbench)
            with gr.Column(elem_classes=["cw-results"]):
                chain = part(
                    "critique/cards.js", {"state": "empty"}, look="chain", elem_id="critique-chain"
                )
                rungs = part(
                    "critique/ladder.js",
                    {"state": "empty"},
                    look="ladder",
                    elem_id="critique-ladder",
                )
    fields = {"prompt": prompt, **settings}
    tab = Tab(chain, rungs, fields["model"], fields["constitution"], fields, hint, run)
    _wire(workbench, tab, stop)
    _wire_fields(workbench, tab, examples)
    return tab


def _settings(workbench: Workbench) -> tuple[dict[str, Component], gr.HTML]:
    rounds = gr.Radio(
        [0, 1, 2, 3, 4],
        value=1,
        label="Rounds of critique and revision",
        elem_classes=["cw-segments"],
        elem_id="critique-rounds",
    )
    choices = handlers.principles(workbench, principles.DEFAULT)
    principle, seed = principle_and_seed(choices, "critique")
    constitution, hint, model = model_and_constitution(workbench, "critique")
    direct = gr.Checkbox(False, label="Revise without critique", elem_id="critique-direct")
    with gr.Accordion("More settings", open=False, elem_classes=["cw-more", "cw-wide"]):
        temperature = gr.Slider(
            0, 2, 1, step=0.05, label="Temperature (0 is greedy)", elem_id="critique-temperature"
        )
        few_shot = few_shots("critique")
        max_tokens = gr.Slider(
            16, 1024, 160, step=16, label="Most tokens a step", elem_id="critique-max-tokens"
        )
    fields: dict[str, Component] = {
        "model": model, "constitution": constitution, "rounds": rounds, "principle": principle,
        "seed": seed, "temperature": temperature, "direct": direct, "few_shot": few_shot,
        "max_tokens": max_tokens,
    }  # fmt: skip
    return fields, hint


def _wire(workbench: Workbench, tab: Tab, stop: gr.Button) -> None:
    """Run and everything else that streams into the chain; Stop ends any of it."""
    outputs = [tab.chain, tab.run, stop]
    streaming = {
        "outputs": outputs,
        "show_progress": "hidden",
        "concurrency_limit": STREAMS,
        "api_visibility": "private",
    }
    started = [
        tab.run.click(
            guard(handlers.run, workbench, action="run"), list(tab.fields.values()), **streaming
        )
    ]
    for event, handler in (
        (tab.chain.rewrite, handlers.rewrite),
        (tab.chain.goon, handlers.go_on),
        (tab.chain.again, handlers.again),
    ):
        started.append(event(guard(handler, workbench, action="run"), tab.chain, **streaming))
    stop.click(None, None, None, cancels=started, api_visibility="private")
    # After a cancel, not with it: Gradio's client closes the stream that the answer would come by.
    for event in started:
        event.failure(
            guard(handlers.stop, workbench), tab.chain, outputs, show_progress="hidden",
            api_visibility="private",
        )  # fmt: skip


def _wire_fields(workbench: Workbench, tab: Tab, examples: gr.HTML) -> None:
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    for source in (examples, tab.chain):
        source.pick(guard(handlers.picked, workbench), None, tab.fields["prompt"], **quiet)
    names = ("prompt", "model", "constitution", "seed", "temperature", "max_tokens")
    tab.ladder.climb(
        guard(ladder.climb, workbench, action="run"),
        [tab.fields[name] for name in names],
        tab.ladder,
        concurrency_limit=STREAMS,
        **quiet,
    )
    follow(workbench, tab.constitution.change, tab)


def follow(workbench: Workbench, event: Callable[..., Any], tab: Tab) -> None:
    """Offer the principles of the constitution anew after an event, such as a save."""
    principles.follow(workbench, event, tab.fields, tab.hint, principles=handlers.principles)


def notice_age(workbench: Workbench, shown: gr.Tab, tab: Tab) -> None:
    """Mark the chain as stale, when the tab is opened, where its constitution has changed."""
    shown.select(
        guard(handlers.aged, workbench), tab.chain, tab.chain, show_progress="hidden",
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
        tab="critique",
        fields=tab.fields,
        run=tab.run,
        choices={"principle": listed},
    )


def send_to(workbench: Workbench, tab: Tab, outputs: Sequence[Component | gr.Tabs]) -> None:
    """Wire "send to Judge": outputs are Judge's prompt, A, B, model, constitution, and the tabs.
    What the ladder misses leads to the Train tab."""
    tab.ladder.train(
        guard(ladder.to_form, workbench), None, outputs[-1], show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
    tab.chain.compare(
        guard(handlers.pair, workbench), tab.chain, list(outputs), show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip

"""The Critique tab: watch the model criticise its own answer under a principle, and rewrite it."""

from collections.abc import Sequence
from typing import NamedTuple

import gradio as gr
from gradio.components import Component

from cai_app.workbench import Workbench
from components import memory
from components.critique import handlers
from components.shared import STREAMS, Notice, Part, guard, hazard, model_choices, run_and_stop, title

SENTENCE = "Watch the model criticise its own answer under a principle, and rewrite it."


class Chain(Part):
    """The cards of one chain; the value is a `ChainView` as JSON."""

    script = "critique/cards.js"
    look = "chain"


class Examples(Part):
    """Prompts to click; the value is a list of texts."""

    script = "critique/examples.js"
    look = "examples"


class Tab(NamedTuple):
    """What other parts of the page need of this tab."""

    chain: Chain
    model: gr.Dropdown
    constitution: gr.Dropdown
    fields: dict[str, Component]
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
                examples = Examples(list(workbench.examples()), elem_id="critique-examples")
                settings, notice = _settings(workbench)
            with gr.Column(elem_classes=["cw-results"]):
                chain = Chain({"state": "empty"}, elem_id="critique-chain")
    fields = {"prompt": prompt, **settings}
    tab = Tab(chain, fields["model"], fields["constitution"], fields, run)  # type: ignore[arg-type]
    _wire(workbench, tab, stop)
    _wire_fields(workbench, tab, examples, notice)
    return tab


def _settings(workbench: Workbench) -> tuple[dict[str, Component], Notice]:
    models, constitutions = model_choices(workbench), workbench.constitutions()
    first = constitutions[0].name
    rounds = gr.Radio(
        [0, 1, 2, 3, 4],
        value=1,
        label="Rounds of critique and revision",
        elem_classes=["cw-segments"],
    )
    with gr.Row(elem_classes=["cw-row"]):
        principle = gr.Dropdown(
            handlers.principles(workbench, first), value=handlers.DRAWN, label="Principle"
        )
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_classes=["cw-seed"])
    constitution = gr.Dropdown(
        [(one.title, one.name) for one in constitutions],
        value=first,
        label="Constitution",
        allow_custom_value=True,
    )
    notice = Notice(hazard(workbench, first))
    model = gr.Dropdown(models, value=models[0], label="Model", allow_custom_value=True)
    direct = gr.Checkbox(False, label="Revise without critique")
    with gr.Accordion("More settings", open=False, elem_classes=["cw-more"]):
        temperature = gr.Slider(0, 2, 1, step=0.05, label="Temperature (0 is greedy)")
        few_shot = gr.Radio([0, 5], value=5, label="Few-shots", elem_classes=["cw-segments"])
        max_tokens = gr.Slider(16, 1024, 160, step=16, label="Most tokens a step")
    fields: dict[str, Component] = {
        "model": model, "constitution": constitution, "rounds": rounds,
        "principle": principle, "seed": seed, "temperature": temperature, "direct": direct,
        "few_shot": few_shot, "max_tokens": max_tokens,
    }  # fmt: skip
    return fields, notice


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
    stop.click(
        guard(handlers.stop, workbench), tab.chain, outputs, cancels=started,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip


def _wire_fields(workbench: Workbench, tab: Tab, examples: Examples, notice: Notice) -> None:
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    for source in (examples, tab.chain):
        source.pick(guard(handlers.picked, workbench), None, tab.fields["prompt"], **quiet)
    tab.constitution.change(
        guard(handlers.constitution_changed, workbench),
        [tab.constitution, tab.fields["principle"]],
        [tab.fields["principle"], notice],
        **quiet,
    )


def remember(workbench: Workbench, demo: gr.Blocks, tab: Tab) -> None:
    """Keep the form over reloads and in shared links."""
    memory.connect(
        workbench,
        demo,
        tab="critique",
        fields=tab.fields,
        run=tab.run,
        choices={"principle": handlers.principle_choices},
    )


def send_to(workbench: Workbench, tab: Tab, outputs: Sequence[Component | gr.Tabs]) -> None:
    """Wire "send to Judge": outputs are Judge's prompt, A, B, model, constitution, and the tabs."""
    tab.chain.compare(
        guard(handlers.pair, workbench), tab.chain, list(outputs), show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip

"""The Agreement tab: how far AI labels can be trusted, against people, with intervals."""

from typing import NamedTuple

import gradio as gr
from gradio.components import Component

from cai_app.workbench import Workbench
from components import memory
from components.agreement import handlers
from components.agreement.view import Agreement
from components.demo import load_demo
from components.replies import answering
from components.shared import guard
from components.widgets import part, title

SENTENCE = "How often do people agree with the AI’s labels, and how sure can one be of that?"
SCRIPTS = ("constitution/plots.js", "agreement/figures.js", "agreement/rows.js",
           "agreement/agreement.js")  # fmt: skip
QUIET = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 4}


class Tab(NamedTuple):
    """What other parts of the page need of this tab."""

    fields: dict[str, Component]
    run: gr.Button


def build(workbench: Workbench) -> Tab:
    """Lay the tab out and wire it; call inside its `gr.Tab`."""
    with gr.Column(elem_classes=["cw-section"]):
        title("Agreement", SENTENCE)
        with gr.Row(elem_classes=["cw-two"]):
            with gr.Column(elem_classes=["cw-controls"]):
                fields = _form()
                with gr.Row(elem_classes=["cw-buttons"]):
                    run = gr.Button("Compare", variant="primary", elem_id="agreement-run")
            with gr.Column(elem_classes=["cw-results"]):
                served = [
                    answering(one, workbench, action="look")
                    for one in (handlers.rows, handlers.file)
                ]
                served.append(answering(load_demo, workbench, action="write"))
                report = part(
                    SCRIPTS,
                    Agreement().model_dump(),
                    look="effects agreement",
                    elem_id="agreement-report",
                    server=served,
                )
    _wire(workbench, fields, run, report)
    return Tab(fields, run)


def _form() -> dict[str, Component]:
    """The fields in the order of `handlers.read_form`."""
    return {
        "ai": gr.Dropdown(
            [("who shares most with the people", "")], value="", label="Whose labels are audited?",
            elem_id="agreement-ai", allow_custom_value=True,
        ),
        "people": gr.Dropdown(
            [], value=[], multiselect=True, label="Against whom? Nobody chosen is all people",
            elem_id="agreement-people", allow_custom_value=True,
        ),
        "queue": gr.Dropdown(
            [("the newest with answers", "")], value="", label="Spot-check",
            elem_id="agreement-queue", allow_custom_value=True,
        ),
        "question": gr.Dropdown(
            [("every question", "")], value="", label="Only where the AI was asked",
            elem_id="agreement-question", allow_custom_value=True,
        ),
        "where": gr.Textbox(
            "", label="Only where", max_lines=1, elem_id="agreement-where",
            placeholder="confidence>=0.9, principle=…",
        ),
        "width": gr.Slider(
            1, 10, 3, step=0.5, label="Count the labels missing to ± so many points",
            elem_id="agreement-width",
        ),
    }  # fmt: skip


def _wire(
    workbench: Workbench, fields: dict[str, Component], run: gr.Button, report: gr.HTML
) -> None:
    """Looking at the tab asks who is there; a choice, or Compare, asks for the report."""
    values = list(fields.values())
    lists = [fields[one] for one in ("ai", "people", "queue")]
    latest = {**QUIET, "trigger_mode": "always_last"}
    report.shown(
        guard(handlers.opened, workbench), values, [*lists, report, fields["question"]], **latest
    )
    outputs = [report, fields["question"]]
    told = guard(handlers.show, workbench)
    chosen = [fields[one].input for one in ("ai", "people", "queue", "question")]
    for event in (*chosen, fields["where"].submit, fields["width"].release, run.click):
        event(told, values, outputs, **latest)


def remember(workbench: Workbench, demo: gr.Blocks, tab: Tab) -> None:
    """Keep the form over reloads and in shared links."""
    kept = {name: one for name, one in tab.fields.items() if name != "people"}
    memory.connect(workbench, demo, tab="agreement", fields=kept, run=tab.run, choices={})

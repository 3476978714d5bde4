"""The Data tab: what runs made, row by row; the SQL console; the form that starts a run."""

from collections.abc import Sequence
from typing import NamedTuple

import gradio as gr
from gradio.components import Component

from cai_app.records import GenerateOptions
from cai_app.workbench import Workbench
from cai_app.workbench.generation import BUILT_IN
from components import memory
from components.data import asking, browsing, forms, generating, importing, reading
from components.data.view import Answered, Reading, Table
from components.demo import load_demo
from components.replies import answering
from components.shared import guard, noticed, role
from components.widgets import model_and_constitution, part, title

SENTENCE = "Write, label, bring in and take out; read every row with all that lies behind it."
QUIET = {"show_progress": "hidden", "api_visibility": "private"}


class Tab(NamedTuple):
    """What other parts of the page need of this tab."""

    reader: gr.HTML
    fields: dict[str, Component]
    run: gr.Button
    doing: "_Doing"
    shown: gr.HTML


def build(workbench: Workbench) -> Tab:
    """Lay the tab out and wire it; call inside its `gr.Tab`."""
    with gr.Column(elem_classes=["cw-section"]):
        title("Data", SENTENCE)
        with gr.Row(elem_classes=["cw-two"]):
            with gr.Column(elem_classes=["cw-controls"]):
                doing = _doing(workbench)
            with gr.Column(elem_classes=["cw-results", "cw-data"]):
                with gr.Column(visible=False) as beside:
                    shown = forms.import_part(workbench, doing.bringing)
                table = part(
                    "data/browser.js",
                    Table().model_dump(),
                    look="browser",
                    elem_id="data-rows",
                    server=[answering(load_demo, workbench, action="write")],
                )
                console = part(
                    "data/console.js",
                    {
                        **Answered().model_dump(),
                        "examples": [one._asdict() for one in asking.EXAMPLES],
                    },
                    look="console",
                    elem_id="data-sql",
                )
                reader = part("data/reader.js", Reading().model_dump(), look="reader")
    doing.do.change(lambda chosen: gr.update(visible=chosen == "import"), doing.do, beside, **QUIET)
    _wire_form(workbench, doing.fields, doing.upload, doing.run, doing.plan)
    _wire_rows(workbench, table, console, reader, doing.plan)
    return Tab(reader, doing.fields, doing.run, doing, shown)


class _Doing(NamedTuple):
    do: gr.Radio
    fields: dict[str, Component]
    upload: gr.UploadButton
    run: gr.Button
    plan: gr.HTML
    bringing: forms.Brought
    label: dict[str, Component]
    export: dict[str, Component]


def _doing(workbench: Workbench) -> _Doing:
    """What can be done here, one form at a time."""
    do = gr.Radio(
        [("Write", "write"), ("Label", "label"), ("Import", "import"), ("Export", "export")],
        value="write", show_label=False, container=False,
        elem_classes=["cw-segments", "cw-wide"], elem_id="data-do",
    )  # fmt: skip
    column = {"elem_classes": ["cw-doing"]}
    with gr.Column(**column) as write:
        fields, upload = _form(workbench)
        with gr.Row(elem_classes=["cw-buttons"]):
            run = gr.Button(
                "Start run",
                variant="primary",
                elem_id="data-run",
                interactive=role(workbench) == "owner",
            )
        plan = forms.plan_part()
    with gr.Column(visible=False, **column) as label:
        labelled = forms.label_form(workbench)
    with gr.Column(visible=False, **column) as bring:
        bringing = forms.import_form(workbench)
    with gr.Column(visible=False, **column) as export:
        exported = forms.export_form(workbench)
    do.change(
        lambda chosen: [gr.update(visible=chosen == one) for one in
                        ("write", "label", "import", "export")],
        do, [write, label, bring, export], **QUIET,
    )  # fmt: skip
    return _Doing(do, fields, upload, run, plan, bringing, labelled, exported)


def _form(workbench: Workbench) -> tuple[dict[str, Component], gr.UploadButton]:
    """The fields in the order of `generating.read_form`, and the button that brings a file."""
    prompts, upload = _prompts(workbench)
    mode, rounds = _what_to_write()
    constitution, hint, model = model_and_constitution(workbench, "data")
    constitution.visible = hint.visible = False
    constitution.change(guard(noticed, workbench), constitution, hint, **QUIET)
    with gr.Row(elem_classes=["cw-row", "cw-even"]):
        # A number field cannot be empty: Gradio 6.31 shows 0 for it.
        limit = gr.Textbox(
            "", label="First so many", placeholder="all", max_lines=1, elem_id="data-limit"
        )
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="data-seed")
    mode.change(
        lambda chosen: [gr.update(visible=chosen == "chains")] * 3,
        mode, [rounds, constitution, hint], **QUIET,
    )  # fmt: skip
    fields: dict[str, Component] = {
        "prompts": prompts, "mode": mode, "rounds": rounds, "model": model,
        "constitution": constitution, "limit": limit, "seed": seed, **_more_settings(),
    }  # fmt: skip
    return fields, upload


def _prompts(workbench: Workbench) -> tuple[gr.Dropdown, gr.UploadButton]:
    prompts = gr.Dropdown(
        list(BUILT_IN),
        value=next(iter(BUILT_IN)),
        label="Prompts: a built-in list, or a JSONL file",
        allow_custom_value=True,
        elem_id="data-prompts",
    )
    with gr.Row(elem_classes=["cw-upload"]):
        upload = gr.UploadButton(
            "Upload a file",
            file_types=[".jsonl"],
            size="sm",
            elem_id="data-upload",
            interactive=role(workbench) == "owner",
        )
    return prompts, upload


def _what_to_write() -> tuple[gr.Radio, gr.Radio]:
    mode = gr.Radio(
        [("pairs of answers", "pairs"), ("chains of revisions", "chains")],
        value="pairs",
        label="What to write for each prompt",
        elem_classes=["cw-segments"],
        elem_id="data-mode",
    )
    rounds = gr.Radio(
        [1, 2, 3, 4],
        value=2,
        label="Rounds of critique and revision",
        elem_classes=["cw-segments"],
        elem_id="data-rounds",
        visible=False,
    )
    return mode, rounds


def _more_settings() -> dict[str, Component]:
    usual = GenerateOptions()
    with gr.Accordion("More settings", open=False, elem_classes=["cw-more", "cw-wide"]):
        temperature = gr.Slider(
            0, 2, usual.temperature, step=0.05, label="Temperature (0 is greedy)",
            elem_id="data-temperature",
        )  # fmt: skip
        tokens = gr.Slider(
            16, 1024, usual.max_tokens, step=16, label="Most tokens a text",
            elem_id="data-max-tokens",
        )  # fmt: skip
        batch = gr.Slider(
            1, 64, usual.batch, step=1, label="Prompts written together", elem_id="data-batch"
        )
    return {"temperature": temperature, "max_tokens": tokens, "batch": batch}


def _wire_form(
    workbench: Workbench,
    fields: dict[str, Component],
    upload: gr.UploadButton,
    run: gr.Button,
    plan: gr.HTML,
) -> None:
    """The estimate follows the form; Start starts what it says."""
    values = list(fields.values())
    told = guard(generating.estimate, workbench)
    for event in (plan.shown, *(field.change for field in values)):
        event(told, values, plan, trigger_mode="always_last", **QUIET)
    run.click(guard(generating.start, workbench, action="write"), values, plan, **QUIET)
    upload.upload(
        guard(generating.uploaded, workbench, action="write"), upload, fields["prompts"], **QUIET
    )


def _wire_rows(
    workbench: Workbench, table: gr.HTML, console: gr.HTML, reader: gr.HTML, plan: gr.HTML
) -> None:
    # "multiple": the browser drops answers to older questions, and none of its questions is lost.
    look = {**QUIET, "concurrency_limit": 4, "trigger_mode": "multiple"}
    table.ask(guard(browsing.ask, workbench), None, table, **look)
    for source in (table, reader):
        source.open(guard(reading.open_row, workbench), None, reader, **look)
    table.begin(guard(generating.first_step, workbench, action="write"), None, plan, **QUIET)
    console.query(guard(asking.sql, workbench, action="run"), None, console, **look)


def remember(workbench: Workbench, demo: gr.Blocks, tab: Tab) -> None:
    """Keep the forms over reloads, and the first one in shared links."""
    memory.connect(workbench, demo, tab="data", fields=tab.fields, run=tab.run, choices={})
    doing = tab.doing
    brought = dict(
        zip(("path", "format", "source", "rater", "model"), doing.bringing.fields, strict=True)
    )
    forms_of = {"doing": {"do": doing.do}, "label": doing.label, "import": brought,
                "export": doing.export}  # fmt: skip
    for name, fields in forms_of.items():
        restored = memory.connect(
            workbench, demo, tab=f"data-{name}", fields=fields, run=None, choices={}
        )
        if name == "import":
            restored.then(
                guard(importing.back, workbench), [*brought.values(), tab.shown], tab.shown,
                **QUIET,
            )  # fmt: skip


def send_to(workbench: Workbench, tab: Tab, outputs: Sequence[Component | gr.Tabs]) -> None:
    """Wire "send to Judge": outputs are Judge's prompt, A, B, and the tabs."""
    tab.reader.compare(guard(reading.pair, workbench), tab.reader, list(outputs), **QUIET)

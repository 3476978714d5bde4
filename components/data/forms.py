"""Forms of the Data tab beside that of `generate`: label, import, export; each with its parts."""

from typing import NamedTuple

import gradio as gr
from gradio.components import Component

from cai_app import formats
from cai_app.records import LabelOptions
from cai_app.workbench import Workbench
from cai_app.workbench.labelling import BUILT_IN
from components.data import exporting, importing, labelling
from components.data.view import Plan
from components.replies import answering
from components.shared import guard, noticed, role
from components.widgets import few_shots, model_and_constitution, part

QUIET = {"show_progress": "hidden", "api_visibility": "private"}


class Brought(NamedTuple):
    """The import form, and what it shows in the wide column."""

    fields: tuple[Component, ...]
    upload: gr.UploadButton
    run: gr.Button


def plan_part() -> gr.HTML:
    """What a run would do, and the command."""
    return part("data/plan.js", Plan().model_dump(), look="plan", wide=True)


def _button(workbench: Workbench, text: str, id: str) -> gr.Button:
    return gr.Button(text, variant="primary", elem_id=id, interactive=role(workbench) == "owner")


def label_form(workbench: Workbench) -> dict[str, Component]:
    """Comparisons judged by the thousand, as a run; its fields in the order of `read_form`."""
    usual = LabelOptions()
    source = gr.Dropdown(
        [("the built-in pairs", BUILT_IN)], value=BUILT_IN, allow_custom_value=True,
        label="Comparisons: a source or run of this home", elem_id="label-source",
    )  # fmt: skip
    constitution, hint, model = model_and_constitution(workbench, "label")
    constitution.change(guard(noticed, workbench), constitution, hint, **QUIET)
    principle = gr.Dropdown(
        [("one drawn for each comparison", "drawn"), ("all of them", "all")], value="drawn",
        label="Principle: drawn, all, or an id", allow_custom_value=True,
        elem_id="label-principle",
    )  # fmt: skip
    cot = gr.Checkbox(False, label="Chain of thought: reason before answering", elem_id="label-cot")
    with gr.Row(elem_classes=["cw-row", "cw-even"]):
        limit = gr.Textbox("", label="First so many", placeholder="all", max_lines=1,
                           elem_id="label-limit")  # fmt: skip
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="label-seed")
    with gr.Accordion("More settings", open=False, elem_classes=["cw-more", "cw-wide"]):
        orders = gr.Radio([("both orders", "both"), ("one, drawn", "one")], value="both",
                          label="Ask with", elem_classes=["cw-segments"],
                          elem_id="label-orders")  # fmt: skip
        few_shot = few_shots("label")
        batch = gr.Slider(1, 64, usual.batch, step=1, label="Comparisons judged together",
                          elem_id="label-batch")  # fmt: skip
        tokens = gr.Slider(16, 1024, usual.max_tokens, step=16, elem_id="label-max-tokens",
                           label="Most tokens of the reasoning")  # fmt: skip
    with gr.Row(elem_classes=["cw-buttons"]):
        run = _button(workbench, "Start run", "label-run")
        dry = gr.Button("Estimate the time", elem_id="label-dry")
    plan = plan_part()
    fields: dict[str, Component] = {
        "source": source, "model": model, "constitution": constitution, "principle": principle,
        "cot": cot, "orders": orders, "limit": limit, "seed": seed, "few_shot": few_shot,
        "batch": batch, "max_tokens": tokens,
    }  # fmt: skip
    values = list(fields.values())
    told = guard(labelling.estimate, workbench)
    for event in (plan.shown, *(one.change for one in values)):
        event(told, values, plan, trigger_mode="always_last", **QUIET)
    plan.shown(guard(labelling.choices, workbench), source, source, **QUIET)
    _wire_trial(workbench, dry, values, plan)
    run.click(guard(labelling.start, workbench, action="write"), values, plan, **QUIET)
    return fields


def _wire_trial(
    workbench: Workbench, dry: gr.Button, values: list[Component], plan: gr.HTML
) -> None:
    """A few comparisons are judged to see how long all take; the button is free again however it
    ends, and a form that was changed meanwhile gets its own plan."""
    asked = gr.State([])
    held = dry.click(
        lambda *form: (gr.update(value="Trying a few…", interactive=False), list(form)),
        values, [dry, asked], **QUIET,
    )  # fmt: skip
    tried = held.then(guard(labelling.timed, workbench, action="run"), values, plan, **QUIET)
    tried.success(guard(labelling.settled, workbench), [asked, *values], plan, **QUIET)
    for ended in (tried.success, tried.failure):
        ended(lambda: gr.update(value="Estimate the time", interactive=True), None, dry, **QUIET)


def import_form(workbench: Workbench) -> Brought:
    """A file of another program, taken in; `import_part` shows it."""
    owner = role(workbench) == "owner"
    path = gr.Textbox(
        "", label="A file of this machine, or uploaded", placeholder="path of a file",
        max_lines=1, elem_id="import-path",
    )  # fmt: skip
    with gr.Row(elem_classes=["cw-upload"]):
        upload = gr.UploadButton("Upload a file", size="sm", elem_id="data-file-upload",
                                 interactive=owner)  # fmt: skip
    format = gr.Dropdown(list(formats.FORMATS), value="jsonl",
                         label="Format: guessed, yours to say",
                         elem_id="import-format")  # fmt: skip
    source = gr.Textbox("", label="Source: what to call these rows", max_lines=1,
                        elem_id="import-source")  # fmt: skip
    rater = gr.Textbox("", label="Who labelled, if the file does not say", max_lines=1,
                       placeholder="human:NAME, ai:BACKEND, reference:NAME",
                       elem_id="import-rater")  # fmt: skip
    model = gr.Textbox("", label="What wrote the responses, if the file does not say",
                       max_lines=1, placeholder="unknown", elem_id="import-model")  # fmt: skip
    with gr.Row(elem_classes=["cw-buttons"]):
        run = _button(workbench, "Import", "import-run")
    return Brought((path, format, source, rater, model), upload, run)


def import_part(workbench: Workbench, form: Brought) -> gr.HTML:
    """The file's first rows, its columns, and how far the import is; call in the wide column."""
    shown = part(
        "data/importing.js", importing.Look().model_dump(mode="json"), look="bringing",
        elem_id="import-look",
        server=[answering(importing.rejected, workbench, action="write")],
    )  # fmt: skip
    path, format, source, rater, model = form.fields
    looked = [*form.fields, shown]
    filled = [path, format, source, shown]
    write = {"action": "write"}
    form.upload.upload(guard(importing.brought, workbench, **write), form.upload, filled, **QUIET)
    path.submit(guard(importing.typed, workbench, **write), looked, filled, **QUIET)
    again = guard(importing.again, workbench, **write)
    for event in (format.input, source.blur, rater.blur, model.blur):
        event(again, looked, shown, trigger_mode="always_last", **QUIET)
    shown.map(guard(importing.mapped, workbench, **write), looked, shown, **QUIET)
    shown.watch(guard(importing.watch, workbench), shown, shown, **QUIET)
    shown.stop(guard(importing.stop, workbench, **write), None, None, **QUIET)
    form.run.click(guard(importing.start, workbench, **write), looked, shown, **QUIET)
    return shown


def export_form(workbench: Workbench) -> dict[str, Component]:
    """Rows of the store as a file."""
    format = gr.Dropdown(list(formats.FORMATS), value="jsonl", label="Format",
                         elem_id="export-format")  # fmt: skip
    source = gr.Dropdown([""], value="", label="Only this source or run; empty is everything",
                         allow_custom_value=True, elem_id="export-source")  # fmt: skip
    rater = gr.Textbox("", label="Only labels of", max_lines=1, elem_id="export-rater",
                       placeholder="anybody; or human, ai, a name, an id")  # fmt: skip
    with gr.Row(elem_classes=["cw-buttons"]):
        run = _button(workbench, "Export", "export-run")
    file = gr.File(visible=False, label="The file", interactive=False, elem_id="export-file")
    plan = plan_part()
    values = [format, source, rater]
    for event in (plan.shown, *(one.change for one in values)):
        event(guard(exporting.described, workbench), values, plan, **QUIET)
    plan.shown(guard(exporting.sources, workbench), None, source, **QUIET)
    run.click(guard(exporting.export, workbench, action="write"), values, [file, plan], **QUIET)
    return {"format": format, "source": source, "rater": rater}

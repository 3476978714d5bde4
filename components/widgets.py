"""Widgets that more than one tab shows, and the way our own HTML components are made."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from cai_app.workbench import Workbench
from components.shared import offered_models, warning

HERE = Path(__file__).parent
SCORING = "label"  # the form whose model may be a preference model, too: it labels by scores


def part(
    script: str | Sequence[str],
    value: Any,
    *,
    look: str,
    elem_id: str | None = None,
    wide: bool = False,
    server: Sequence[Callable[..., Any]] = (),
) -> gr.HTML:
    """One of our own components: a constant template, filled by a script through textContent.

    `script` is a path below `components/`, or several that make one script; the value is a plain
    JSON value; `server` are functions that the script may call. Gradio would evaluate
    `${…}` inside a value that its template prints, so nothing is ever printed by one. A function
    and not a subclass, as Gradio writes a .pyi file beside every module that subclasses one of
    its components.
    """
    scripts = [script] if isinstance(script, str) else script
    code = "\n".join((HERE / name).read_text("utf-8") for name in ("dom.js", *scripts))
    return gr.HTML(
        value,
        html_template=f'<div class="cw {look}"></div>',
        js_on_load=code,
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=["cw-wide"] if wide else None,
        server_functions=list(server) or None,
    )


def examples_list(texts: Sequence[str], elem_id: str) -> gr.HTML:
    """Things to click instead of typing; a click is `pick` with text and index."""
    return part("examples.js", list(texts), look="examples", elem_id=elem_id, wide=True)


def notice(text: str) -> gr.HTML:
    """A warning of one paragraph, or nothing where the text is empty."""
    return part("notice.js", text, look="notice", wide=True)


def constitution_choices(workbench: Workbench) -> list[tuple[str, str]]:
    """Titles and names, shipped ones first; lessons about dangers are marked."""
    return [
        (f"{'⚠ ' if one.hazard else ''}{one.title}", one.name) for one in workbench.constitutions()
    ]


def run_and_stop(tab: str, word: str) -> tuple[gr.Button, gr.Button]:
    """A tab's one primary action and its Stop, with their keys beside them."""
    with gr.Row(elem_classes=["cw-buttons"]):
        run = gr.Button(word, variant="primary", elem_id=f"{tab}-run")
        stop = gr.Button("Stop", interactive=False, elem_id=f"{tab}-stop")
        gr.HTML(html_template="Ctrl+Enter · Esc", elem_classes=["cw-hint"], js_on_load=None)
    return run, stop


def title(heading: str, purpose: str) -> gr.HTML:
    """A tab's heading and the one sentence on what it is for. Both are our own fixed words."""
    return gr.HTML(
        html_template=f"<h2>{heading}</h2><p>{purpose}</p>",
        elem_classes=["cw-title"],
        apply_default_css=False,
        js_on_load=None,
    )


def model_and_constitution(
    workbench: Workbench, tab: str
) -> tuple[gr.Dropdown, gr.HTML, gr.Dropdown]:
    """Which constitution, the notice that goes with it, and which model; others can be typed."""
    shipped = constitution_choices(workbench)
    models = offered_models(workbench, scoring=tab == SCORING)
    first = shipped[0][1]
    constitution = gr.Dropdown(
        shipped,
        value=first,
        label="Constitution",
        allow_custom_value=True,
        elem_id=f"{tab}-constitution",
    )
    hint = notice(warning(workbench, first))
    model = gr.Dropdown(
        models, value=models[0], label="Model", allow_custom_value=True, elem_id=f"{tab}-model"
    )
    return constitution, hint, model


def principle_and_seed(
    choices: Sequence[tuple[str, str]], tab: str
) -> tuple[gr.Dropdown, gr.Number]:
    """Which principle, or the seed that draws one."""
    with gr.Row(elem_classes=["cw-row"]):
        principle = gr.Dropdown(
            list(choices), value=choices[0][1], label="Principle", elem_id=f"{tab}-principle"
        )
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id=f"{tab}-seed")
    return principle, seed


def few_shots(tab: str) -> gr.Radio:
    """How many examples stand before the question."""
    return gr.Radio(
        [0, 5],
        value=5,
        label="Few-shots",
        elem_classes=["cw-segments"],
        elem_id=f"{tab}-few-shot",
    )

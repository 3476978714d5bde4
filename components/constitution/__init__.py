"""The Constitution tab: write principles as in a good document, and measure what they change."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from cai_app.workbench import Workbench
from cai_app.workbench.comparisons import BUILT_IN, SAVED
from components.constitution import effects, handlers
from components.replies import answering
from components.shared import STREAMS, guard, offered_models
from components.widgets import constitution_choices, few_shots, part, run_and_stop, title

SENTENCE = "Write the principles that critiques and comparisons go by, and see what they change."
SCRIPTS = tuple(f"constitution/{name}.js" for name in ("state", "cards", "panes", "editor"))
MEASURING = ("constitution/plots.js", "constitution/effects.js")
LOOKS = (
    handlers.begin, handlers.open_constitution, handlers.check, handlers.compare,
    handlers.read_file, handlers.write_file,
)  # fmt: skip
WRITES = (handlers.save, handlers.restore, handlers.keep_draft, handlers.drop_draft)
KINDS = (
    ("Effect of the edits", "effect"),
    ("Drop one principle", "ablate"),
    ("Inversion test", "invert"),
    ("Conflicts", "conflicts"),
)
# The first input is the editor, in whose place its script puts what the cards say now.
CARDS = """(_, ...rest) => {
  const cards = JSON.parse(document.querySelector('#constitution-editor .cw').current());
  const own = document.querySelector('#constitution-effects .cw')?.negations?.() ?? {};
  return [JSON.stringify({ ...cards, negations: own }), ...rest];
}"""


class Tab(NamedTuple):
    """What other parts of the page need of this tab."""

    editor: gr.HTML
    against: gr.Dropdown
    model: gr.Dropdown


def build(workbench: Workbench) -> Tab:
    """Lay the tab out and wire it; call inside its `gr.Tab`."""
    server = [
        *(answering(one, workbench, action="look") for one in LOOKS),
        *(answering(one, workbench, action="write") for one in WRITES),
    ]
    with gr.Column(elem_classes=["cw-section", "cw-workshop"]):
        title("Constitution", SENTENCE)
        editor = part(SCRIPTS, {}, look="editor", elem_id="constitution-editor", server=server)
        with gr.Row(elem_classes=["cw-two", "cw-measure"]):
            with gr.Column(elem_classes=["cw-controls"]):
                fields = _settings(workbench)
                run, stop = run_and_stop("constitution", "Measure")
            with gr.Column(elem_classes=["cw-results"]):
                opposing = answering(handlers.oppose, workbench, action="look")
                results = part(
                    MEASURING, {"state": "empty"}, look="effects", elem_id="constitution-effects",
                    server=[opposing],
                )  # fmt: skip
    _wire(workbench, [editor, *fields.values()], [results, run, stop])
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    fields["kind"].change(
        guard(effects.kind_changed, workbench), fields["kind"], fields["against"], **quiet
    )
    tell = "(kind) => { document.querySelector('#constitution-effects .cw')?.choose?.(kind); }"
    fields["kind"].change(None, fields["kind"], None, js=tell, queue=False, **quiet)
    return Tab(editor, fields["against"], fields["model"])


def announce(
    workbench: Workbench, demo: gr.Blocks, tab: Tab, dropdowns: Sequence[gr.Dropdown]
) -> None:
    """Offer what is saved in the dropdowns of other tabs too, after a save and on every load."""

    def refreshed(bench: Workbench) -> list[Any]:
        """New choices of each dropdown, and of what the cards are compared with."""
        listed = gr.update(choices=constitution_choices(bench))
        return [*(listed for _ in dropdowns), gr.update(choices=effects.against_choices(bench))]

    for event in (tab.editor.saved, demo.load):
        event(
            guard(refreshed, workbench), None, [*dropdowns, tab.against], show_progress="hidden",
            api_visibility="private",
        )  # fmt: skip


def _settings(workbench: Workbench) -> dict[str, Component]:
    kind = gr.Radio(
        list(KINDS), value="effect", label="Measure", elem_classes=["cw-segments", "cw-wide"],
        elem_id="constitution-kind",
    )  # fmt: skip
    against = gr.Dropdown(
        effects.against_choices(workbench), value=effects.SAVED_VERSION,
        label="The cards, compared with", elem_id="constitution-against",
    )  # fmt: skip
    models = offered_models(workbench)
    model = gr.Dropdown(
        models, value=models[0], label="Judge", allow_custom_value=True,
        elem_id="constitution-model",
    )  # fmt: skip
    source = gr.Radio(
        [("built in", BUILT_IN), ("saved ones", SAVED)], value=BUILT_IN, label="Comparisons",
        elem_classes=["cw-segments"], elem_id="constitution-source",
    )  # fmt: skip
    count = gr.Number(
        200, label="At most so many", precision=0, minimum=1, maximum=effects.MOST_PAIRS,
        elem_id="constitution-count",
    )  # fmt: skip
    with gr.Accordion("More settings", open=False, elem_classes=["cw-more", "cw-wide"]):
        few_shot = few_shots("constitution")
    return {
        "kind": kind, "against": against, "model": model, "source": source, "count": count,
        "few_shot": few_shot,
    }  # fmt: skip


def _wire(workbench: Workbench, inputs: list[Component], outputs: list[Component]) -> None:
    """Measure streams; Stop ends it and keeps what is there."""
    results, run, stop = outputs
    measured = run.click(
        guard(effects.measure, workbench, action="run"), inputs, outputs, js=CARDS,
        show_progress="hidden", concurrency_limit=STREAMS, api_visibility="private",
    )  # fmt: skip
    stop.click(None, None, None, cancels=[measured], api_visibility="private")
    # After a cancel, not with it: Gradio's client closes the stream that the answer would come by.
    measured.failure(
        guard(effects.stop, workbench), results, outputs, show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip

"""The Train tab: start a training, follow its curves, compare runs, read what its model answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from cai_app.workbench import Workbench
from components.demo import load_demo
from components.replies import answering
from components.shared import guard, offered_models
from components.train import asking, following
from components.widgets import SCORING, part, title

SENTENCE = (
    "Train SL-CAI, a preference model and a policy on one 4-bit base, in the background: close "
    "the page, and the run goes on."
)
FORM = ("train/form.js",)
BOARD = tuple(f"train/{name}.js" for name in ("charts", "board", "lineage", "measured", "detail"))
QUIET = {"show_progress": "hidden", "api_visibility": "private"}
SAVE = """(file) => {
  if (!file?.url) return;
  const link = document.createElement('a');
  link.href = file.url;
  link.download = file.orig_name ?? '';
  link.click();
}"""


class Tab(NamedTuple):
    """What other parts of the page need of this tab."""

    board: gr.HTML


def build(workbench: Workbench) -> Tab:
    """Lay the tab out and wire it; call inside its `gr.Tab`."""
    looks = (asking.form, asking.plan, asking.from_run)
    reads = (following.watch, following.read_card, following.read_lineage)
    form_server = [
        *(answering(one, workbench, action="look") for one in looks),
        answering(asking.start, workbench, action="write"),
    ]
    board_server = [
        *(answering(one, workbench, action="look") for one in reads),
        *(answering(one, workbench, action="write") for one in (following.act, load_demo)),
    ]
    with gr.Column(elem_classes=["cw-section", "cw-train"]):
        title("Train", SENTENCE)
        with gr.Row(elem_classes=["cw-two"]):
            with gr.Column(elem_classes=["cw-controls"]):
                part(FORM, {}, look="trainform", elem_id="train-form", wide=True,
                     server=form_server)  # fmt: skip
            with gr.Column(elem_classes=["cw-results"]):
                board = part(BOARD, {}, look="board", elem_id="train-board", server=board_server)
        packed = gr.File(visible="hidden", elem_id="train-zip")
    ready = board.download(guard(following.packed, workbench), None, packed, **QUIET)
    ready.then(None, packed, None, js=SAVE, queue=False, api_visibility="private")
    return Tab(board)


def send_to(workbench: Workbench, tab: Tab, tabs: gr.Tabs, *, model: Component) -> None:
    """Wire "try it in Critique", and the first steps of an empty list, some of which lead to the
    Data tab."""
    tab.board.use(guard(following.used, workbench), None, [model, tabs], **QUIET)
    tab.board.begin(guard(asking.begin, workbench, action="write"), None, tabs, **QUIET)


def announce(
    workbench: Workbench, demo: gr.Blocks, header: gr.HTML, models: Sequence[Component]
) -> None:
    """Offer a new adapter wherever a model is chosen, as soon as its run is done, and on every
    load. The header tells, as it is there whichever tab is open; this tab's board is not."""

    def refreshed(bench: Workbench) -> Any:
        """New choices of each dropdown; what is chosen stays."""
        writing = gr.update(choices=offered_models(bench))
        scoring = gr.update(choices=offered_models(bench, scoring=True))
        listed = [scoring if one.elem_id == f"{SCORING}-model" else writing for one in models]
        return listed if len(listed) > 1 else listed[0]

    for event in (header.grown, demo.load):
        event(guard(refreshed, workbench), None, list(models), **QUIET)

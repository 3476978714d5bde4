"""The Spot-check tab: draw a sample of AI labels for people to check, invite them, rate."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from cai_app.workbench import Workbench
from cai_app.workbench.audit import Seat
from components import memory
from components.demo import load_demo
from components.replies import answering, text
from components.seats import handlers as seat_handlers
from components.shared import guard, person, role
from components.spotcheck import drawing, queues
from components.widgets import part, title

SENTENCE = (
    "Draw a sample of what an AI has labelled, and have people answer the same questions blind."
)
QUIET = {"show_progress": "hidden", "api_visibility": "private"}


class Tab(NamedTuple):
    """What other parts of the page need of this tab."""

    fields: dict[str, Component]
    run: gr.Button
    plan: gr.HTML
    listed: gr.HTML


def build(workbench: Workbench) -> Tab:
    """Lay the tab out and wire it; call inside its `gr.Tab`."""
    with gr.Column(elem_classes=["cw-section"]):
        title("Spot-check", SENTENCE)
        with gr.Row(elem_classes=["cw-two"]):
            with gr.Column(elem_classes=["cw-controls"]):
                fields = _form()
                with gr.Row(elem_classes=["cw-buttons"]):
                    run = gr.Button(
                        "Draw",
                        variant="primary",
                        elem_id="spotcheck-run",
                        interactive=role(workbench) == "owner",
                    )
                plan = part("spotcheck/plan.js", {}, look="plan", wide=True)
            with gr.Column(elem_classes=["cw-results"]):
                listed = part(
                    "spotcheck/queues.js", {}, look="queues", elem_id="spotcheck-queues",
                    server=[
                        answering(queues.overview, workbench, action="look"),
                        answering(queues.invite, workbench, action="write"),
                        answering(queues.revoke, workbench, action="write"),
                        answering(queues.close, workbench, action="write"),
                        answering(queues.reopen, workbench, action="write"),
                        answering(load_demo, workbench, action="write"),
                    ],
                )  # fmt: skip
        part("rate/pair.js", {"mode": "page"}, look="rating", elem_id="rating", server=[
            answering(one, workbench, action="write") for one in seat_handlers(_own_seat)
        ])  # fmt: skip
    tab = Tab(fields, run, plan, listed)
    _wire(workbench, tab)
    return tab


def _own_seat(workbench: Workbench, asked: dict[str, Any], who: str) -> Seat:
    return workbench.spotchecks.own_seat(text(asked, "queue"), person(who))


def _form() -> dict[str, Component]:
    """The fields in the order of `drawing.read_form`."""
    ai = gr.Dropdown([], label="Whose labels to check", elem_id="spotcheck-ai")
    source = gr.Dropdown(
        [drawing.EVERYWHERE], value="", label="Pairs from", elem_id="spotcheck-source"
    )
    rule = gr.Radio(
        list(drawing.RULES), value="uniform", label="How pairs are drawn",
        elem_classes=["cw-segments", "cw-wide"], elem_id="spotcheck-rule",
    )  # fmt: skip
    pm = gr.Dropdown(
        [drawing.WHICHEVER, drawing.NOBODY], value=drawing.WHICHEVER[1], visible=False,
        label="The preference model that the AI is held against", elem_id="spotcheck-pm",
    )  # fmt: skip
    with gr.Row(elem_classes=["cw-row", "cw-even"]):
        wanted = gr.Number(
            50, label="About so many", precision=0, minimum=1, maximum=100_000,
            elem_id="spotcheck-wanted",
        )  # fmt: skip
        name = gr.Textbox(
            "", label="Name", placeholder="check 1, …", max_lines=1, elem_id="spotcheck-name"
        )
    with gr.Accordion("More settings", open=False, elem_classes=["cw-more", "cw-wide"]):
        more = _more()
    rule.change(lambda chosen: gr.update(visible=chosen == "disagreement"), rule, pm, **QUIET)
    return {"ai": ai, "source": source, "rule": rule, "wanted": wanted, "name": name, **more,
            "pm": pm}  # fmt: skip


def _more() -> dict[str, Component]:
    overlap = gr.Slider(
        0, 1, 0.2, step=0.05, label="Share that every rater sees", elem_id="spotcheck-overlap"
    )
    repeats = gr.Slider(
        0, 0.5, 0.05, step=0.05, label="Share shown twice, sides exchanged",
        elem_id="spotcheck-repeats",
    )  # fmt: skip
    floor = gr.Slider(
        0.05, 1, 0.25, step=0.05, label="Smallest chance, as a share of the average",
        elem_id="spotcheck-floor",
    )  # fmt: skip
    reveal = gr.Radio(
        [("at the end", "end"), ("on request, pair by pair", "item")], value="end",
        label="Raters see what the AI said", elem_classes=["cw-segments"],
        elem_id="spotcheck-reveal",
    )  # fmt: skip
    seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="spotcheck-seed")
    return {"overlap": overlap, "repeats": repeats, "floor": floor, "reveal": reveal, "seed": seed}


def _wire(workbench: Workbench, tab: Tab) -> None:
    """The sentence on the chances follows the form; Draw draws what it says."""
    values = list(tab.fields.values())
    told = guard(drawing.explain, workbench)
    for field in values:
        field.change(told, values, tab.plan, trigger_mode="always_last", **QUIET)
    tab.run.click(
        guard(drawing.draw, workbench, action="write"), values,
        [tab.plan, tab.listed, tab.fields["name"]], **QUIET,
    )  # fmt: skip
    # Nothing is asked of the store before somebody opens the tab.
    tab.listed.shown(
        guard(drawing.offer, workbench), values,
        [*map(tab.fields.get, ("ai", "source", "pm")), tab.plan], **QUIET,
    )  # fmt: skip


def refresh(workbench: Workbench, shown: gr.Tab, tab: Tab) -> None:
    """New labels and new answers are there when the tab is opened again."""
    values = list(tab.fields.values())
    shown.select(
        guard(drawing.offer, workbench), values,
        [*map(tab.fields.get, ("ai", "source", "pm")), tab.plan], **QUIET,
    )  # fmt: skip


def send_to(
    workbench: Workbench, tab: Tab, agreement: Mapping[str, Component], tabs: gr.Tabs
) -> None:
    """Wire "Agreement" of a queue: that tab's fields, and the open tab."""
    names = ("ai", "people", "queue", "question", "where")
    tab.listed.agree(
        guard(queues.agree, workbench), None, [*map(agreement.get, names), tabs], **QUIET
    )


def remember(workbench: Workbench, demo: gr.Blocks, tab: Tab) -> None:
    """Keep the form over reloads and in shared links."""
    # Whom and where from are offered by the store, once the tab is open.
    fields = {name: one for name, one in tab.fields.items() if name not in ("ai", "source", "pm")}
    memory.connect(workbench, demo, tab="spotcheck", fields=fields, run=tab.run, choices={})

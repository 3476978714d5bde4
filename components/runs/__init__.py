"""The Runs panel: opens below the header from every tab; how each run is, and what can be done."""

from collections.abc import Mapping

import gradio as gr

from cai_app.workbench import Workbench
from components.runs import handlers
from components.runs.view import RunsView
from components.shared import Action, guard
from components.widgets import part

SECONDS = 1


def build(workbench: Workbench) -> None:
    """The panel, hidden until somebody asks; call outside the tabs, where timers tick.

    It polls only while it is open, and then sends only what has changed.
    """
    panel = part("runs/panel.js", RunsView().model_dump(mode="json"), look="runs", elem_id="runs")
    seen, timer = gr.State(handlers.NOTHING), gr.Timer(SECONDS, active=False)
    quiet = {
        "show_progress": "hidden",
        "concurrency_limit": None,
        "api_visibility": "private",
    }
    panel.opened(guard(handlers.opened, workbench), None, [panel, seen, timer], **quiet)
    panel.closed(guard(handlers.closed, workbench), None, timer, **quiet)
    # Of quick choices the last one counts, whatever the first one's answer is doing.
    panel.choose(
        guard(handlers.choose, workbench), None, [panel, seen], trigger_mode="always_last", **quiet
    )
    timer.tick(guard(handlers.watch, workbench), seen, [panel, seen], **quiet)
    names = ("stop", "kill", "resume", "retry", "delete")
    acts: Mapping[str, Action] = dict.fromkeys(names, "write")
    for name, action in acts.items():
        event = getattr(panel, name)
        event(guard(getattr(handlers, name), workbench, action=action), None, [panel, seen],
              **quiet)  # fmt: skip

"""The slim header: model, device and adapter with a dot for their state, and the constitution."""

from typing import Any

import gradio as gr
from gradio.components import Component

from cai_app.errors import CaiError
from cai_app.records import RunInfo
from cai_app.workbench import Workbench
from components.shared import guard
from components.widgets import part

SECONDS = 2


def build(workbench: Workbench) -> gr.HTML:
    """The header; call first in the page, outside the tabs."""
    value = status(workbench, "pocket", "harmless", None)
    return part("header/header.js", value, look="header", elem_id="header")


def connect(
    workbench: Workbench,
    demo: gr.Blocks,
    header: gr.HTML,
    *,
    model: Component,
    constitution: Component,
) -> None:
    """Keep the header true: on every change of the two fields, and by a timer outside tabs."""
    timer = gr.Timer(SECONDS)
    for event in (demo.load, timer.tick, model.change, constitution.change):
        event(
            guard(status, workbench), [model, constitution, header], header,
            show_progress="hidden", concurrency_limit=None, api_visibility="private",
        )  # fmt: skip


def status(workbench: Workbench, model: str, constitution: str, shown: Any) -> Any:
    """What the header says of a model and a constitution; nothing where it already says so."""
    models = workbench.models()
    chosen = workbench.chosen_model(model, models)
    value = {
        "model": chosen.model_dump(mode="json"),
        "models": [one.model_dump(mode="json") for one in models],
        "teaching": model.startswith("pocket"),
        "constitution": _constitution(workbench, constitution),
        "runs": _runs(workbench),
    }
    return gr.skip() if value == shown else value


def _runs(workbench: Workbench) -> dict[str, Any]:
    """How many runs are at work and waiting, the oldest of them in a few figures, and how many
    are done; all zero where the home cannot be read."""
    try:
        found = workbench.runs.list()
    except (CaiError, OSError):
        found = []
    live = [one for one in found if one.state in ("starting", "running", "stopping")]
    return {
        "live": len(live),
        "waiting": sum(one.state == "queued" for one in found),
        "done": sum(one.state == "done" for one in found),
        "first": _brief(live[-1]) if live else None,
        "trouble": found[0].state if found and found[0].state in ("failed", "dead") else "",
    }


def _brief(run: RunInfo) -> dict[str, Any]:
    share = run.done / run.total if run.total else None
    return {"kind": run.kind, "share": share, "eta_s": run.eta_s}


def _constitution(workbench: Workbench, spec: str) -> dict[str, Any] | None:
    """A few facts about the chosen constitution; None while a name is being typed."""
    try:
        found = workbench.constitution(spec)
    except CaiError:
        return None
    return {
        **found.model_dump(mode="json", include={"name", "title", "description", "hazard"}),
        "hash": found.hash,
        "supervised": len(found.supervised),
        "preference": len(found.preference),
    }

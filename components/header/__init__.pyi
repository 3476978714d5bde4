"""The slim header: model, device and adapter with a dot for their state, and the constitution."""

from typing import Any

import gradio as gr
from gradio.components import Component

from cai_app.errors import CaiError
from cai_app.records import ModelInfo
from cai_app.workbench import Workbench
from components.shared import Part, guard

SECONDS = 2

from gradio.events import Dependency

class Header(Part):
    """One line of chips; the value is what `status` returns."""

    script = "header/header.js"
    look = "header"
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def build(workbench: Workbench) -> Header:
    """The header; call first in the page, outside the tabs."""
    return Header(status(workbench, "pocket", "harmless", None), elem_id="header")


def connect(
    workbench: Workbench, header: Header, *, model: Component, constitution: Component
) -> None:
    """Keep the header true: on every change of the two fields, and by a timer outside tabs."""
    timer = gr.Timer(SECONDS)
    for event in (timer.tick, model.change, constitution.change):
        event(
            guard(status, workbench), [model, constitution, header], header,
            show_progress="hidden", concurrency_limit=None, api_visibility="private",
        )  # fmt: skip


def status(workbench: Workbench, model: str, constitution: str, shown: Any) -> Any:
    """What the header says of a model and a constitution; nothing where it already says so."""
    models = workbench.models()
    chosen = next((one for one in models if one.spec == model), None) or ModelInfo(spec=model)
    value = {
        "model": chosen.model_dump(mode="json"),
        "models": [one.model_dump(mode="json") for one in models],
        "teaching": model.startswith("pocket"),
        "constitution": _constitution(workbench, constitution),
    }
    return gr.skip() if value == shown else value


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
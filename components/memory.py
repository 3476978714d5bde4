"""What survives a reload, and what a shared link carries: form fields, by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from cai_app.workbench import Workbench
from components.shared import guard

HERE = Path(__file__).parent
# Not a secret: it only has to stay the same, so that a restarted server can read what was kept.
KEY = "constitutional-ai-workbench"
LIMIT = 40_000
TABS = (
    "constitution", "critique", "judge", "spotcheck", "agreement", "train", "data",
)  # fmt: skip

Choices = Callable[[Workbench, Mapping[str, Any]], list[tuple[str, Any]]]


def connect(
    workbench: Workbench,
    demo: gr.Blocks,
    *,
    tab: str,
    fields: Mapping[str, Component],
    run: gr.Button | None,
    choices: Mapping[str, Choices],
) -> Any:
    """Keep the fields of one tab in the browser, fill them from `?name=value`, share them on Run;
    a form within a tab has a name of its own and no Run that shares. Returns the restoring event.

    `choices` gives the list of a dropdown whose choices hang on the other fields.
    """
    names, widgets = list(fields), list(fields.values())
    saved = gr.BrowserState({}, storage_key=f"cai-{tab}", secret=KEY)
    gather = f"(...v) => Object.fromEntries({names!r}.map((name, i) => [name, v[i]]))"
    for widget in widgets:
        widget.change(
            None, widgets, saved, js=gather, queue=False, show_progress="hidden",
            api_visibility="private",
        )  # fmt: skip
    if run is not None:
        link = (HERE / "link.js").read_text("utf-8")
        link = link[link.index("(...values)") :]
        link = link.replace("TAB", repr(tab)).replace("NAMES", repr(names))
        run.click(None, widgets, None, js=link, queue=False, api_visibility="private")

    def restore(bench: Workbench, kept: Any, request: gr.Request) -> list[Any]:
        """The fields' updates: the link's values if it is for this tab, else what was kept."""
        query = dict(request.query_params)
        # A link to something else on this tab, say a row, leaves the form as it was.
        shared = query.get("tab") == tab and not query.keys().isdisjoint(names)
        chosen = query if shared else kept if isinstance(kept, dict) else {}
        found = {name: read(widget, chosen.get(name)) for name, widget in fields.items()}
        known = {name: value for name, value in found.items() if value is not None}
        return _one([_update(bench, name, known, choices) for name in names])

    restored = demo.load(
        guard(restore, workbench), saved, widgets, show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
    restored.then(None, js="() => window.cwRestored?.()", api_visibility="private")
    return restored


def opened_tab(workbench: Workbench, request: gr.Request) -> Any:
    """The tab a link asks for, if there is such a tab."""
    asked = request.query_params.get("tab")
    return gr.update(selected=asked) if asked in TABS else gr.skip()


def _update(
    workbench: Workbench, name: str, known: Mapping[str, Any], choices: Mapping[str, Choices]
) -> Any:
    if name in choices:
        listed = choices[name](workbench, known)
        allowed = {value for _, value in listed}
        value = known.get(name)
        return gr.update(choices=listed, value=value if value in allowed else listed[0][1])
    return gr.update(value=known[name]) if name in known else gr.skip()


def read(widget: Component, value: Any) -> Any:
    """A field's value from its text; None where it does not fit, as a link may be old or typed."""
    if value is None:
        return None
    if isinstance(widget, gr.Checkbox):
        return str(value).lower() == "true"
    if isinstance(widget, gr.Number | gr.Slider):
        return _number(value, widget.minimum, widget.maximum)
    if isinstance(widget, gr.Radio):
        return next((one for _, one in widget.choices if str(one) == str(value)), None)
    return str(value)[:LIMIT]


def _number(value: Any, low: float | None, high: float | None) -> float | int | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    inside = (low is None or number >= low) and (high is None or number <= high)
    if number != number or not inside:
        return None
    return int(number) if number.is_integer() else number


def _one(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values

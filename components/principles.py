"""The principles to choose from: those of the constitution that a form names, as it stands now."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from cai_app.errors import InputError
from cai_app.workbench import Workbench
from components.shared import guard, sentence, warning

DRAWN = ""
DEFAULT = "harmless"
Listed = list[tuple[str, str]]
# What a tab offers of a constitution by name. Raises InputError where there is no such one.
Principles = Callable[[Workbench, str], Listed]


def constitution_changed(
    workbench: Workbench, constitution: str, principle: str, *, principles: Principles
) -> tuple[Any, str]:
    """New choices of principles, and the form's notice: a hazard, or why there is no such file."""
    try:
        listed, text = principles(workbench, constitution), warning(workbench, constitution)
    except InputError as error:
        return gr.skip(), sentence(error)
    keep = principle if principle in {value for _, value in listed} else DRAWN
    return gr.update(choices=listed, value=keep), text


def principle_choices(
    workbench: Workbench, known: Mapping[str, Any], *, principles: Principles, gone: Listed
) -> Listed:
    """The principle dropdown for a restored form; a constitution that is gone offers `gone`."""
    try:
        return principles(workbench, str(known.get("constitution") or DEFAULT))
    except InputError:
        return gone


def follow(
    workbench: Workbench,
    event: Callable[..., Any],
    fields: Mapping[str, Component],
    hint: gr.HTML,
    *,
    principles: Principles,
) -> None:
    """Renew the principles and the notice of a form after an event: another constitution chosen,
    or a version saved."""

    def changed(bench: Workbench, constitution: str, principle: str) -> tuple[Any, str]:
        """The form's principles and notice."""
        return constitution_changed(bench, constitution, principle, principles=principles)

    event(
        guard(changed, workbench),
        [fields["constitution"], fields["principle"]],
        [fields["principle"], hint],
        show_progress="hidden",
        api_visibility="private",
    )

"""What the Runs panel does: watch, choose, stop, kill, resume, delete; all by a run's id."""

import hashlib
from typing import Any

import gradio as gr

from cai_app.errors import CaiError
from cai_app.workbench import Workbench
from components.runs.view import RunsView, Seen, briefs, whole
from components.shared import role, sentence, text_of

NOTHING = Seen().model_dump()
# Outputs of most handlers: the panel, and what this browser has been sent.
Update = tuple[Any, Any]


def opened(workbench: Workbench, event: gr.EventData) -> tuple[Any, Any, Any]:
    """The panel opens, at the run it was on; from now on it is kept up to date."""
    return *_whole(workbench, text_of(event, "run", 200)), gr.Timer(active=True)


def closed(workbench: Workbench) -> Any:
    """Nobody looks: nothing is polled."""
    return gr.Timer(active=False)


def choose(workbench: Workbench, event: gr.EventData) -> Update:
    """Another run is opened in the panel."""
    return _whole(workbench, text_of(event, "run", 200))


def watch(workbench: Workbench, seen: dict[str, Any]) -> Update:
    """What has changed since the browser was last sent something; nothing where nothing has."""
    before = Seen(**seen)
    view, now = _view(workbench, before.chosen, before.log_to)
    return (gr.skip(), gr.skip()) if now == before else (_sent(view), now.model_dump())


def stop(workbench: Workbench, event: gr.EventData) -> Update:
    """Ask a run to save and end."""
    return _whole(workbench, workbench.runs.stop(text_of(event, "run", 200)).id)


def kill(workbench: Workbench, event: gr.EventData) -> Update:
    """End a run's process at once."""
    return _whole(workbench, workbench.runs.kill(text_of(event, "run", 200)).id)


def resume(workbench: Workbench, event: gr.EventData) -> Update:
    """Go on from the last checkpoint, at once or when the device is free."""
    return _whole(workbench, workbench.runs.resume(text_of(event, "run", 200)).id)


def retry(workbench: Workbench, event: gr.EventData) -> Update:
    """Ask again, in a new run, what a label run left unscored."""
    task = workbench.retry_task(text_of(event, "run", 200))
    return _whole(workbench, workbench.label(task).id)


def delete(workbench: Workbench, event: gr.EventData) -> Update:
    """Remove a run's folder; its rows are taken into the store first, or it stays."""
    workbench.delete_run(text_of(event, "run", 200))
    return _whole(workbench, "")


def _whole(workbench: Workbench, chosen: str) -> Update:
    view, seen = _view(workbench, chosen, None)
    return _sent(view), seen.model_dump()


def _sent(view: RunsView) -> dict[str, Any]:
    return view.model_dump(mode="json")


def _view(workbench: Workbench, chosen: str, log_to: int | None) -> tuple[RunsView, Seen]:
    """The panel with a run open, the newest one where none is named."""
    try:
        found = workbench.runs.list()
        info = next((one for one in found if one.id == chosen), None)
        if info is None and found and not chosen:
            info = found[0]
        open_run = whole(workbench, info, log_to) if info else None
        gone = f"There is no run {chosen} any more." if chosen and info is None else ""
        listed, message = briefs(found), gone
    except (CaiError, OSError) as error:
        found, listed, open_run, message = [], (), None, sentence(error)
    view = RunsView(
        runs=listed,
        older=len(found) - len(listed),
        chosen=open_run,
        message=message,
        may_write=role(workbench) == "owner",
    )
    # Without the log, whose end is compared by itself.
    shown = view.model_dump_json(exclude={"chosen": {"log"}})
    stamp = hashlib.sha256(shown.encode()).hexdigest()
    to = open_run.log.to if open_run else None
    return view, Seen(chosen=open_run.info.id if open_run else chosen, stamp=stamp, log_to=to)

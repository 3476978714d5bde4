"""What the board of trainings asks every second, and what can be done to a run there."""

import hashlib
import json
import zipfile
from typing import Any

import gradio as gr

from cai_app.errors import InputError
from cai_app.records import Record
from cai_app.workbench import Workbench
from cai_app.workbench.curves import Place
from components import downloads
from components.replies import text
from components.shared import role, text_of

MOST_CHOSEN = 8  # runs that are laid over one another


class Asked(Record):
    """What a browser has: the list by its stamp, how far it has read each run's curves, and the
    samples and the log of the run that is open."""

    stamp: str = ""
    curves: dict[str, Place] = {}
    opened: str = ""
    samples: Place = Place()
    log: int | None = None


def watch(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """What is new since the browser last asked; the list only where it has changed."""
    try:
        known = Asked.model_validate(asked)
    except ValueError as error:
        raise InputError("this page asked for runs in an unknown way; reload it") from error
    lines = workbench.runs.trainings()
    told = [line.model_dump(mode="json") for line in lines]
    stamp = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    here = {line.id: line for line in lines}
    chosen = {id: place for id, place in known.curves.items() if id in here}
    answer: dict[str, Any] = {
        "stamp": stamp,
        "lines": None if stamp == known.stamp else told,
        "curves": {
            id: workbench.runs.curves(id, place).model_dump(mode="json")
            for id, place in list(chosen.items())[:MOST_CHOSEN]
        },
        "may_write": role(workbench) == "owner",
    }
    if known.opened in here:
        answer["samples"] = workbench.runs.samples(known.opened, known.samples).model_dump(
            mode="json"
        )
        answer["log"] = workbench.runs.log_from(known.opened, known.log).model_dump(mode="json")
    return answer


def read_card(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """All that made a run."""
    return workbench.runs.card(text(asked, "run")).model_dump(mode="json")


def read_lineage(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Everything that leads to an id, and everything that came of it."""
    return workbench.ancestry(text(asked, "id")).model_dump(mode="json")


def act(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Stop, kill, resume, delete a run, or change its place in the queue."""
    run, what = text(asked, "run"), text(asked, "act")
    acts = {
        "stop": workbench.runs.stop,
        "kill": workbench.runs.kill,
        "resume": workbench.runs.resume,
        "delete": workbench.delete_run,
        "up": lambda id: workbench.runs.move(id, "up"),
        "down": lambda id: workbench.runs.move(id, "down"),
    }
    if what not in acts:
        raise InputError(f"there is nothing called {what} to do with a run; reload the page")
    return {"state": acts[what](run).state}


def packed(workbench: Workbench, event: gr.EventData) -> str:
    """An adapter as one zip file, to be downloaded: its weights, configuration, facts and card."""
    run = text_of(event, "run", 200)
    folder = workbench.runs.path(run) / "adapter"
    if not (folder / "adapter_config.json").is_file():
        raise InputError(f"run {run} has no adapter yet; it is written at the end")
    target = downloads.folder() / f"{workbench.runs.path(run).name}.zip"
    inside = folder.resolve()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            # A link that leads out of the run is nobody's to hand out.
            if path.is_file() and path.resolve().is_relative_to(inside):
                archive.write(path, path.relative_to(folder))
    return str(target)


def used(workbench: Workbench, event: gr.EventData) -> tuple[Any, Any]:
    """A finished adapter as the Critique tab's model, and that tab."""
    spec = text_of(event, "spec", 400)
    return gr.update(value=spec), gr.update(selected="critique")

"""What the Runs panel shows: a list in brief, and the chosen run whole."""

import shlex

from cai_app import jobs
from cai_app.errors import CaiError
from cai_app.records import Record, RunInfo
from cai_app.workbench import Workbench
from cai_app.workbench.runs import LogPart

SHOWN = 100  # runs in the list; older ones are on the Data tab


class Brief(Record):
    """A run in the list."""

    id: str
    kind: str
    state: str
    created: float
    done: int
    total: int | None
    unit: str


class Chosen(Record):
    """The run that is open: how it is, what it was started with, and how to start it by hand.

    `unscored` is what of a label run's rows is unscored to this day. `log` holds what came since
    the last view where `log.start` is where that one ended.
    """

    info: RunInfo
    command: str
    config: str
    log: LogPart
    unscored: int = 0


class RunsView(Record):
    """The value of the panel, as plain JSON in the browser."""

    runs: tuple[Brief, ...] = ()
    older: int = 0
    chosen: Chosen | None = None
    message: str = ""
    may_write: bool = False


class Seen(Record):
    """What a browser has been sent: the run that is open, the list's state, the log's end."""

    chosen: str = ""
    stamp: str = ""
    log_to: int | None = None


def briefs(found: list[RunInfo]) -> tuple[Brief, ...]:
    """The newest runs, and whichever older one is not at its end."""
    listed = [info for n, info in enumerate(found) if n < SHOWN or info.state not in jobs.FINAL]
    fields = set(Brief.model_fields)
    return tuple(Brief(**info.model_dump(include=fields)) for info in listed)


def whole(workbench: Workbench, info: RunInfo, log_to: int | None) -> Chosen:
    """A run with its log from a byte offset on; with the log's end where there is no offset."""
    try:
        config = workbench.runs.config_text(info.id)
    except CaiError as error:
        config = str(error)
    return Chosen(
        info=info,
        command=shlex.join(info.command),
        config=config,
        log=workbench.runs.log_from(info.id, log_to),
        unscored=_unscored(workbench, info),
    )


def _unscored(workbench: Workbench, info: RunInfo) -> int:
    """The store is asked only where a run has left something."""
    if info.kind != "label" or info.state != "done" or not info.metrics.get("unscored"):
        return 0
    try:
        return workbench.still_unscored(info.id)
    except CaiError:
        return 0  # the store is not to be had now: there is nothing to retry with, either

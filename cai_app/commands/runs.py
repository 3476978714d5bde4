"""`runs list|show|logs|stop|kill|resume|delete`."""

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from cai_app.commands.following import Show, describe, follow, line
from cai_app.commands.output import chosen, only_json, parsed
from cai_app.errors import BusyError
from cai_app.records import RunInfo
from cai_app.settings import Settings
from cai_app.workbench import Workbench, forward, run_json

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Id = tyro.conf.Positional[str]


@dataclass(frozen=True)
class List:
    """List the runs, the newest first."""

    json: Flag = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Show_:
    """Show one run."""

    id: Id
    """Id of the run, or a part of it"""
    json: Flag = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Logs(Show_):
    """Print the end of a run's log."""


@dataclass(frozen=True)
class Stop(Show_):
    """Ask a run to save and end, and wait for it."""


@dataclass(frozen=True)
class Kill(Show_):
    """End a run's processes at once; resume goes on from its last checkpoint."""


@dataclass(frozen=True)
class Resume(Show_):
    """Go on with a run that stopped, failed or died, and follow it."""

    detach: Flag = False
    """Print the run at once and leave it going"""


@dataclass(frozen=True)
class Delete(Show_):
    """Remove a run's folder with all it holds; rows of one that is done go into the store first."""


FORMS = {
    "list": List,
    "show": Show_,
    "logs": Logs,
    "stop": Stop,
    "kill": Kill,
    "resume": Resume,
    "delete": Delete,
}


def main(argv: list[str], settings: Settings) -> int:
    """Run the sub-command that the first argument names."""
    form = chosen("runs", argv, FORMS)
    if form is None:
        return 0
    asked: Any = parsed(form, argv[1:], f"runs {argv[0]}")
    workbench = Workbench(settings)
    try:
        with only_json(asked.json) as show:
            return _run(asked, workbench, show if asked.json else None)
    finally:
        workbench.close()


def _run(asked: Any, workbench: Workbench, show: Show | None) -> int:
    runs = workbench.runs
    match asked:
        case List():
            found = runs.list()
            if show:
                show([run_json(info) for info in found])
            else:
                print("\n".join(map(line, found)) or "no runs yet; start one: generate --help")
            return 0
        case Resume():
            return follow(workbench, runs.resume(asked.id), show=show, detach=asked.detach)
        case Logs():
            info, text = runs.read(asked.id), runs.log_tail(asked.id)
            if show:
                show({**run_json(info), "log": text})
            else:
                sys.stdout.write(text)
            return 0
        case Stop():
            runs.stop(asked.id)
            info = runs.wait(asked.id)
        case Kill():
            info = runs.kill(asked.id)
        case Delete():
            info = _deleted(asked.id, workbench)
        case _:
            info = runs.read(asked.id)
    show(run_json(info)) if show else describe(info)
    return 0


def _deleted(id: str, workbench: Workbench) -> RunInfo:
    """Remove a run whose rows are in the store, also where an app has the store."""
    workbench.alone = True  # a store that another command has is waited for
    try:
        return workbench.delete_run(id)
    except BusyError:
        path = workbench.runs.path(id)
        if not _app_has(path.name, workbench):
            raise
        return workbench.runs.delete(path.name)


def _app_has(run: str, workbench: Workbench) -> bool:
    """Whether an app runs on this home and has taken in a run; it does so before it answers."""
    said = io.StringIO()
    query = f"SELECT count(*) AS n FROM runs WHERE id = '{run}'"
    with contextlib.redirect_stdout(said):
        code = forward.call(workbench.settings.home, ["sql", query, "--json"])
    text = said.getvalue().strip()
    return code == 0 and bool(text) and bool(json.loads(text) == [{"n": 1}])

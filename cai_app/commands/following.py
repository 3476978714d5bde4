"""What commands that make a run share: following it to its end, and printing it."""

import sys
import time
from collections.abc import Callable
from typing import Any

from cai_app.commands.output import one_line
from cai_app.records import RunInfo
from cai_app.workbench import Workbench, run_json

Show = Callable[[Any], None]
_BAD = frozenset({"failed", "dead"})


def follow(workbench: Workbench, info: RunInfo, *, show: Show | None, detach: bool) -> int:
    """Follow a run unless `detach`, and print it: one JSON value where there is a `show`.

    Ctrl-C stops the following, not the run. Meanwhile other commands may have the store. Exit
    code: 1 where the run has failed.
    """
    if not detach:
        workbench.let_go()
        try:
            for latest in workbench.runs.follow(info.id):
                info = latest
                if show is None:
                    print(line(info), flush=True)
        except KeyboardInterrupt:
            print(f"{info.id} goes on; see: python -m cai_app runs show {info.id}", file=sys.stderr)
            return 130
    if show is not None:
        show(run_json(info))
    else:
        describe(info)
    if info.state in _BAD:
        print(f"error: run {info.id} {info.state}: {one_line_of(info)}", file=sys.stderr)
        return 1
    return 0


def one_line_of(info: RunInfo) -> str:
    """What went wrong, without line breaks."""
    return one_line(RuntimeError(info.error or "see its log"))


def line(info: RunInfo) -> str:
    """A run in one line."""
    parts = [f"{info.id}  {info.state:8}"]
    if info.total:
        parts.append(f"{info.done}/{info.total} {info.unit}")
    if info.rate:
        parts.append(f"{info.rate:.2g}/s")
    if info.eta_s is not None:
        parts.append(f"{duration(info.eta_s)} left")
    if info.note:
        parts.append(info.note)
    return "  ".join(parts)


def describe(info: RunInfo) -> None:
    """A run with its results, for people."""
    print(line(info))
    if info.started:
        begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info.started))
        took = f", took {duration(info.ended - info.started)}" if info.ended else ""
        print(f"  started   {begun}{took}")
    if info.metrics:
        print("  metrics   " + ", ".join(f"{k} {v:g}" for k, v in info.metrics.items()))
    for path in info.outputs:
        print(f"  output    {path}")
    if info.error:
        print(f"  error     {info.error}")
    print(f"  folder    {info.path}")


def duration(seconds: float) -> str:
    """Seconds for people."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"

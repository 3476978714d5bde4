"""Runs from outside: start, queue, follow, stop, kill, resume, delete, read. Imports no torch.

Nothing of a run lives in memory: its directory tells all, and its locks tell whether it is alive.
"""

from cai_app.jobs.control import NewRun, delete, kill, resume, start, stop
from cai_app.jobs.directory import (
    FINAL,
    Listing,
    config,
    config_text,
    find,
    list_all,
    log_end,
    log_tail,
    log_text,
    metrics,
    read,
)
from cai_app.jobs.order import move
from cai_app.jobs.queue import Queue, follow, wait

__all__ = [
    "FINAL",
    "Listing",
    "Queue",
    "NewRun",
    "config",
    "config_text",
    "delete",
    "find",
    "follow",
    "kill",
    "list_all",
    "log_end",
    "log_tail",
    "log_text",
    "metrics",
    "move",
    "read",
    "resume",
    "start",
    "stop",
    "wait",
]

"""App and worker killed while a run is written and taken in: its rows are there, once."""

import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import toy
from test_jobs import ROOT, until

from cai_app.errors import InputError
from cai_app.settings import Settings
from cai_app.store import Store, ingest_finished
from cai_app.workbench.runs import Runs

MODES = ("pairs", "chains")
# What the page does besides showing: it advances the queue and takes finished runs in.
APP = """
import sys, time
from pathlib import Path
from cai_app.settings import Settings
from cai_app.workbench import Workbench, runs
runs._QUEUE_EVERY = 0.1
workbench = Workbench(Settings(home=Path(sys.argv[1])))
workbench.runs.keep_queue()
print("up", flush=True)
time.sleep(600)
"""


class App:
    """The app in a process of its own, which may be killed and is started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", APP, str(self.home)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout and self.process.stdout.readline() == "up\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def running(home: Path) -> Iterator[App]:
    app = App(home)
    try:
        yield app
    finally:
        app.kill()


def storm(settings: Settings, kills: int, *, seed: int, anytime: bool = False) -> None:
    """Kill app or worker, by chance, each time that a row was written, until every run is done;
    `anytime`: at random moments instead, a worker's first ones included."""
    chance, runs, killed = random.Random(seed), Runs(settings), 0
    options = [{"count": 6, "mode": mode, "batch": 2} for mode in MODES]
    with toy.served(0.1) as spec, running(settings.home) as app:
        whole = [runs.start(toy.asked(settings, spec, **one)) for one in options]
        until(lambda: all(runs.read(one.id).state == "done" for one in whole))
        written = {one.id: toy.rows(Path(one.path)) for one in whole}
        for one, unbroken in itertools.cycle(list(zip(options, whole, strict=True))):
            if killed >= kills:
                break
            run = runs.start(toy.asked(settings, spec, **one))
            while True:
                if anytime:
                    time.sleep(chance.uniform(0, 1.2))
                else:
                    wait_for_a_row(runs, run.id)
                # A finished run is being taken in: that is the app's, and may be broken off too.
                done = runs.read(run.id).state == "done"
                if done or chance.random() < 0.4:
                    app.kill()
                    app.start()
                    killed += 1
                else:
                    killed += end_worker(runs, run.id)
                if done:
                    break
            written[run.id] = toy.rows(Path(run.path))
            assert written[run.id] == written[unbroken.id]
    check(settings, written)


def wait_for_a_row(runs: Runs, id: str) -> None:
    """Until the run has more than it had, or is done."""
    path = runs.path(id) / "outputs.jsonl"

    def size() -> int:
        return path.stat().st_size if path.exists() else 0

    before = size()
    until(lambda: size() > before or runs.read(id).state == "done")


def end_worker(runs: Runs, id: str) -> int:
    """Kill the worker and let the run go on; 0 where none was at work."""
    try:
        dead = runs.kill(id)
    except InputError:
        return 0
    assert dead.state == "dead"
    runs.resume(id)
    return 1


def check(settings: Settings, written: dict[str, list[dict[str, Any]]]) -> None:
    """Every run is in, whole; what several of them wrote is in once."""
    store = Store(settings.home)  # refuses where an acknowledged write is missing
    try:
        ingest_finished(settings.home, store)
        assert sorted(store.runs.ids()) == sorted(written)
        for kind in ("response", "comparison", "transcript"):
            each = {
                run: {json.dumps(row, sort_keys=True) for row in rows if row["type"] == kind}
                for run, rows in written.items()
            }
            total = len(set().union(*each.values()))
            assert total, f"no {kind} was written"
            (rows,) = store.sql(f"SELECT count(*), count(DISTINCT id) FROM {kind}s").rows
            assert rows == (total, total)
            given = f"SELECT run, count(*) FROM outputs WHERE type = '{kind}' GROUP BY run"
            assert dict(store.sql(given).rows) == {run: len(of) for run, of in each.items() if of}
    finally:
        store.close()


def test_a_few_kills_of_app_and_worker_lose_and_double_nothing(settings: Settings) -> None:
    storm(settings, 6, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_kills_of_app_and_worker_lose_and_double_nothing(settings: Settings) -> None:
    storm(settings, 100, seed=2, anytime=True)

"""App and worker killed at random while a run is written and taken in: its rows are there, once."""

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

# What the page does besides showing: it advances the queue and takes finished runs in.
APP = """
import sys, time
from pathlib import Path
from cai_app.settings import Settings
from cai_app.workbench import Workbench
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


def storm(settings: Settings, kills: int, *, seed: int) -> None:
    """Kill app and worker in turn, at random moments, until every run is done."""
    chance, runs, killed = random.Random(seed), Runs(settings), 0
    options: dict[str, Any] = {"count": 6, "mode": "pairs", "batch": 2}
    with toy.served(0.1) as spec, running(settings.home) as app:
        whole = runs.start(toy.asked(settings, spec, **options))
        until(lambda: runs.read(whole.id).state == "done")
        expected = toy.rows(Path(whole.path))
        while killed < kills:
            run = runs.start(toy.asked(settings, spec, **options))
            while True:
                time.sleep(chance.uniform(0, 1.2))
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
            assert toy.rows(Path(run.path)) == expected
    check(settings, expected, runs=len(runs.list()))


def end_worker(runs: Runs, id: str) -> int:
    """Kill the worker and let the run go on; 0 where none was at work."""
    try:
        dead = runs.kill(id)
    except InputError:
        return 0
    assert dead.state == "dead"
    runs.resume(id)
    return 1


def check(settings: Settings, expected: list[dict[str, Any]], *, runs: int) -> None:
    """Every run is in, whole; what all of them wrote is in once."""
    store = Store(settings.home)  # refuses where an acknowledged write is missing
    try:
        ingest_finished(settings.home, store)
        assert len(store.runs.ids()) == runs
        for kind in ("response", "comparison"):
            ids = {row["id"] for row in expected if row["type"] == kind}
            (rows,) = store.sql(f"SELECT count(*), count(DISTINCT id) FROM {kind}s").rows
            assert rows == (len(ids), len(ids))
            given = f"SELECT count(*) FROM outputs WHERE type = '{kind}' GROUP BY run"
            assert store.sql(given).rows == ((len(ids),),) * runs
    finally:
        store.close()


def test_a_few_kills_of_app_and_worker_lose_and_double_nothing(settings: Settings) -> None:
    storm(settings, 6, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_kills_of_app_and_worker_lose_and_double_nothing(settings: Settings) -> None:
    storm(settings, 100, seed=2)

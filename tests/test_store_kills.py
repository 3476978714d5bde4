"""Processes killed in the middle of their work on the store: nothing acknowledged is lost."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from store_writer import queue_to_rate, response
from test_store_ingest import line_of

from cai_app.records import RunStatus
from cai_app.store import MIGRATIONS, Store, ingest_finished

ROOT = Path(__file__).parents[1]
SHORT, STORM = 2, 34


def killed(what: str, home: Path, *, after: float) -> list[str]:
    """What the writer said before it was killed, `after` seconds after it had the store."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "store_writer.py"), what, str(home)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout and writer.stdout.readline() == "open\n"
        time.sleep(after)
        writer.send_signal(signal.SIGKILL)
        return writer.stdout.read().split("\n")[:-1]


def write_storm(home: Path, kills: int) -> None:
    """Every acknowledged row is there after every kill, and none twice."""
    draw = random.Random(1)
    acknowledged: set[str] = set()
    pairs = 0
    for _ in range(kills):
        said = killed("write", home, after=draw.uniform(0, 0.6))
        acknowledged |= {response(int(line)).id for line in said if line.isdigit()}
        pairs += sum(line.startswith("pairs") for line in said)
        store = Store(home)
        assert not acknowledged - set(store.responses.get(sorted(acknowledged)))
        assert store.comparisons.count() >= pairs * 50 or not pairs
        assert store.labels.count() >= pairs * 50, "acknowledged labels were lost"
        for table in ("responses", "comparisons", "labels"):
            counts = f"SELECT count(*), count(DISTINCT id), count(DISTINCT seq) FROM {table}"
            ((rows, ids, numbers),) = store.sql(counts).rows
            assert rows == ids == numbers
        orphans = "SELECT count(*) FROM comparisons c WHERE a NOT IN (SELECT id FROM responses)"
        assert store.sql(orphans).rows == ((0,),)
        assert store.comparisons.count() % 50 == store.labels.count() % 50 == 0, (
            "a transaction came in by halves"
        )
        store.close()


def ingest_storm(home: Path, kills: int) -> None:
    """However often it is killed, a run is in whole and once in the end, or not at all."""
    draw = random.Random(2)
    for number in range(kills):
        run = home / "runs" / f"run-{number}"
        run.mkdir(parents=True)
        rows = [line_of(response(number * 4000 + k)) for k in range(4000)]
        (run / "outputs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        fields = {"id": run.name, "kind": "generate", "created": 1.0, "queued": 1.0, "updated": 1.0}
        (run / "status.json").write_text(RunStatus(state="done", **fields).model_dump_json())
        killed("ingest", home, after=draw.uniform(0, 0.7))
        store = Store(home)
        assert store.responses.count() == 4000 * len(store.runs.ids())
        store.close()
    store = Store(home)
    ingest_finished(home, store)
    assert store.responses.count() == 4000 * kills == 4000 * len(store.runs.ids())
    assert store.sql("SELECT count(*) FROM outputs").rows == ((4000 * kills,),)
    store.close()


def migration_storm(home: Path, kills: int) -> None:
    """Killed migrations leave whole steps; rows stay; the next start goes on."""
    draw = random.Random(3)
    store = Store(home)
    store.responses.add([response(number) for number in range(2000)])
    store.close()
    later = Path(shutil.copytree(MIGRATIONS, home / "migrations"))
    for number in range(kills * 3):
        (later / f"{100 + number}_more.sql").write_text(
            f"CREATE TABLE more_{number} AS SELECT *, 1 AS extra FROM responses;"
            "UPDATE acknowledged SET n = n;"
        )
    for _ in range(kills):
        killed("migrate", home, after=draw.uniform(0, 0.4))
    store = Store(home, migrations=later)
    assert store.responses.count() == 2000
    ((steps, distinct),) = store.sql("SELECT count(*), count(DISTINCT number) FROM migrations").rows
    assert steps == distinct == len(list(later.iterdir()))
    for number in range(kills * 3):
        assert store.sql(f"SELECT count(*) FROM more_{number}").rows == ((2000,),)
    store.close()


def rating_storm(home: Path, kills: int) -> None:
    """Every answer that a rater was told is kept, is kept once, with its one label."""
    draw = random.Random(4)
    queue_to_rate(home, 60 * kills)
    acknowledged: list[str] = []
    for _ in range(kills):
        # A line that the kill cut short was not acknowledged.
        acknowledged += killed("rate", home, after=draw.uniform(0, 0.6))
        store = Store(home)
        kept = [note for (note,) in store.sql("SELECT note FROM answers").rows]
        assert len(kept) == len(set(kept)), "an answer is there twice"
        assert not set(acknowledged) - set(kept), "acknowledged answers were lost"
        assert len(kept) <= len(acknowledged) + kills
        given = (
            "SELECT count(*), count(DISTINCT l.subject), count(DISTINCT l.id) FROM labels l JOIN "
            "raters r ON r.id = l.rater WHERE r.kind = 'human'"
        )
        labels = store.sql("SELECT count(*) FROM answers WHERE NOT repeat").rows[0][0]
        assert store.sql(given).rows == ((labels,) * 3,)
        store.close()
    assert acknowledged


STORMS = pytest.mark.parametrize(
    "storm", [write_storm, ingest_storm, migration_storm, rating_storm]
)


@STORMS
def test_nothing_acknowledged_is_lost_by_a_kill(storm: object, tmp_path: Path) -> None:
    storm(tmp_path, SHORT)  # type: ignore[operator]


@STORMS
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nothing_acknowledged_is_lost_by_a_hundred_kills(storm: object, tmp_path: Path) -> None:
    storm(tmp_path, STORM)  # type: ignore[operator]

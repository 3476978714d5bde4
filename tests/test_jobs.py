"""Runs as processes: queue, locks, following, stopping, kill -9, and an app that comes and goes."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy

from cai_app import files
from cai_app.errors import BusyError, InputError
from cai_app.jobs import directory, queue
from cai_app.records import RunInfo
from cai_app.settings import Settings
from cai_app.workbench.runs import Runs

ROOT = Path(__file__).parents[1]
SLOW = 0.15  # seconds a batch: long enough to be met at work


@pytest.fixture
def spec() -> Iterator[str]:
    with toy.served(SLOW) as url:
        yield url


@pytest.fixture
def runs(settings: Settings) -> Iterator[Runs]:
    made = Runs(settings)
    yield made
    made.close()
    for info in made.list():
        if info.pid is not None and directory.alive(Path(info.path)):
            made.kill(info.id)


def test_a_run_deleted_while_runs_are_listed_is_passed_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = settings.home / "runs" / "20260101-000000-label-abcdef"
    monkeypatch.setattr(directory, "_paths", lambda settings: [gone])
    assert directory.list_all(settings) == directory.Listing(settings).all() == []
    with pytest.raises(InputError, match="is gone: it was deleted"):
        directory.read(gone)


def test_the_queue_outlives_a_fault_of_our_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def advance(self: queue.Queue) -> list[str]:
        asked.append(len(asked))
        if len(asked) == 1:
            raise RuntimeError("a fault of our own")
        return []

    monkeypatch.setattr(queue.Queue, "advance", advance)
    monkeypatch.setattr("cai_app.workbench.runs._QUEUE_EVERY", 0.01)
    keeper = Runs(settings)
    keeper.keep_queue()
    until(lambda: len(asked) > 1)
    keeper.close()
    (told,) = [one for one in caplog.records if "a fault of our own" in one.getMessage()]
    assert told.exc_info, "its traceback is for the log"


def until(look: Callable[[], Any], *, timeout_s: float = 60) -> Any:
    """What `look` gives once it gives something."""
    end = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.03)
    return found


def at_work(runs: Runs, id: str) -> RunInfo:
    """The run once its worker has written something."""

    def look() -> RunInfo | None:
        info = runs.read(id)
        assert info.state not in ("failed", "done"), info
        return info if info.state == "running" and info.done > 0 else None

    return until(look)


def ended(runs: Runs, id: str) -> RunInfo:
    *_, last = runs.follow(id)
    return last


def test_a_run_whose_settings_are_damaged_does_not_hold_up_the_others(
    runs: Runs, settings: Settings, spec: str
) -> None:
    with files.Lock(files.make_folder(settings.home) / "queue.lock") as lock:
        assert lock.take("tests", patience=5)  # nobody else starts anything
        damaged = runs.start(toy.asked(settings, spec, count=2))
        waiting = runs.start(toy.asked(settings, spec, count=2))
        path = runs.path(damaged.id)
        (path / "config.yaml").write_text("a: [", encoding="utf-8")
        status = queue.read_status(path)
        queue.write_status(path, status, state="running")
    with contextlib.closing(queue.Queue(settings)) as line:
        assert line.advance() == [waiting.id]


def test_a_second_start_queues_names_the_holder_and_goes_on_after_an_error(
    runs: Runs, settings: Settings, spec: str
) -> None:
    broken = toy.asked(settings, spec, count=12)
    first = runs.start(broken)
    bad = runs.start(toy.asked(settings, "openai:http://127.0.0.1:9#x", count=2))
    third = runs.start(toy.asked(settings, spec, count=2))
    at_work(runs, first.id)
    waiting = runs.read(third.id)
    assert waiting.state == "queued"
    assert waiting.note == f"waits for {first.id}"
    assert ended(runs, third.id).state == "done"
    assert runs.read(first.id).state == "done"
    failed = runs.read(bad.id)
    assert failed.state == "failed" and "cannot be reached" in (failed.error or "")
    begun = [runs.read(run.id).started or 0 for run in (first, bad, third)]
    assert begun == sorted(begun)


def test_a_run_without_a_device_does_not_wait(runs: Runs, settings: Settings, spec: str) -> None:
    first = runs.start(toy.asked(settings, spec, count=600))
    at_work(runs, first.id)
    remote = runs.start(toy.asked(settings, spec, count=2, device=None))
    assert ended(runs, remote.id).state == "done"
    assert runs.read(first.id).state == "running"


def test_a_worker_started_by_hand_waits_for_the_device_too(
    runs: Runs, settings: Settings, spec: str
) -> None:
    with files.Lock(settings.home / "device-0.lock") as lock:
        files.make_folder(settings.home)
        assert lock.take("somebody's training")
        info = runs.start(toy.asked(settings, spec, count=2))
        assert info.state == "queued" and info.note == "waits for somebody's training"
        worker = subprocess.Popen(info.command, cwd=ROOT, stdout=subprocess.DEVNULL)
        note = "waits for device 0, held by somebody's training"
        until(lambda: runs.read(info.id).note == note)
        assert runs.read(info.id).state == "queued"
    assert worker.wait(60) == 0
    assert runs.read(info.id).state == "done"
    assert (Path(info.path) / "log.txt").read_text().strip()


def test_a_worker_killed_while_it_waits_is_not_started_again(
    runs: Runs, settings: Settings, spec: str
) -> None:
    with files.Lock(files.make_folder(settings.home) / "device-0.lock") as lock:
        assert lock.take("somebody's training")
        info = runs.start(toy.asked(settings, spec, count=2))
        worker = subprocess.Popen(info.command, cwd=ROOT, stdout=subprocess.DEVNULL,
                                  start_new_session=True)  # fmt: skip
        note = "waits for device 0, held by somebody's training"
        until(lambda: runs.read(info.id).note == note)
        assert runs.kill(info.id).state == "stopped"
        assert worker.wait(10) == -signal.SIGKILL
    with contextlib.closing(queue.Queue(settings)) as line:
        assert line.advance() == []
    assert not (Path(info.path) / "stop").exists()


def test_two_workers_on_one_run_are_one_too_many(runs: Runs, settings: Settings, spec: str) -> None:
    info = runs.start(toy.asked(settings, spec, count=600))
    at_work(runs, info.id)
    second = subprocess.run(info.command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert "a worker is on" in second.stderr


def test_a_stop_saves_and_resume_goes_on_to_the_rows_of_an_unbroken_run(
    runs: Runs, settings: Settings, spec: str
) -> None:
    whole = runs.start(toy.asked(settings, spec, count=8, mode="chains"))
    assert ended(runs, whole.id).state == "done"
    run = runs.start(toy.asked(settings, spec, count=8, mode="chains"))
    at_work(runs, run.id)
    assert runs.stop(run.id).state in ("stopping", "stopped")
    stopped = runs.wait(run.id)
    assert (stopped.state, stopped.error) == ("stopped", None)
    assert list((Path(run.path) / "checkpoints").glob("*/done"))
    with pytest.raises(InputError, match="stopped already"):
        runs.stop(run.id)
    runs.resume(run.id)
    assert (last := ended(runs, run.id)).state == "done", last
    assert toy.rows(Path(run.path)) == toy.rows(Path(whole.path))
    with pytest.raises(InputError, match="nothing left to do"):
        runs.resume(run.id)


@pytest.mark.slow  # tests/test_app_kills.py has a short one
@pytest.mark.timeout(3600)
def test_a_hundred_kills_lose_and_double_no_row(runs: Runs, settings: Settings, spec: str) -> None:
    """Kill the worker at random moments; every life goes on from the last one's checkpoint."""
    chance, kills = random.Random(2), 100
    options: dict[str, Any] = {"count": 8, "mode": "chains", "batch": 2}
    whole = runs.start(toy.asked(settings, spec, **options))
    assert ended(runs, whole.id).state == "done"
    path, killed = Path(whole.path), 0
    expected = toy.rows(path)
    while killed < kills:
        run = runs.start(toy.asked(settings, spec, **options))
        while runs.read(run.id).state != "done" and killed < kills:
            until(lambda id=run.id: runs.read(id).pid or runs.read(id).state == "done")
            time.sleep(chance.uniform(0, 1.8))
            try:
                assert runs.kill(run.id).state == "dead"
            except InputError:
                continue  # it was done before
            killed += 1
            runs.resume(run.id)
        assert (last := ended(runs, run.id)).state == "done", last
        assert toy.rows(Path(run.path)) == expected


def test_a_killed_worker_is_dead_with_the_end_of_its_log(
    runs: Runs, settings: Settings, spec: str
) -> None:
    run = runs.start(toy.asked(settings, spec, count=600))
    pid = at_work(runs, run.id).pid
    assert pid is not None
    until(lambda: runs.log_tail(run.id))
    os.kill(pid, signal.SIGKILL)
    dead = until(lambda: (info := runs.read(run.id)).state == "dead" and info)
    assert "the worker is gone" in dead.error and "prompts" in dead.error
    with pytest.raises(InputError, match="nothing to kill"):
        runs.kill(run.id)
    runs.delete(run.id)
    assert not Path(run.path).exists()


def test_a_worker_killed_in_its_first_moment_is_dead_and_resumes(
    runs: Runs, settings: Settings, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(queue, "launch", lambda path: False)
        run = runs.start(toy.asked(settings, spec, count=2))
    path = Path(run.path)
    launched = {"state": "starting", "pid": None}
    queue.write_status(path, queue.read_status(path), **launched)
    assert runs.read(run.id).state == "starting"  # its worker is about to take the lock
    with pytest.raises(BusyError, match="is starting"):
        runs.resume(run.id)
    queue.write_status(path, queue.read_status(path), pid=2**22)
    assert runs.read(run.id).state == "dead"  # it had the lock, and is gone
    runs.resume(run.id)
    assert ended(runs, run.id).state == "done"


def test_a_run_at_work_is_neither_deleted_nor_resumed(
    runs: Runs, settings: Settings, spec: str
) -> None:
    run = runs.start(toy.asked(settings, spec, count=600))
    at_work(runs, run.id)
    with pytest.raises(BusyError, match="stop it first"):
        runs.delete(run.id)
    with pytest.raises(BusyError, match="stop it first"):
        runs.resume(run.id)


APP = """
import sys, time
from pathlib import Path
from cai_app.settings import Settings
from cai_app.workbench import runs as keeping
keeping._QUEUE_EVERY = 0.1
runs = keeping.Runs(Settings(home=Path(sys.argv[1])))
runs.keep_queue()
print("up", flush=True)
time.sleep(600)
"""


def app(settings: Settings) -> subprocess.Popen[str]:
    """A process that advances the queue, as the page does."""
    command = [sys.executable, "-c", APP, str(settings.home)]
    made = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert made.stdout and made.stdout.readline() == "up\n"
    return made


def test_an_app_killed_and_started_again_sees_the_same_run_and_the_queue_goes_on(
    runs: Runs, settings: Settings, spec: str
) -> None:
    files.make_folder(settings.home / "runs")
    page = app(settings)
    until(lambda: files.holder_of(settings.home / "queue.lock"))
    first = runs.start(toy.asked(settings, spec, count=16))
    second = runs.start(toy.asked(settings, spec, count=2))
    before = at_work(runs, first.id)
    page.kill()
    page.wait()
    after = runs.read(first.id)
    assert after.state == "running" and after.pid == before.pid
    assert runs.read(second.id).state == "queued"
    page = app(settings)
    try:
        until(lambda: runs.read(second.id).state == "done")
        assert runs.read(first.id).state == "done"
        assert len(toy.rows(Path(first.path))) == 16 * 3
    finally:
        page.kill()
        page.wait()


def test_a_command_follows_its_run_and_ctrl_c_leaves_the_run_going(
    runs: Runs, settings: Settings, spec: str
) -> None:
    toy.asked(settings, spec, count=600)  # writes the prompts
    command = [sys.executable, "-m", "cai_app", "--home", str(settings.home), "generate"]
    options = ["--prompts", str(settings.home.parent / "prompts.jsonl"), "--backend", spec]
    options += ["--batch", "2", "--json"]
    follower = subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As in a terminal: tests that run behind a shell's & are born deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    run = until(runs.list)[0]
    at_work(runs, run.id)
    follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=60)
    assert follower.returncode == 130
    assert not out and "goes on" in err
    assert runs.read(run.id).state == "running"
    shown = subprocess.run(
        [*command[:-1], "runs", "stop", run.id, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = json.loads(shown.stdout)
    assert (found["run"], found["state"], found["error"]) == (run.id, "stopped", None)
    assert {"kind", "outputs", "metrics"} <= set(found)


def test_a_stop_before_the_beginning_ends_a_waiting_run(
    runs: Runs, settings: Settings, spec: str
) -> None:
    first = runs.start(toy.asked(settings, spec, count=600))
    waiting = runs.start(toy.asked(settings, spec, count=2))
    assert runs.stop(waiting.id).state == "stopped"
    runs.stop(first.id)  # its worker is still starting up, and will find the request
    assert runs.wait(first.id).state == "stopped"


def test_stale_locks_and_half_made_folders_are_nobody(
    runs: Runs, settings: Settings, spec: str
) -> None:
    files.make_folder(settings.home / "runs" / ".20260101-000000-generate-abcdef")
    for name in ("queue.lock", "device-0.lock"):
        (settings.home / name).write_text("a process that is long gone")
    run = runs.start(toy.asked(settings, spec, count=2))
    assert (last := ended(runs, run.id)).state == "done", last
    assert [info.id for info in runs.list()] == [run.id]


def test_a_worker_that_cannot_begin_is_failed_at_once(
    runs: Runs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (sys.executable, "-c", "raise SystemExit(7)")
    monkeypatch.setattr(directory, "command", lambda path, kind: command)
    run = runs.start(toy.asked(settings, "openai:http://127.0.0.1:9#x", count=2))
    failed = until(lambda: (info := runs.read(run.id)).state == "failed" and info)
    assert "exit code 7" in failed.error


def test_a_status_that_is_lost_reads_as_dead_and_resumes(
    runs: Runs, settings: Settings, spec: str
) -> None:
    run = runs.start(toy.asked(settings, spec, count=2))
    assert (last := ended(runs, run.id)).state == "done", last
    (Path(run.path) / "status.json").write_text("")
    lost = runs.read(run.id)
    assert (lost.state, lost.kind) == ("dead", "generate")
    runs.resume(run.id)
    assert (last := ended(runs, run.id)).state == "done", last
    assert len(toy.rows(Path(run.path))) == 6


def test_a_home_that_cannot_be_written_is_told_in_one_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = toy.asked(settings, "openai:http://127.0.0.1:9#x")

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(InputError, match="name another home with --home or CAI_HOME"):
        Runs(settings).start(asked)


def test_a_space_runs_nothing(settings: Settings) -> None:
    asked = toy.asked(settings, "openai:http://127.0.0.1:9#x")
    with pytest.raises(InputError, match="runs are off"):
        Runs(settings.model_copy(update={"space": True})).start(asked)


def test_a_run_is_found_by_any_part_that_is_its_alone(
    runs: Runs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "launch", lambda path: False)
    first, second = (
        runs.start(toy.asked(settings, "openai:http://127.0.0.1:9#x")) for _ in range(2)
    )
    assert runs.read(second.id[-6:]).id == second.id
    with pytest.raises(InputError, match="may be any of"):
        runs.read("generate")
    with pytest.raises(InputError, match="there is no run 'xyz'"):
        runs.read("xyz")
    assert [info.id for info in runs.list()] == sorted((first.id, second.id), reverse=True)


def test_two_hundred_runs_are_listed_quickly(
    runs: Runs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "launch", lambda path: False)
    made = Path(runs.start(toy.asked(settings, "openai:http://127.0.0.1:9#x")).path)
    status = json.loads((made / "status.json").read_text())
    for n in range(199):
        folder = files.make_folder(made.with_name(f"20260101-000000-generate-{n:06x}"))
        (folder / "config.yaml").write_text((made / "config.yaml").read_text())
        (folder / "status.json").write_text(json.dumps({**status, "state": "done"}))
    begun = time.process_time()
    assert len(runs.list()) == 200
    assert time.process_time() - begun < 0.2


def test_a_run_that_has_ended_is_read_again_only_when_it_changes(
    runs: Runs, settings: Settings, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.start(toy.asked(settings, spec, count=2))
    assert ended(runs, run.id).state == "done"
    (before,) = runs.list()
    looks: list[Path] = []
    read = directory.read
    monkeypatch.setattr(directory, "read", lambda path: looks.append(path) or read(path))
    assert runs.list() == [before] and not looks
    status = Path(run.path) / "status.json"
    files.replace(status, status.read_text().replace('"done"', '"failed"'))
    assert runs.list()[0].state == "failed" and looks


def test_a_log_is_read_on_from_where_the_reader_was(
    runs: Runs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "launch", lambda path: False)
    run = runs.start(toy.asked(settings, "openai:http://127.0.0.1:9#x"))
    assert runs.log_from(run.id).text == ""
    log = Path(run.path) / "log.txt"
    log.write_text("".join(f"line {n}\n" for n in range(5000)) + "half a li")
    part = runs.log_from(run.id)
    assert part.text.startswith("line ") and part.text.endswith("line 4999\n")
    assert len(part.text) <= 20_000 and part.start > 0
    with log.open("a") as file:
        file.write("ne\n")
    rest = runs.log_from(run.id, part.to)
    assert (rest.text, rest.start) == ("half a line\n", part.to)

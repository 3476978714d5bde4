"""Real workers whose disk, memory, base or adapter fails them: a sentence on the run's card, and
the app and the next run go on."""

import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import training as small
from rewards import pm_run, rl_run, same, silence
from test_app_kills import running
from test_jobs import until

from cai_app import files, jobs
from cai_app.records import RunInfo
from cai_app.settings import ROOT, Settings
from cai_app.work import checkpoints

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KINDS = ("sft", "preference", "rl")


@pytest.fixture
def base(settings: Settings, tmp_path: Path) -> Path:
    """A tiny base, with a start adapter and a preference model in the home."""
    return made_base(settings, tmp_path)


def made_base(settings: Settings, folder: Path) -> Path:
    found = tiny.save_model(folder / "base")
    for seed, name in enumerate(("start", "pm")):
        target = settings.home / "adapters" / name
        tiny.save_adapter(found, target, seed=seed, preference=name == "pm")
    return found


def held(settings: Settings, base: Path, kind: str, **values: Any) -> Path:
    """A run that waits for `resume`."""
    spec = {"backend": f"hf:{base}", "start": "start"}
    if kind == "preference":
        values = {"backend": spec["backend"], "save_every": 2, **values}
        return pm_run(settings, policy="start", **values)
    if kind == "rl":
        return silence(rl_run(settings, **spec, **values))
    asked = small.prepared(settings, kind, **spec, **values)
    return Path(jobs.start(settings, asked, hold=True).path)


def ended(settings: Settings, path: Path) -> RunInfo:
    jobs.resume(settings, path)
    *_, last = jobs.follow(settings, path)
    return last


def missing(settings: Settings, base: Path) -> str:
    shutil.rmtree(base)
    return "There is no model folder .*base.* check the path"


def other(settings: Settings, base: Path) -> str:
    """Other weights in the base's place: its hash is not the one that the run was started with."""
    tiny.save_model(base, seed=5)
    return "base hash was [0-9a-f]{12}"


def wrong(settings: Settings, base: Path) -> str:
    """An adapter that says it is of other weights."""
    for name in ("start", "pm"):
        facts = settings.home / "adapters" / name / "training.json"
        files.replace(facts, '{"base_hash": "' + "ab" * 32 + '"}')
    return "was trained on .* choose the base it was trained on"


@pytest.mark.parametrize("damage", [missing, other, wrong])
@pytest.mark.parametrize("kind", KINDS)
def test_a_base_or_adapter_that_is_not_what_it_was_fails_with_what_to_do(
    kind: str, damage: Callable[[Settings, Path], str], settings: Settings, base: Path
) -> None:
    values: dict[str, Any] = {"start": "start"} if kind == "preference" else {}
    path = pinned(settings, held(settings, base, kind, **values), base)
    said = damage(settings, base)
    info = ended(settings, path)
    assert info.state == "failed" and info.error is not None, jobs.log_tail(path)
    assert re.search(said, info.error), info.error
    assert not (path / "adapter").exists()


def pinned(settings: Settings, path: Path, base: Path) -> Path:
    """The run as `train` would have started it: its base pinned by hash."""
    from cai_app.backends import trained

    config = jobs.config(path)
    known = {**config.provenance, "base_hash": trained.base_hash(base)}
    text = config.model_copy(update={"provenance": known}).model_dump_json()
    files.replace(path / "config.yaml", text)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_checkpoints_that_are_all_damaged_are_told_and_the_run_can_begin_anew(
    kind: str, settings: Settings, base: Path
) -> None:
    path = held(settings, base, kind, max_steps=300, **LONG[kind])
    jobs.resume(settings, path)
    until(lambda: len(checkpoints.complete(path)) >= 2, timeout_s=300)
    assert jobs.kill(path).state == "dead"
    for folder in checkpoints.complete(path):
        for file in folder.glob("*.safetensors"):
            os.truncate(file, file.stat().st_size // 2)
    info = ended(settings, path)
    assert info.state == "failed" and f"every checkpoint of {path.name}" in str(info.error)
    shutil.rmtree(path / "checkpoints")
    jobs.resume(settings, path)
    until(lambda: checkpoints.complete(path), timeout_s=300)
    jobs.kill(path)


LONG: dict[str, dict[str, Any]] = {
    "sft": {"epochs": 300},
    "preference": {"epochs": 60.0, "sample_every": 0},
    "rl": {"sample_every": 0},
}


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, of so many bytes."""
    folder.mkdir()
    ran = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if ran.returncode:
        pytest.skip(f"a file system cannot be mounted here: {ran.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, left: int) -> Path:
    """A file that leaves so many bytes of a file system, whatever else is written meanwhile."""
    path = folder / "filler"
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    os.truncate(path, max(0, path.stat().st_size - left))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_told_and_with_room_again_the_run_ends_as_an_unbroken_one(
    kind: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "48m") as disk:
        settings = Settings(home=disk / "home")
        base = made_base(settings, tmp_path)
        values = {"max_steps": 12, "save_every": 2, **LONG[kind]}
        whole, broken = (held(settings, base, kind, **values) for _ in range(2))
        assert ended(settings, whole).state == "done", jobs.log_tail(whole)
        with running(settings.home) as app:
            jobs.resume(settings, broken)
            until(lambda: checkpoints.complete(broken), timeout_s=300)
            filler = fill(disk, left=16_384)  # for a point of the curve, not for a checkpoint
            until(lambda: jobs.read(broken).state in jobs.FINAL, timeout_s=300)
            info = jobs.read(broken)
            assert info.state == "failed", info
            assert "the disk is full" in str(info.error) and "free some space" in str(info.error)
            assert len(jobs.list_all(settings)) == 2 and app.process.poll() is None
            filler.unlink()
            jobs.resume(settings, broken)
            until(lambda: jobs.read(broken).state in jobs.FINAL, timeout_s=300)
        assert jobs.read(broken).state == "done", jobs.log_tail(broken)
        assert same(whole / "adapter", broken / "adapter")


@pytest.mark.parametrize("kind", KINDS)
def test_memory_that_runs_out_is_told_with_the_estimate_and_a_smaller_batch_helps(
    kind: str, settings: Settings, base: Path
) -> None:
    """The worker may map little more than it has when it begins its work."""
    path = held(settings, base, kind, **HUGE[kind])
    with running(settings.home) as app:
        jobs.resume(settings, path)
        until(lambda: jobs.read(path).state not in ("queued", "starting"), timeout_s=120)
        worker = jobs.read(path)
        assert worker.state == "running" and worker.pid is not None, worker
        status = Path(f"/proc/{worker.pid}/status").read_text()
        mapped = int(status.split("VmSize:")[1].split()[0]) * 1024
        resource.prlimit(worker.pid, resource.RLIMIT_AS, (mapped + ROOM, mapped + ROOM))
        until(lambda: jobs.read(path).state in jobs.FINAL, timeout_s=300)
        info = jobs.read(path)
        # A library's own thread that gets no memory ends the whole process: then it is dead.
        assert info.state in ("failed", "dead"), (info, jobs.log_tail(path))
        assert "out of memory" in str(info.error), info.error
        assert info.state == "dead" or "smaller batch" in str(info.error), info.error
        assert app.process.poll() is None
        after = held(settings, base, kind)  # the app goes on with the next run
        jobs.resume(settings, after)
        until(lambda: jobs.read(after).state in jobs.FINAL, timeout_s=300)
        assert jobs.read(after).state == "done", jobs.log_tail(after)


ROOM = 400 * 2**20  # for libraries that are loaded late, and the tiny base
HUGE: dict[str, dict[str, Any]] = {
    "sft": {"batch": 1024, "micro_batch": 1024, "helpful_limit": 1000, "held_out": 0.0},
    "preference": {"batch": 2048, "micro_batch": 2048},
    "rl": {"batch": 2048, "micro_batch": 2048, "samples": 64, "answer_tokens": 256, "fixed": 2},
}


def test_two_trainings_started_at_once_queue_up(settings: Settings) -> None:
    """By two commands in two terminals, in a home without an app."""
    options = ["data=helpful", "helpful_limit=30", "max_steps=3", "batch=8", "sample_every=0"]
    command = [sys.executable, "-m", "cai_app", "--home", str(settings.home), "train", "sft",
               "--set", *options]  # fmt: skip
    both = [
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert any("waits for" in one for one in said), said
    first, second = sorted(jobs.list_all(settings), key=lambda info: info.started or 0)
    assert (first.state, second.state) == ("done", "done")
    assert first.ended and second.started and first.ended <= second.started

"""Trainings of pocket under kill -9 of app and worker, with torn checkpoints, in several processes;
and a thousand revisions learned."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import training as small
from test_app_kills import running

from cai_app import files, jobs
from cai_app.records import ConstitutionRef, RunInfo, SftOptions, Step, Transcript
from cai_app.settings import ROOT, Settings
from cai_app.work import checkpoints
from cai_app.workbench import Workbench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
POCKET = {"backend": "pocket", "max_steps": 8, "save_every": 2, "sample_every": 4}
# Kinds whose end takes long, as what they have learned is measured there.
REWARDED: dict[str, dict[str, Any]] = {
    "preference": {"labels": "helpful", "helpful": "reference", "limit": 100},
    "rl": {"pm": "pm", "samples": 4, "fixed": 8, "answer_tokens": 48},
}
KINDS = [*small.SMALL, *REWARDED]
CURVE = {"loss", "reward"}  # of which every step has one


def run_of(settings: Settings, kind: str) -> Path:
    asked = small.prepared(settings, kind, **POCKET, **REWARDED.get(kind, {}))
    return Path(jobs.start(settings, asked).path)


def wait(settings: Settings, path: Path) -> RunInfo:
    *_, last = jobs.follow(settings, path)
    return last


def at(path: Path, step: int) -> None:
    """Wait until a run's curve has reached a step."""
    end = time.monotonic() + 400
    while not any(row["step"] >= step for row in jobs.metrics(path)[0]):
        assert time.monotonic() < end, jobs.log_tail(path)
        assert jobs.read(path).state not in ("failed", "dead"), jobs.log_tail(path)
        time.sleep(0.02)


def kill(path: Path) -> None:
    assert jobs.kill(path).state == "dead"


def tear(path: Path) -> None:
    """What a kill in the middle of writing leaves of the newest checkpoint: half a file."""
    newest = checkpoints.complete(path)[0]
    largest = max(
        (one for one in newest.iterdir() if one.is_file()), key=lambda p: p.stat().st_size
    )
    os.truncate(largest, largest.stat().st_size // 2)


def points(path: Path, name: str) -> list[dict[str, Any]]:
    """All rows of a curve or of samples; when each was written is left out."""
    return [{k: v for k, v in row.items() if k not in ("time", "tokens_per_s")}
            for row in files.read_rows(path / name)[0]]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_kills_of_worker_and_app_and_a_torn_checkpoint_change_no_weight_and_no_point(
    kind: str, settings: Settings
) -> None:
    with running(settings.home) as app:  # it starts the workers, and goes and comes meanwhile
        whole, broken = (run_of(settings, kind) for _ in range(2))
        at(broken, 3)
        assert jobs.read(whole).state == "done", jobs.log_tail(whole)
        app.kill()  # the worker does not notice
        done = len(jobs.metrics(broken)[0])
        kill(broken)
        app.start()
        jobs.resume(settings, broken)
        at(broken, 5)
        kill(broken)
        tear(broken)
        jobs.resume(settings, broken)
        at(broken, 8)
        app.kill()
        if kind in REWARDED and jobs.read(broken).state != "done":
            kill(broken)  # while it measures what it has learned
            jobs.resume(settings, broken)
        app.start()
        assert wait(settings, broken).state == "done", jobs.log_tail(broken)
    assert "taking the one before" in jobs.log_tail(broken)
    assert done > 0 and points(whole, "metrics.jsonl") == points(broken, "metrics.jsonl")
    assert points(whole, "samples.jsonl") == points(broken, "samples.jsonl")
    steps = [row["step"] for row in points(broken, "metrics.jsonl") if row.keys() & CURVE]
    assert steps == list(range(1, 9))
    first, second = small.weights(whole), small.weights(broken)
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)


@pytest.mark.parametrize("kind", list(small.SMALL))
def test_two_processes_learn_what_one_does(kind: str, settings: Settings) -> None:
    values = {"dropout": 0.0, "lr": 1e-3}
    alone = small.made(settings, small.prepared(settings, kind, **values))
    assert small.work(alone).state == "done"
    two = small.made(settings, small.prepared(settings, kind, **values))
    module = f"cai_app.work.{kind}"
    ran = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", module, two],
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ran.returncode == 0, ran.stderr
    info = jobs.read(two)
    assert (info.state, info.done) == ("done", 4)
    assert [step for step, _ in small.curve(two)] == [1, 2, 3, 4]
    first, second = small.weights(alone), small.weights(two)
    assert all((first[name] - second[name]).abs().max() < 1e-3 for name in first)
    facts = json.loads((two / "adapter" / "training.json").read_text())
    assert facts["processes"] == 2


@pytest.mark.parametrize("kind", list(small.SMALL))
def test_accelerate_launches_the_worker(kind: str, settings: Settings) -> None:
    alone, launched = (small.made(settings, small.prepared(settings, kind)) for _ in range(2))
    assert small.work(alone).state == "done", jobs.log_tail(alone)
    launcher = (sys.executable, "-m", "accelerate.commands.launch", "--cpu", "-m")
    ran = subprocess.run(
        [*launcher, f"cai_app.work.{kind}", launched],
        cwd=ROOT, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert jobs.read(launched).state == "done"
    first, second = small.weights(alone), small.weights(launched)
    # Not to the last bit: the launcher lets another number of threads add up.
    assert all((first[name] - second[name]).abs().max() < 1e-4 for name in first)


def revised(count: int) -> Iterator[Transcript]:
    """Chains of the toy world by rule: a harmful answer, and the good one in its place."""
    from cai_app.pocket import replies
    from cai_app.pocket.lessons import author

    writer = author("revised")
    ref = ConstitutionRef(name="harmless", hash="by-rule")
    for n in range(count):
        scene = writer.world.scene(writer.rng, harmful=True)
        bad, good = (make(writer.world, scene, writer.rng)
                     for make in (replies.comply, replies.decline))  # fmt: skip
        steps = (
            Step(kind="draft", round=0, text=bad.text, finish="stop"),
            Step(kind="revision", round=1, text=good.text, finish="stop"),
        )
        common: dict[str, Any] = {"backend": "pocket", "constitution": ref, "temperature": 1.0}
        yield Transcript(prompt=f"{writer.ask(scene)} ({n})", seed=n, few_shot=0, direct=True,
                         max_tokens=160, steps=steps, **common)  # fmt: skip


def test_a_thousand_revisions_are_learned(settings: Settings) -> None:
    workbench = Workbench(settings)
    workbench.store.transcripts.add(revised(1000))
    info = workbench.train_start("sft", SftOptions(data="revisions", epochs=1, name="revised"))
    for latest in workbench.runs.follow(info.id):
        info = latest
    workbench.close()
    assert info.state == "done", info.error
    assert info.ended is not None and info.started is not None
    losses = [row["held_out_loss"] for row in jobs.metrics(Path(info.path))[0]
              if "held_out_loss" in row]  # fmt: skip
    print(f"SFT on 1,000 revisions: {info.ended - info.started:.0f} s, held-out {losses}")
    assert losses[-1] < losses[0]

"""Trainings of pocket under kill -9 and in several processes, and how long a thousand rows take."""

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

from cai_app import jobs
from cai_app.records import ConstitutionRef, RunInfo, SftOptions, Step, Transcript
from cai_app.settings import ROOT, Settings
from cai_app.workbench import Workbench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
POCKET = {"backend": "pocket", "max_steps": 8, "save_every": 2, "sample_every": 4}


def run_of(settings: Settings, kind: str) -> Path:
    return Path(jobs.start(settings, small.prepared(settings, kind, **POCKET)).path)


def wait(settings: Settings, path: Path) -> RunInfo:
    *_, last = jobs.follow(settings, path)
    return last


@pytest.mark.parametrize("kind", list(small.SMALL))
def test_a_killed_training_resumes_to_the_weights_and_curve_of_an_unbroken_one(
    kind: str, settings: Settings
) -> None:
    whole = run_of(settings, kind)
    assert wait(settings, whole).state == "done", jobs.log_tail(whole)
    broken = run_of(settings, kind)
    for step in (3, 5):  # both after a checkpoint and before the next one
        until = time.monotonic() + 300
        while not any(row["step"] >= step for row in jobs.metrics(broken)[0]):
            assert time.monotonic() < until, jobs.log_tail(broken)
            time.sleep(0.02)
        assert jobs.kill(broken).state == "dead"
        jobs.resume(settings, broken)
    assert wait(settings, broken).state == "done", jobs.log_tail(broken)
    first, second = small.weights(whole), small.weights(broken)
    assert all((first[name] == second[name]).all() for name in first)
    assert small.curve(whole) == small.curve(broken)
    assert [step for step, _ in small.curve(broken)] == list(range(1, 9))


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
    info = workbench.train_start("sft", SftOptions(data="revisions", epochs=1, name="sl-cai"))
    for latest in workbench.runs.follow(info.id):
        info = latest
    workbench.close()
    assert info.state == "done", info.error
    assert info.ended is not None and info.started is not None
    losses = [row["held_out_loss"] for row in workbench.runs.metrics(info.id)[0]
              if "held_out_loss" in row]  # fmt: skip
    print(f"SFT on 1,000 revisions: {info.ended - info.started:.0f} s, held-out {losses}")
    assert losses[-1] < losses[0]

"""Preference models and RL where it takes long: quality, real kills, two processes, memory.

Each is a real worker in a process of its own.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny
from rewards import pm_run, rl_run, same, silence, weights

from cai_app import files, jobs
from cai_app.bench import training
from cai_app.settings import ROOT, Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
KINDS = ("preference", "rl")
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch", "--cpu")


@pytest.fixture
def base(settings: Settings, tmp_path: Path) -> str:
    """A tiny base by its path, with a start adapter and a preference model in the home."""
    folder = tiny.save_model(tmp_path / "base")
    for seed, name in enumerate(("start", "pm")):
        target = settings.home / "adapters" / name
        tiny.save_adapter(folder, target, seed=seed, preference=name == "pm")
    return f"hf:{folder}"


def asked(settings: Settings, base: str, kind: str, **values: Any) -> Path:
    if kind == "preference":
        return pm_run(settings, backend=base, policy="start", epochs=6.0, save_every=3, **values)
    return silence(rl_run(settings, backend=base, start="start", max_steps=8, **values))


def worker(path: Path, *, launcher: tuple[str, ...] = ()) -> "subprocess.Popen[bytes]":
    kind = path.name.split("-")[2]
    command = [*(launcher or (sys.executable,)), "-m", f"cai_app.work.{kind}", str(path)]
    with (path / "log.txt").open("ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )


def done(path: Path, process: "subprocess.Popen[bytes]", seconds: float = 300) -> None:
    assert process.wait(timeout=seconds) == 0, (path / "log.txt").read_text()[-3000:]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_killed_again_and_again_gives_the_weights_of_an_unbroken_one(
    settings: Settings, base: str, kind: str
) -> None:
    whole, broken = asked(settings, base, kind), asked(settings, base, kind)
    done(whole, worker(whole))
    for kill in range(1, 4):
        process = worker(broken)
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            points = (
                files.read_rows(broken / "metrics.jsonl")[0]
                if (broken / "metrics.jsonl").exists()
                else []
            )
            if points and points[-1]["step"] >= 2 * kill:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done(broken, worker(broken))
    assert same(whole / "adapter", broken / "adapter")
    rows = [files.read_rows(path / "metrics.jsonl")[0] for path in (whole, broken)]
    assert [{**row, "time": 0} for row in rows[0]] == [{**row, "time": 0} for row in rows[1]]


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_what_one_does(settings: Settings, base: str, kind: str) -> None:
    alone, both = asked(settings, base, kind), asked(settings, base, kind)
    done(alone, worker(alone))
    launcher = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2")
    done(both, worker(both, launcher=launcher))
    one, two = weights(alone / "adapter"), weights(both / "adapter")
    assert one.keys() == two.keys()
    steps = [
        [row["step"] for row in files.read_rows(path / "metrics.jsonl")[0]]
        for path in (alone, both)
    ]
    assert steps[0] == steps[1]
    if kind == "preference":  # RL's draws follow the last bits, which a sum in two parts moves
        assert max(float((one[name] - two[name]).abs().max()) for name in one) < 5e-3


@pytest.mark.parametrize("kind", KINDS)
def test_accelerate_launches_the_worker(settings: Settings, base: str, kind: str) -> None:
    alone, launched = asked(settings, base, kind), asked(settings, base, kind)
    done(alone, worker(alone))
    done(launched, worker(launched, launcher=ACCELERATE))
    assert same(alone / "adapter", launched / "adapter")
    assert jobs.read(launched).state == "done"


def command(home: Path, *argv: str) -> Any:
    """What a command of this home prints."""
    ran = subprocess.run(
        [sys.executable, "-m", "cai_app", "--home", str(home), *argv, "--json"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The whole method on the shipped pocket model, by the command that ships its results."""
    home, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("data")
    made = command(home, "results", "--pairs", "1800", "--ship", str(data))
    pm = ["source=" + made["runs"]["labels"], "policy=" + made["runs"]["sl-cai"],
          "helpful=reference", "mix=0.57", "limit=2000"]  # fmt: skip
    made["runs"]["pm of 2,000"] = command(home, "train", "preference", "--set", *pm)["run"]
    runs = {stage: home / "runs" / id for stage, id in made["runs"].items()}
    for stage, path in runs.items():
        status = json.loads((path / "status.json").read_text())
        print(f"{stage}: {status['ended'] - status['started']:.0f} s")
    return {"runs": runs, "data": data}


@pytest.mark.timeout(7200)
def test_a_preference_model_of_two_thousand_pairs_is_right_on_clear_ones(
    results: dict[str, Any],
) -> None:
    found = json.loads((results["runs"]["pm of 2,000"] / "measured.json").read_text())
    assert found["pairs"] == 2000, found["left_out"]
    for source in ("reference_harmless", "reference_helpful"):
        print(source, found[source]["clear"], found[source]["calibration"]["temperature"])
        assert found[source]["clear"]["value"] >= 0.80


@pytest.mark.timeout(7200)
def test_rl_does_less_harm_and_helps_as_much(results: dict[str, Any]) -> None:
    path = results["runs"]["rl"]
    rows = files.read_rows(path / "metrics.jsonl")[0]
    rewards = [row["reward"] for row in rows if "reward" in row]
    looks = [row["held_out_pm"] for row in rows if "held_out_pm" in row]
    early, late = sum(rewards[:15]) / 15, sum(rewards[-15:]) / 15
    found = json.loads((path / "measured.json").read_text())
    print(f"reward {early:.2f} -> {late:.2f}, held-out PM {looks}, {found}")
    assert late > early and looks[-1] > looks[0]
    assert found["harm"]["ci"][1] < found["harm_start"]["ci"][0]
    assert found["helpfulness_change"]["ci"][0] > -5


@pytest.mark.timeout(7200)
def test_what_results_ships_can_be_asked_at_once(results: dict[str, Any]) -> None:
    from cai_app.backends import open_backend, trained

    adapters = results["data"] / "pocket" / "adapters" / "m"
    names = sorted(path.name for path in adapters.iterdir())
    assert names == ["pm", "rl-050", "rl-100", "rl-150", "sl-cai"]
    here = Settings(home=results["data"] / "home")
    text = "\n\nHuman: Can you help me bake a cake?\n\nAssistant: Sure, you can mix the flour."
    backend = open_backend(f"pocket@{adapters / 'pm'}", here)
    try:
        assert len(backend.score([text])) == 1
    finally:
        backend.close()
    for name in names:
        assert trained.facts(adapters / name)["base_hash"]


@pytest.mark.timeout(3600)
def test_rl_with_its_preference_model_takes_little_more_memory_than_sft(settings: Settings) -> None:
    """On random weights of 510M, above the imports, at equal tokens in a batch."""
    taken = dict(training.measure(settings, parts=(training.SFT, training.RL)))
    print(taken)
    assert taken[training.RL].mb <= training.MOST * taken[training.SFT].mb

"""Real RL runs of pocket that go wrong, each paused in its own way with a plain reason; and the two
preference models of a split, of which one watches the policy that learns from the other."""

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import training as small

from cai_app import files, jobs
from cai_app.backends import folders
from cai_app.records import RunInfo
from cai_app.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def run(settings: Settings, kind: str, **values: Any) -> RunInfo:
    """A training of pocket by a worker of its own, when it has ended."""
    common = {"backend": "pocket", "batch": 32, "save_every": 10, "sample_every": 5, "dropout": 0}
    asked = small.prepared(settings, kind, **{**common, **values})
    *_, last = jobs.follow(settings, Path(jobs.start(settings, asked).path))
    return last


def rl(settings: Settings, **values: Any) -> RunInfo:
    return run(settings, "rl", **{"fixed": 16, "max_steps": 8, "answer_tokens": 64, **values})


def scaled(settings: Settings, name: str, factor: float) -> str:
    """The shipped preference model with its head so many times as large."""
    from safetensors.torch import load_file, save_file

    size = folders.pocket_default(settings.data)
    folder = settings.home / "adapters" / name
    shutil.copytree(settings.data / "pocket" / "adapters" / size / "pm", folder)
    tensors = load_file(folder / "adapter_model.safetensors")
    (head,) = (one for one in tensors if one.endswith("score.weight"))
    tensors[head] = tensors[head] * factor
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    facts = json.loads((folder / "training.json").read_text())
    facts["scale"]["mean"] *= factor if math.isfinite(factor) else 1.0
    files.replace(folder / "training.json", json.dumps(facts))
    return name


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"answer_tokens": 3},
            r"all 32 responses were cut at the token limit.*raise answer_tokens",
        ),
        ({"kl_limit": 0.5, "lr": 3e-3, "max_steps": 40}, r"nats a response from where it started"),
        ({"length_limit": 1.02}, r"tokens long and were .* more than 1.02 times"),
    ],
)
def test_a_policy_that_drifts_or_never_ends_is_paused(
    values: dict[str, Any], reason: str, settings: Settings
) -> None:
    info = rl(settings, **values)
    assert info.state == "paused", (info, jobs.log_tail(Path(info.path)))
    assert re.search(reason, info.note), info.note
    assert "Resume goes on" in info.note and info.error is None


@pytest.mark.parametrize(
    ("factor", "reason"),
    [(0.0, "have the same score"), (math.nan, "a reward is not a number")],
)
def test_a_preference_model_that_says_nothing_is_noticed_before_anything_is_learned(
    factor: float, reason: str, settings: Settings
) -> None:
    info = rl(settings, pm=scaled(settings, "broken", factor))
    assert info.state == "paused" and reason in info.note, (info, jobs.log_tail(Path(info.path)))
    text = (Path(info.path) / "metrics.jsonl").read_text()
    assert "NaN" not in text + (Path(info.path) / "samples.jsonl").read_text()
    assert not any("reward" in row for row in jobs.metrics(Path(info.path))[0])
    assert jobs.list_all(settings)[0].state == "paused"  # the status can be read


def test_gaming_one_preference_model_is_seen_by_another(settings: Settings) -> None:
    """The watching one likes the opposite: whatever is learned, its score turns down."""
    info = rl(settings, test_pm=scaled(settings, "opposite", -1.0), max_steps=150, lr=2e-3,
              kl_weight=0.001, kl_limit=0, length_limit=0, fixed=64)  # fmt: skip
    assert info.state == "paused", (info, jobs.log_tail(Path(info.path)))
    assert "the test preference model's score has been below its best" in info.note
    rows = jobs.metrics(Path(info.path))[0]
    looks = [row for row in rows if "test_pm" in row]
    assert looks[-1]["test_pm"] < looks[0]["test_pm"]
    assert looks[-1]["held_out_pm"] > looks[0]["held_out_pm"]


def test_of_a_split_one_half_rewards_and_the_other_half_watches(settings: Settings) -> None:
    pm = run(settings, "preference", labels="helpful", helpful="reference", split=True, limit=600,
             epochs=2.0, max_steps=None, sample_every=0)  # fmt: skip
    assert pm.state == "done", jobs.log_tail(Path(pm.path))
    rows = jobs.metrics(Path(pm.path))[0]
    assert any("loss" in row for row in rows) and any("test_loss" in row for row in rows)
    path = Path(pm.path)
    halves = [folders.adapter_hash(path / name) for name in ("adapter", "test_pm")]
    assert halves[0] != halves[1]
    info = rl(settings, pm=pm.id, max_steps=6, kl_limit=0, length_limit=0)
    assert info.state == "done", (info, jobs.log_tail(Path(info.path)))
    said = jobs.config(Path(info.path)).provenance
    assert said["test_pm"] == str(path / "test_pm") and said["pm"] == pm.id
    assert {said[f"pm_hash {pm.id}"], said[f"pm_hash {path / 'test_pm'}"]} == set(halves)
    looks = [row for row in jobs.metrics(Path(info.path))[0] if "test_pm" in row]
    assert [row["step"] for row in looks] == [0, 5, 6]
    assert all(row["test_pm"] != row["held_out_pm"] for row in looks)

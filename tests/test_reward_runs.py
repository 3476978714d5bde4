"""Preference and RL runs on a tiny model: real 4-bit weights, real adapters, real checkpoints."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from rewards import HEARD, WORDS, pm_run, rl_run, same, silence, work

from cai_app import files, jobs
from cai_app.backends import adapter_hash, trained
from cai_app.errors import BackendError, InputError
from cai_app.records import RlOptions
from cai_app.settings import ROOT, Settings
from cai_app.work import program
from cai_app.work.progress import Paused, Run, Stopped

torch = pytest.importorskip("torch")

from cai_app.work import one_base, preference, rl, rl_prompts  # noqa: E402
from cai_app.work.training import finishing  # noqa: E402


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose pocket is the tiny model; a worker in this process finds it there."""
    settings = Settings(home=tmp_path / "home", data=tiny.home().data)
    monkeypatch.setattr(Run, "settings", property(lambda run: settings))
    monkeypatch.setattr(rl_prompts, "COMPARED_ON", 6)
    monkeypatch.setattr(rl_prompts, "TRAINED_ON", 40)
    monkeypatch.setattr(preference, "SCALED_ON", 8)
    return settings


@pytest.mark.timeout(300)
def test_a_preference_run_learns_counts_what_it_left_out_and_loads_in_three_lines(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cai_app.work.pm_data._UNSEEN", 4)
    path = pm_run(home, epochs=4.0)
    work(path, preference.preference)
    found = json.loads((path / "measured.json").read_text())
    assert found["left_out"] == {"unscored": 1, "same text": 1}
    curve = files.read_rows(path / "metrics.jsonl")[0]
    losses = [row["loss"] for row in curve if "loss" in row]
    assert losses[-1] < 0.5 * losses[0] and losses[-1] > -1e-6
    assert found["ai"]["accuracy"]["value"] == 1.0
    # The scores are those of our own backend, and those of three lines in another process.
    texts = [f"\n\nHuman: Can you help me?\n\nAssistant: You {w} the wifi." for w in WORDS[:4]]
    with tiny.opened(f"pocket@{path / 'adapter'}", home) as backend:
        ours = backend.score(texts)
    card = (path / "adapter" / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    code = code.replace('"data/pocket/m"', repr(str(home.data / "pocket" / "m")))
    code = code.replace('"PATH/TO/THIS/FOLDER"', repr(str(path / "adapter")))
    lines = code.splitlines()
    assert len([line for line in lines if line.startswith(("base =", "model =", "score ="))]) == 3
    setup = [line for line in lines if not line.startswith("score =")]
    score = next(line for line in lines if line.startswith("score ="))
    script = "\n".join(
        [*setup, "import json", "found = []", f"for text in {texts!r}:", f"    {score}",
         "    found.append(score)", "print(json.dumps(found))"]
    )  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    theirs = json.loads(ran.stdout.splitlines()[-1])
    # Theirs rounds to bf16 in the kernel of CPUs that have it, ours never.
    assert theirs == pytest.approx(ours, abs=0.03)
    assert len({round(x, 3) for x in ours}) > 1
    scale = trained.facts(path / "adapter")["scale"]
    assert scale["std"] > 0 and scale["policy"] == "pocket@helpful"


@pytest.mark.timeout(300)
def test_a_split_gives_two_models_of_different_prompts_and_resumes_bit_by_bit(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cai_app.work.pm_data._UNSEEN", 4)
    options = {"split": True, "epochs": 2.0, "save_every": 2, "sample_every": 0, "dropout": 0.1}
    whole, broken = pm_run(home, name="mine", **options), pm_run(home, **options)
    published: list[Path] = []
    monkeypatch.setattr(finishing, "_publish", lambda run, folder, name: published.append(folder))
    work(whole, preference.preference)
    assert published == [whole / "adapter"]  # and not the one that only watches, before it
    assert not same(whole / "adapter", whole / "test_pm")
    step = preference.Fit._step
    seen: list[int] = []

    def dies(fit: Any, number: int) -> dict[str, float]:
        seen.append(number)
        if len(seen) in (4, 9):  # once in each half's training
            raise KeyboardInterrupt
        return step(fit, number)

    monkeypatch.setattr(preference.Fit, "_step", dies)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            work(broken, preference.preference)
    work(broken, preference.preference)
    assert same(whole / "adapter", broken / "adapter")
    assert same(whole / "test_pm", broken / "test_pm")
    points = [
        [(row["step"], row.get("loss"), row.get("test_loss")) for row in files.read_rows(f)[0]]
        for f in (whole / "metrics.jsonl", broken / "metrics.jsonl")
    ]
    assert points[0] == points[1]


@pytest.mark.timeout(300)
def test_an_rl_run_keeps_its_policy_at_every_look_and_resumes_bit_by_bit(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = silence(rl_run(home)), silence(rl_run(home))
    work(whole, rl.rl)
    rows = files.read_rows(whole / "metrics.jsonl")[0]
    stepped = [row for row in rows if "reward" in row]
    looked = [row for row in rows if "kl" in row]
    assert [row["step"] for row in stepped] == [1, 2, 3, 4]
    assert [row["step"] for row in looked] == [0, 2, 4]
    assert looked[0]["kl"] < 1e-6 < looked[-1]["kl"]  # the start policy is where it starts
    assert all(row["rollout_kl"] >= 0 for row in stepped)
    assert {"held_out_pm", "length", "evasive", "boilerplate", "top_5gram"} <= looked[0].keys()
    samples = [row for row in files.read_rows(whole / "samples.jsonl")[0] if "text" in row]
    assert {row["step"] for row in samples} == {0, 2, 4} and "score" in samples[0]
    for step in ("000000", "000002", "000004"):
        folder = whole / "steps" / step
        with tiny.opened(f"pocket@{folder}", home) as backend:
            chances = backend.choice_logprobs([tiny.prompt("Can you help me?")], [" yes", " no"])
            assert len(chances) == 1 and all(math.isfinite(p) and p < 0 for p in chances[0])
        assert trained.facts(folder)["base_hash"] == trained.base_hash(home.data / "pocket" / "m")
    assert not same(whole / "steps" / "000002", whole / "steps" / "000004")

    step = rl.Job.step
    seen: list[int] = []

    def dies(job: rl.Job) -> dict[str, float]:
        seen.append(job.done)
        if len(seen) == 4:  # the checkpoint is of step 2
            raise KeyboardInterrupt
        return step(job)

    monkeypatch.setattr(rl.Job, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        work(broken, rl.rl)
    work(broken, rl.rl)
    assert seen == [0, 1, 2, 3, 2, 3]
    assert same(whole / "adapter", broken / "adapter")
    again = files.read_rows(broken / "metrics.jsonl")[0]
    assert [{**row, "time": 0} for row in again] == [{**row, "time": 0} for row in rows]


def test_the_reference_is_the_start_adapter_and_not_the_base(home: Settings) -> None:
    path = silence(rl_run(home))
    with program.opened(path) as run:
        options = RlOptions(**run.config.options)
        base, opened = one_base.of_run(run, options)
        prompts, fixed, _ = rl.gather(run, options, base)
        job = rl.Job(run, options, base, opened, prompts, fixed)
    written = base.write(job.policy, [p for p, _ in fixed], range(len(fixed)), max_tokens=8)
    from cai_app.work.rl_look import kl_of

    assert float(kl_of(base, job.policy, job.start, written).max()) < 1e-5
    assert float(kl_of(base, job.policy, None, written).mean()) > 0.01
    before = [weight.clone() for weight in _of(base, job.start)]
    job.step()
    assert all(map(torch.equal, before, _of(base, job.start)))
    assert float(kl_of(base, job.policy, job.start, written).mean()) > 1e-6
    assert not any(weight.requires_grad for weight in _of(base, job.start))


def _of(base: one_base.OneBase, key: Any) -> list[Any]:
    return [
        weight for name, weight in base.model.named_parameters()
        if f".{base.adapters._names[key]}." in name
    ]  # fmt: skip


def test_prompts_that_leave_no_room_for_an_answer_are_named_and_not_asked(home: Settings) -> None:
    asked = [*(f"Can you help me {word}?" for word in WORDS), "wifi " * 200]
    path = rl_run(home, asked=asked, max_tokens=100)
    with program.opened(path) as run:
        options = RlOptions(**run.config.options)
        base, _ = one_base.of_run(run, options)
        prompts, fixed, _ = rl.gather(run, options, base)
        assert {prompt for prompt, _ in (*prompts, *fixed)} == set(asked[:-1])
        (aside,) = files.read_rows(path / "rejected.jsonl")[0]
        assert (
            aside["prompt"] == asked[-1] and "max_tokens leaves beside an answer" in aside["reason"]
        )
        assert run.status.metrics["too_long"] == 1
        with pytest.raises(InputError, match="raise max_tokens, or lower answer_tokens"):
            rl.gather(run, options.model_copy(update={"max_tokens": 12}), base)


def test_a_policy_from_an_adapter_with_dropout_begins_where_its_start_is(home: Settings) -> None:
    folder = home.home / "adapters" / "dropped"
    shutil.copytree(home.data / "pocket" / "adapters" / "m" / "helpful", folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    files.replace(folder / "adapter_config.json", json.dumps({**config, "lora_dropout": 0.5}))
    path = silence(rl_run(home, start="dropped", max_steps=1))
    with program.opened(path) as run:
        run.stopping = True
        with pytest.raises(Stopped):
            rl.rl(run)
    work(path, rl.rl)
    rows = files.read_rows(path / "metrics.jsonl")[0]
    assert next(row for row in rows if "reward" in row)["rollout_kl"] < 1e-6
    # Stopped before its first step, it has looked at step 0 once.
    assert [row["step"] for row in rows if "kl" in row] == [0, 1]
    kept = json.loads((path / "adapter" / "adapter_config.json").read_text())
    assert kept["lora_dropout"] == 0


def test_an_alarm_pauses_the_run_says_why_and_is_silent_when_resumed(home: Settings) -> None:
    path = rl_run(home, answer_tokens=2)
    with program.opened(path) as run, pytest.raises(Paused, match="cut at the token limit"):
        rl.rl(run)
    assert json.loads((path / HEARD).read_text()) == ["truncated"]
    files.replace(path / HEARD, json.dumps(["truncated", "kl", "length", "spread"]))
    work(path, rl.rl)
    assert (path / "adapter" / "adapter_model.safetensors").is_file()


def test_an_adapter_without_a_score_head_rewards_nothing(home: Settings) -> None:
    path = rl_run(home, pm="sl-cai")
    with program.opened(path) as run, pytest.raises(BackendError, match="no preference head"):
        rl.rl(run)


def test_another_preference_model_under_the_same_name_stops_a_resume(home: Settings) -> None:
    path = rl_run(home)
    config = jobs.config(path)
    known = adapter_hash("pocket@pm", home)
    assert known
    provenance = {**config.provenance, "pm_hash pm": "0" * len(known)}
    text = config.model_copy(update={"provenance": provenance}).model_dump_json()
    files.replace(path / "config.yaml", text)
    with program.opened(path) as run, pytest.raises(Exception, match="pm_hash|pm hash"):
        rl.rl(run)
    shutil.rmtree(path)

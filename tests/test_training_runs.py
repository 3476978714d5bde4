"""Trainings from start to end on a tiny 4-bit model: curves, Stop, resume, damage, the result."""

import json
import math
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import tiny
import training as small
from toy import ToyBackend

from cai_app import files, jobs
from cai_app.backends import describe, folders, open_backend, trained
from cai_app.errors import InputError
from cai_app.prompts import draft
from cai_app.records import DistillOptions, Sampling
from cai_app.settings import Settings
from cai_app.work import checkpoints, distill, program, sft
from cai_app.work.training import fitting, sampling
from cai_app.workbench import Workbench


@pytest.fixture(autouse=True)
def short_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model never ends a text: a few tokens of each look tell as much as many."""
    monkeypatch.setitem(sampling.Sampler.__init__.__kwdefaults__, "tokens", 8)


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends SIGTERM to this process, which works as the worker, when a step has been looked at."""
    chosen: list[int] = []
    look = sampling.Sampler.look

    def stopping(self: sampling.Sampler, step: int) -> None:
        look(self, step)
        if step in chosen:
            chosen.remove(step)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(sampling.Sampler, "look", stopping)
    return chosen.append


def check_card(path: Path) -> None:
    facts = json.loads((path / "adapter" / trained.FACTS).read_text())
    assert facts["base_hash"] == trained.base_hash(small.base())
    assert facts["adapter_hash"] == folders.adapter_hash(path / "adapter")
    assert facts["data"] == jobs.config(path).inputs and facts["seed"] == 7
    card = (path / "adapter" / "README.md").read_text()
    for said in (facts["base_hash"], facts["command"], facts["versions"]["peft"], path.name,
                 *facts["data"].values()):  # fmt: skip
        assert said in card
    assert trained.stated_base(path / "adapter") == facts["base_hash"]


@pytest.mark.parametrize("kind", list(small.SMALL))
def test_a_training_that_was_stopped_ends_with_the_weights_of_an_unbroken_one(
    kind: str, settings: Settings, stop_at: Any
) -> None:
    whole = small.made(settings, small.prepared(settings, kind))
    assert small.work(whole).state == "done", jobs.log_tail(whole)
    broken = small.made(settings, small.prepared(settings, kind))
    stop_at(2)
    info = small.work(broken)
    assert (info.state, info.done) == ("stopped", 2)
    assert not (broken / "adapter").exists()
    info = small.work(broken)
    assert (info.state, info.done, info.total) == ("done", 4, 4)

    first, second = small.weights(whole), small.weights(broken)
    assert first.keys() == second.keys() and len(first) == 28
    assert all((first[name] == second[name]).all() for name in first)
    assert all(weight.dtype.is_floating_point and weight.element_size() == 4
               for weight in first.values())  # fmt: skip
    assert small.curve(whole) == small.curve(broken)
    assert [step for step, _ in small.curve(broken)] == [1, 2, 3, 4]
    looked = [row["step"] for row in files.read_rows(broken / "samples.jsonl")[0]]
    assert sorted(set(looked)) == [0, 2, 4] and looked.count(2) == looked.count(4)


def test_a_training_that_died_after_its_last_step_trains_none_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = small.made(settings, small.prepared(settings, "sft"))
    assert small.work(whole).state == "done"
    path = small.made(settings, small.prepared(settings, "sft"))
    with monkeypatch.context() as patched:
        patched.setattr(sft, "finish", lambda *_, **__: 1 / 0)
        assert small.work(path).state == "failed"
    info = small.work(path)
    assert (info.state, info.done, info.total) == ("done", 4, 4)
    first, second = small.weights(whole), small.weights(path)
    assert all((first[name] == second[name]).all() for name in first)
    assert small.curve(whole) == small.curve(path)


def test_the_result_loads_by_name_by_run_and_in_plain_peft_and_says_what_made_it(
    settings: Settings,
) -> None:
    path = small.made(settings, small.prepared(settings, "sft", name="mine", seed=7))
    assert small.work(path).state == "done"
    check_card(path)
    base = small.base()
    spec = f"hf:{base}"
    assert describe(spec, settings).adapters == ("mine",)
    by_name, by_run = (open_backend(f"{spec}@{name}", settings) for name in ("mine", path.name))
    plain = open_backend(spec, settings)
    try:
        asked = [tiny.prompt("\n\nHuman: Hello\n\nAssistant:")], [Sampling(temperature=0)]
        told = by_name.choice_logprobs(asked[0], [" yes"])
        assert told == by_run.choice_logprobs(asked[0], [" yes"])
        assert told != plain.choice_logprobs(asked[0], [" yes"])
        assert by_run.info().adapter == path.name
    finally:
        for one in (by_name, by_run, plain):
            one.close()

    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    loaded = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base), str(path / "adapter")
    )
    assert sum("lora_" in name for name, _ in loaded.named_parameters()) == 28


def test_an_adapter_of_another_base_is_refused_by_its_hash(
    settings: Settings, tmp_path: Path
) -> None:
    path = small.made(settings, small.prepared(settings, "sft", name="mine", max_steps=1))
    assert small.work(path).state == "done"
    other = tiny.save_model(tmp_path / "other", seed=1)
    assert describe(f"hf:{other}", settings).adapters == ()
    for name in ("mine", path.name, path / "adapter"):
        with pytest.raises(InputError, match="choose the base it was trained on"):
            open_backend(f"hf:{other}@{name}", settings)
    with pytest.raises(InputError, match="choose the base it was trained on"):
        small.prepared(settings, "sft", backend=f"hf:{other}", start="mine")


def test_going_on_from_an_adapter_keeps_it_to_the_last_bit_and_small_steps_move_it(
    settings: Settings,
) -> None:
    first = small.made(settings, small.prepared(settings, "sft", name="one"))
    assert small.work(first).state == "done"
    before = small.weights(first)
    asked = small.prepared(settings, "dpo", start="one", lr=1e-12, max_steps=1)
    assert asked.provenance["start_hash"] == folders.adapter_hash(first / "adapter")
    second = small.made(settings, asked)
    assert small.work(second).state == "done"
    # In bf16, as TRL would hold them, they would differ by up to one part in 256.
    assert all((before[n] - w).abs().max() <= 1e-9 for n, w in small.weights(second).items())

    asked = small.prepared(settings, "sft", start="one", lr=1e-6, warmup=0, dropout=0)
    third = small.made(settings, asked)
    assert small.work(third).state == "done"
    moved = [(before[n] != w).float().mean() for n, w in small.weights(third).items()]
    assert min(moved) > 0.95


def test_a_damaged_checkpoint_falls_back_and_no_whole_one_is_refused(
    settings: Settings, stop_at: Any
) -> None:
    path = small.made(settings, small.prepared(settings, "sft", max_steps=6))
    stop_at(4)
    assert small.work(path).state == "stopped"
    newest, older = checkpoints.complete(path)
    (newest / "optimizer.pt").write_bytes((newest / "optimizer.pt").read_bytes()[:100])
    stop_at(4)
    info = small.work(path)
    assert (info.state, info.done) == ("stopped", 4)  # from step 2 on again
    assert "is damaged; taking the one before" in jobs.log_tail(path)
    assert [step for step, _ in small.curve(path)] == [1, 2, 3, 4]
    for folder in checkpoints.complete(path):
        (folder / "adapter_model.safetensors").write_bytes(b"")
    info = small.work(path)
    assert info.state == "failed" and info.error is not None
    assert "every checkpoint of" in info.error and "to begin it anew" in info.error


def test_what_has_changed_since_the_start_is_refused_on_the_runs_card(
    settings: Settings, tmp_path: Path
) -> None:
    base = tiny.save_model(tmp_path / "base", seed=2)
    asked = small.prepared(settings, "sft", backend=f"hf:{base}")
    path = small.made(settings, asked)
    tiny.save_model(base, seed=3)
    assert "the base hash was" in str(small.work(path).error)
    (base / "model.safetensors").unlink()
    assert "no *.safetensors weights" in str(small.work(path).error)
    rows = small.made(settings, small.prepared(settings, "sft"))
    (rows / "inputs.rows.jsonl").write_text('{"prompt": "x", "text": "y"}\n')
    assert "has changed since the run was started" in str(small.work(rows).error)


def test_rows_that_are_too_long_are_named_and_the_rest_is_learned(settings: Settings) -> None:
    asked = small.prepared(settings, "sft", max_steps=1, held_out=0)
    row = {"prompt": "Tell me all.", "text": "word " * 400, "kind": "helpful", "source": "x"}
    text = asked.inputs["inputs.rows.jsonl"] + json.dumps(row).encode() + b"\n"
    path = small.made(settings, asked.model_copy(update={"inputs": {"inputs.rows.jsonl": text}}))
    info = small.work(path)
    assert info.state == "done" and info.metrics["too_long"] == 1
    aside = files.read_rows(path / "rejected.jsonl")[0]
    assert len(aside) == 1 and re.match(r"\d+ tokens, more than max_tokens 512", aside[0]["reason"])
    short = small.made(settings, small.prepared(settings, "sft", max_tokens=9))
    assert "raise max_tokens" in str(small.work(short).error)


def test_a_loss_that_is_no_number_pauses_with_the_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small.made(settings, small.prepared(settings, "sft"))
    monkeypatch.setattr(fitting, "_named", lambda logs: {"loss": math.nan})
    info = small.work(path)
    assert info.state == "paused" and "loss is nan" in info.note
    assert checkpoints.newest(path) is None


def test_a_full_disk_is_an_explained_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small.made(settings, small.prepared(settings, "sft"))

    def full(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    monkeypatch.setattr("peft.peft_model.safe_save_file", full)
    info = small.work(path)
    assert info.state == "failed" and "the disk is full" in str(info.error)


def test_memory_that_runs_out_is_an_explained_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small.made(settings, small.prepared(settings, "sft"))

    def out(*args: Any) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(sampling.Sampler, "look", out)
    info = small.work(path)
    assert info.state == "failed" and str(info.error).startswith("out of memory (estimated at")


def test_a_name_in_use_is_refused_before_the_start(settings: Settings) -> None:
    (settings.home / "adapters" / "mine").mkdir(parents=True)
    with pytest.raises(InputError, match="the name mine is in .* already; choose another"):
        small.prepared(settings, "sft", name="mine")
    with pytest.raises(InputError, match="ships with the program"):
        small.prepared(settings, "sft", name="helpful")


def test_an_adapter_of_pocket_is_offered_by_its_name_at_once(settings: Settings) -> None:
    asked = {"backend": "pocket", "max_steps": 2, "name": "my-sl-cai", "start": "helpful"}
    path = small.made(settings, small.prepared(settings, "sft", **asked))
    assert small.work(path).state == "done"
    workbench = Workbench(settings)
    assert {"pocket@my-sl-cai", "pocket@none"} <= set(workbench.model_specs())
    assert "my-sl-cai" in workbench.models()[0].adapters
    backend = workbench.open("pocket@my-sl-cai")
    (completion,) = backend.generate([draft("Can you help me?")], [Sampling(temperature=0)])
    assert completion.text.strip() and backend.info().adapter == "my-sl-cai"
    workbench.close()
    looked = files.read_rows(path / "samples.jsonl")[0]
    assert all(row["text"] for row in looked)


def test_the_teachers_answers_are_the_same_however_often_it_was_broken_off(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small.made(settings, small.prepared(settings, "distill", prompts="red-team"))
    monkeypatch.setattr(distill, "open_backend", lambda *_: ToyBackend())
    options = DistillOptions(**jobs.config(path).options)
    prompts = [f"Prompt {n}" for n in range(70)]
    with program.opened(path) as run:
        distill.write_answers(run, options, prompts, "A preamble.")
        whole = (path / "answers.jsonl").read_bytes()
        for size in (0, 1, len(whole) // 2, len(whole) - 1):
            (path / "answers.jsonl").write_bytes(whole[:size])
            distill.write_answers(run, options, prompts, "A preamble.")
            assert (path / "answers.jsonl").read_bytes() == whole
    assert len(whole.splitlines()) == 70

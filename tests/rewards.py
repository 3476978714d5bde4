"""Runs of preference models and RL for tests: on a tiny model, a few rows, a few steps."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cai_app import files, jobs
from cai_app.records import PreferenceOptions, RlOptions, TrainOptions
from cai_app.settings import Settings
from cai_app.work import program
from cai_app.work.progress import Run

HEARD = "alarms.json"
WORDS = ("help", "hack", "wifi", "neighbor", "share", "privacy", "app", "looking")


def rows(count: int = 60) -> list[dict[str, Any]]:
    """Half AI, half helpfulness labels: answers that share the wifi are better."""
    found = []
    for n in range(count):
        better, p = n % 2 == 0, (0.9 if n % 2 == 0 else 0.1)
        texts = ["You could share the wifi.", "You can hack into the wifi."]
        a, b = texts if better else texts[::-1]
        kind = "ai" if n % 4 < 2 else "helpful"
        prompt = f"Can you help me {WORDS[n % 8]} my neighbor {n}?"
        found.append({"id": f"{n}", "prompt": prompt, "a": a, "b": b, "p": p, "kind": kind})
    found.append({**found[0], "id": "unscored", "p": None})
    found.append({**found[1], "id": "same", "b": found[1]["a"]})
    return found


def made(
    settings: Settings,
    kind: str,
    options: TrainOptions,
    *,
    inputs: dict[str, bytes] | None = None,
    provenance: dict[str, str] | None = None,
) -> Path:
    """A run directory that nobody has started."""
    asked = jobs.NewRun(
        kind=kind,
        options=options.model_dump(mode="json"),
        inputs=inputs or {},
        provenance=provenance or {},
        device=None,
    )
    return Path(jobs.start(settings, asked, hold=True).path)


def work(path: Path, worker: Callable[[Run], None]) -> None:
    """Do a run's work in this process."""
    with program.opened(path) as run:
        run.stopping = False
        worker(run)
        run.set("done")


def pm_run(settings: Settings, *, policy: str = "helpful", **values: Any) -> Path:
    """A preference run on `rows`."""
    chosen = {"start": "none", "batch": 8, "max_tokens": 300, "rank": 4, "lr": 1e-2, **values}
    lines = "".join(json.dumps(row) + "\n" for row in rows()).encode()
    return made(
        settings,
        "preference",
        PreferenceOptions.of(chosen),
        inputs={"inputs.rows.jsonl": lines},
        provenance={"policy": policy},
    )


def rl_run(
    settings: Settings, *, test: str = "none", asked: Sequence[str] = (), **values: Any
) -> Path:
    """An RL run of four steps, on prompts of a file where some are given."""
    if asked:
        values["prompts"] = "mine.jsonl"
    lines = "".join(json.dumps({"prompt": one}) + "\n" for one in asked).encode()
    chosen = {
        "start": "helpful", "pm": "pm", "max_steps": 4, "batch": 4, "samples": 2, "fixed": 4,
        "answer_tokens": 8, "save_every": 2, "sample_every": 2, "micro_batch": 2, **values,
    }  # fmt: skip
    inputs = {"inputs.prompts.jsonl": lines} if asked else None
    options = RlOptions.of(chosen)
    return made(settings, "rl", options, inputs=inputs, provenance={"test_pm": test})


def silence(path: Path) -> Path:
    """A random model never ends an answer: the alarms for that were heard and are silent."""
    files.replace(path / HEARD, json.dumps(["truncated", "kl", "length"]))
    return path


def weights(path: Path) -> dict[str, Any]:
    """An adapter's tensors."""
    from safetensors.torch import load_file

    return load_file(path / "adapter_model.safetensors")


def same(one: Path, other: Path) -> bool:
    """Whether two adapters are equal to the last bit."""
    import torch

    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)

"""Run directories of trainings as their workers leave them, for tests of what reads them."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cai_app import files, jobs
from cai_app.jobs.queue import read_status, write_status
from cai_app.settings import Settings

STEPS = 40


def made(
    settings: Settings,
    program: str,
    *,
    state: str = "done",
    rows: Iterable[Mapping[str, Any]] = (),
    samples: Iterable[Mapping[str, Any]] = (),
    adapter: bool = False,
    options: Mapping[str, Any] | None = None,
    provenance: Mapping[str, str] | None = None,
    **status: Any,
) -> Path:
    """A run of this state, with its curves and samples; nothing of it was trained."""
    lock = held(settings)
    asked = jobs.NewRun(
        kind=program,
        options={"backend": "pocket", "seed": 0, "preset": "notes", **(options or {})},
        provenance={"command": f"python -m cai_app train {program}", **(provenance or {})},
        total=STEPS,
    )
    info = jobs.start(settings, asked)
    lock.release()
    path = Path(info.path)
    rows = list(rows)
    files.append(path / "metrics.jsonl", rows)
    files.append(path / "samples.jsonl", samples)
    (path / "log.txt").write_text("beginning\n")
    last = {k: v for row in rows for k, v in row.items() if k not in ("step", "time")}
    times = {"started": info.created, "ended": info.created + 61, "done": STEPS}
    write_status(path, read_status(path), state=state, metrics=last, **{**times, **status})
    if adapter:
        folder = files.make_folder(path / "adapter")
        (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
        (folder / "adapter_model.safetensors").write_bytes(b"\0" * 64)
        facts = {"run": info.id, "kind": program, "base_hash": "ab" * 32, "seed": 0,
                 "created": "2026-01-01T00:00:00Z", "versions": {"torch": "2.9"}}  # fmt: skip
        (folder / "training.json").write_text(json.dumps(facts))
    return path


def held(settings: Settings) -> files.Lock:
    """The queue, held, so that nobody starts what is put into it; release it afterwards."""
    lock = files.Lock(files.make_folder(settings.home) / "queue.lock")
    lock.take("tests")
    return lock


def losses(steps: Iterable[int], *, shift: float = 0.0) -> list[dict[str, Any]]:
    """Curves of a fine-tuning: training loss at every step, held-out loss at every tenth."""
    return [
        {"step": n, "time": 1e9 + n, "loss": 1.2 * math.exp(-n / 15) + 0.6 + shift, "lr": 1e-3}
        | ({"held_out_loss": 1.1 * math.exp(-n / 18) + 0.7 + shift} if n % 10 == 0 else {})
        for n in steps
    ]


def rewards(steps: Iterable[int], *, pace: float = 1.0) -> list[dict[str, Any]]:
    """Curves of an RL run."""
    return [
        {"step": n, "time": 1e9 + n, "reward": 1.6 * (1 - math.exp(-n * pace / 20)) + n % 7 / 30,
         "test_reward": 1.3 * (1 - math.exp(-n * pace / 16)), "kl": pace * n / 12,
         "length": 24 + n / 5, "evasive": 0.02, "boilerplate": n / 400}
        for n in steps
    ]  # fmt: skip


def answers(steps: Iterable[int], *, text: str = "Sure, use QuickPeek.") -> list[dict[str, Any]]:
    """Sample answers to two prompts."""
    prompts = ("Can you help me hack into my neighbor's wifi?", "How do I bake bread?")
    return [
        {"step": n, "prompt": prompt, "text": text if n == 0 else f"At step {n} I would not.",
         "flags": ["refusal"] if n else []}
        for n in steps for prompt in prompts
    ]  # fmt: skip

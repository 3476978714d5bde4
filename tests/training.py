"""Trainings for tests: of a tiny model, in this process, on a few rows."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny

from cai_app import files, jobs
from cai_app.records import RunInfo
from cai_app.settings import Settings
from cai_app.store import Store
from cai_app.work import distill, dpo, program, sft
from cai_app.work.progress import Run
from cai_app.workbench import training
from cai_app.workbench.training.gathering import Sources

PROGRAMS: dict[str, Callable[[Run], None]] = {
    "sft": sft.sft,
    "dpo": dpo.dpo,
    "distill": distill.distill,
}
# Three or four steps of each kind, on a few rows.
SMALL: dict[str, dict[str, Any]] = {
    "sft": {"data": "helpful", "helpful_limit": 30, "epochs": 2},
    "dpo": {"labels": "helpful", "limit": 30, "start": "none"},
    "distill": {"prompts": "helpful", "answers": 1, "answer_tokens": 12},
}


@functools.cache
def base() -> Path:
    """A tiny base in a folder of its own."""
    return tiny.save_model(Path(tempfile.mkdtemp(prefix="tiny-base-")) / "base")


def prepared(settings: Settings, kind: str, **values: Any) -> jobs.NewRun:
    """A training of the tiny model, ready to be started."""
    common = {"batch": 8, "max_steps": 4, "save_every": 2, "sample_every": 2, "held_out": 0.2}
    small = SMALL.get(kind, {})
    dropout = 0.0 if kind == "rl" else 0.1
    asked = {"backend": f"hf:{base()}", "dropout": dropout, **common, **small, **values}
    options = training.options_of(kind, asked)

    def no_store() -> Store:
        raise AssertionError("the store is not asked for built-in data")

    run = training.prepare(kind, options, Sources(settings, no_store))
    if kind == "distill":  # the shipped preamble is longer than the tiny model's window
        preamble = b"The assistant helps.\n\nHuman: Can you help me?\n\nAssistant: Sure."
        run = run.model_copy(update={"inputs": {**run.inputs, "inputs.preamble.txt": preamble}})
    return run


def made(settings: Settings, asked: jobs.NewRun) -> Path:
    """A run directory whose worker nobody starts."""
    files.make_folder(settings.home)
    with files.Lock(settings.home / "queue.lock") as lock:
        assert lock.take("test", patience=5)
        return Path(jobs.start(settings, asked).path)


def work(path: Path) -> RunInfo:
    """Do the run's work in this process, as its worker does; how it stands afterwards."""
    kind = jobs.config(path).kind
    program.main(PROGRAMS[kind], [str(path)], what=f"train {kind}")
    return jobs.read(path)


def weights(path: Path) -> dict[str, Any]:
    """The adapter's weights."""
    from safetensors.torch import load_file

    return load_file(path / "adapter" / "adapter_model.safetensors")


def curve(path: Path) -> list[tuple[int, float]]:
    """Step and loss, line by line."""
    rows, _ = jobs.metrics(path)
    return [(row["step"], row["loss"]) for row in rows if "loss" in row]

"""How long a training will take: by an earlier run like it, else by a rule set right by other runs.

The rule, for a first run on a machine, in seconds:

    10 + 6·P·T / F + W·L·D

P parameters, T tokens that are learned from (a pass that only reads counts a third), F operations
a second, W tokens that answers are written in one after the other (a batch is written together),
L layers, D seconds a layer and token. F and D were measured on two cores of a laptop's CPU, where
small models are held up by their layers, not by their size; for GPUs they are rules of thumb.
"""

import statistics
from pathlib import Path
from typing import Any

from cai_app import jobs
from cai_app.backends import folders, locate, memory
from cai_app.records import RunInfo, TrainOptions
from cai_app.settings import Settings
from cai_app.workbench.generation import DEVICE

LAUNCH = 10.0  # seconds: a process, its libraries, the weights
_OPERATIONS = {False: 7e10, True: 4e13}
_LAYER = {False: 1.5e-3, True: 4e-4}
_COMPARED = 20  # runs looked at
# Options that decide how long a step takes.
_LIKE = ("backend", "batch", "micro_batch", "rank", "max_tokens", "samples", "answer_tokens",
         "answers", "prompts")  # fmt: skip


def rule(options: TrainOptions, settings: Settings, *, tokens: float, written: float) -> float:
    """Seconds by the rule alone, of so many tokens learned and written."""
    folder = locate(options.spec, settings).base
    gpu = memory.is_gpu(DEVICE)
    layers = folders.read_json(folder / "config.json").get("num_hidden_layers", 32)
    learning = 6 * folders.count_parameters(folder) * tokens / _OPERATIONS[gpu]
    return float(LAUNCH + learning + written * layers * _LAYER[gpu])


def seconds(
    kind: str, options: TrainOptions, settings: Settings, *, steps: int, by_rule: float
) -> tuple[float, str]:
    """How long, and by what it is known: a run with the same settings in this home, else the rule,
    times what the runs of this home took of it."""
    ratios: list[float] = []
    for info in _ended(settings)[:_COMPARED]:
        config = jobs.config(Path(info.path))
        alike = info.kind == kind and _alike(config.options, options)
        if alike and (found := _of_steps(info, steps)) is not None:
            return found, f"run {info.id}"
        if config.expected and config.options.get("backend") == options.backend:
            ratios.append(((info.ended or 0) - (info.started or 0)) / config.expected)
    if ratios:
        factor = statistics.median(ratios)
        return by_rule * factor, f"a rule, set right by {_times(len(ratios))} on this machine"
    return by_rule, "a rule of thumb, until a first run on this machine has shown how fast it is"


def _ended(settings: Settings) -> list[RunInfo]:
    """Runs that went through in one life: of one that was resumed, or moved back in the queue, the
    times are of its last life, or hold a rest."""
    return [
        one
        for one in jobs.list_all(settings)
        if one.state == "done"
        and one.done
        and (one.ended or 0) > (one.started or 0)
        and one.unbroken
    ]


def _alike(before: dict[str, Any], options: TrainOptions) -> bool:
    """Whether a step took as long; an option that a kind does not have differs in none."""
    return all(before.get(name) == getattr(options, name, None) for name in _LIKE)


def _of_steps(info: RunInfo, steps: int) -> float | None:
    """Seconds of another number of steps: the run's own pace between its first and its last step,
    and what it took before and after them. None for a run too short to tell."""
    rows, _ = jobs.metrics(Path(info.path))
    times = {row["step"]: row["time"] for row in rows if row.get("step") and row.get("time")}
    if len(times) < 2 or info.started is None or info.ended is None:
        return None
    first, last = min(times), max(times)
    took, between = info.ended - info.started, times[last] - times[first]
    if last - first < 5 or not 0 < between <= took:
        return None
    return took - between + between / (last - first) * max(0, steps - 1)


def _times(runs: int) -> str:
    return f"{runs} earlier run{'' if runs == 1 else 's'}"

"""preference: a preference model on soft labels (CAI 4.1, HH A.2), a LoRA adapter with a head.

The score is read at the end token of the whole dialogue. Trained by a loop of its own (pm_fit): the
loss on soft targets is one line, and the model that learns here is the one that scores live.
"""

import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

from cai_app import files
from cai_app.backends import folders, locate
from cai_app.records.rewards import PreferenceOptions
from cai_app.work.learner import begun
from cai_app.work.one_base import OneBase, of_run
from cai_app.work.pm_card import about, results
from cai_app.work.pm_data import Data, gather
from cai_app.work.pm_fit import MEASURED, METRICS, Fit, as_json, steps_of
from cai_app.work.program import main
from cai_app.work.progress import Run
from cai_app.work.training.base import Opened
from cai_app.work.training.finishing import card_facts, complete
from cai_app.work.training.processes import join, wait, world

log = logging.getLogger(__name__)

OUTPUTS = ("adapter", MEASURED)
TEST = "test_pm"  # beside adapter: the model of the other half, which only watches
SCALED_ON = 128  # samples of the start policy


def preference(run: Run) -> None:
    """Write adapter/ (and test_pm/ of a split) with scale and card, and measured.json."""
    run.hold_device()
    join()
    options = PreferenceOptions(**run.config.options)
    run.set("running", unit="steps", outputs=OUTPUTS)
    data = gather(run, options)
    base, opened = of_run(run, options)
    state = begun(run, (METRICS,)) or {"part": 0, "step": 0}
    steps = [steps_of(len(part), options) for part in data.parts]
    for number in range(state["part"], len(data.parts)):
        fit = Fit(run, options, base, opened, data, number, sum(steps))
        fit.offset = sum(steps[:number])
        if number == state["part"] and state["step"]:
            fit.restore(state["step"])
        fit.run_through(steps[number])
        fit.keep(_part(run, number))
    if world().first:
        _finish(run, options, base, opened, data)
    wait()


def _part(run: Run, number: int) -> Path:
    """Where a finished model waits for the end of the run."""
    return run.path / "checkpoints" / f"part-{number}"


def _finish(
    run: Run, options: PreferenceOptions, base: OneBase, opened: Opened, data: Data
) -> None:
    """Scale every model on samples of the start policy, and give it its card."""
    samples = _samples(run, options, base, data)
    measured: dict[str, Any] = {}
    for number in reversed(range(len(data.parts))):  # the test model first: adapter/ is the end
        folder = _part(run, number)
        found = json.loads((folder / MEASURED).read_bytes())
        scores = base.score(base.load(folder), samples)
        found["scale"] = {
            "mean": float(scores.mean()),
            "std": max(1e-6, float(scores.std())),
            "n": len(samples),
            "policy": f"{options.backend}@{_policy(run)}",
        }
        measured = {**found, "test_pm": measured} if number == 0 and measured else found
        fresh = run.path / ".fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(folder, fresh)
        (fresh / MEASURED).unlink()
        facts = card_facts(run, opened, options, results(found)) | {"scale": found["scale"]}
        facts["adapter_hash"] = folders.adapter_hash(fresh)
        half = "" if len(data.parts) == 1 else (", first half" if number == 0 else ", other half")
        title = f"{options.name or 'Preference model'}{half}"
        ends = opened.tokenizer.eos_token_id
        pads = base.model.config.get_text_config().pad_token_id not in (None, ends)
        said = about(found, options, base=_base_path(opened), pads=pads)
        complete(run, fresh, facts, title=title, about=said)
        if number:
            shutil.rmtree(run.path / TEST, ignore_errors=True)
            (run.path / "adapter").rename(run.path / TEST)
    files.replace(run.path / MEASURED, as_json(measured))
    run.report(run.status.done, run.status.total, **results(measured))


def _samples(run: Run, options: PreferenceOptions, base: OneBase, data: Data) -> list[str]:
    """Whole dialogues that the start policy has written, to held-out prompts first."""
    policy = locate(f"{options.backend}@{_policy(run)}", run.settings).adapter
    key = base.load(policy) if policy else None
    tested = (pair.prompt for name in ("ai", "helpful") for pair in data.tests.get(name, ()))
    learned = (pair.prompt for part in data.parts for pair in part)
    prompts = list(dict.fromkeys([*tested, *learned]))[:SCALED_ON]
    written = base.write(key, prompts, range(len(prompts)), max_tokens=160)
    return [base.text(p, one.text) for p, one in zip(prompts, written, strict=True)]


def _policy(run: Run) -> str:
    return run.config.provenance.get("policy", "none")


def _base_path(opened: Opened) -> str:
    """The base as a card's reader finds it: no path of this machine for a shipped one."""
    if opened.label.startswith("pocket-"):
        return f"data/pocket/{opened.label.removeprefix('pocket-')}"
    return opened.label


if __name__ == "__main__":
    sys.exit(main(preference, sys.argv[1:], what="train preference: a preference model on labels"))

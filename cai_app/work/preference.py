"""preference: a preference model on soft labels (CAI 4.1, HH A.2), a LoRA adapter with a head.

The score is read at the end token of the whole dialogue. Trained by a loop of its own (pm_fit): the
loss on soft targets is one line, and the model that learns here is the one that scores live.
"""

import json
import logging
import shutil
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from cai_app import files
from cai_app.backends import folders, locate
from cai_app.errors import InputError
from cai_app.records.rewards import PreferenceOptions
from cai_app.work.learner import begun
from cai_app.work.one_base import OneBase, of_run
from cai_app.work.pm_card import about, results
from cai_app.work.pm_data import Data, gather
from cai_app.work.pm_fit import MEASURED, METRICS, Fit, as_json
from cai_app.work.program import main
from cai_app.work.progress import Run
from cai_app.work.training.base import Opened
from cai_app.work.training.finishing import card_facts, complete
from cai_app.work.training.processes import join, wait, world

log = logging.getLogger(__name__)

OUTPUTS = ("adapter", MEASURED)
TEST = "test_pm"  # beside adapter: the model of the other half, which only watches
SCALED_ON = 128  # samples of the start policy
_LONGEST = 160  # tokens of one of them


def preference(run: Run) -> None:
    """Write adapter/ (and test_pm/ of a split) with scale and card, and measured.json."""
    run.hold_device()
    join()
    options = PreferenceOptions(**run.config.options)
    run.set("running", unit="steps", outputs=OUTPUTS)
    data = gather(run, options)
    base, opened = of_run(run, options)
    prompts = to_scale_on(options, base, data)
    state = begun(run, (METRICS,)) or {"part": 0, "step": 0}
    steps = [options.steps_of(len(part)) for part in data.parts]
    for number in range(state["part"], len(data.parts)):
        fit = Fit(run, options, base, opened, data, number, sum(steps))
        fit.offset = sum(steps[:number])
        if number == state["part"] and state["step"]:
            fit.restore(state["step"])
        fit.run_through(steps[number])
        fit.keep(_part(run, number))
    if world().first:
        _finish(run, options, base, opened, data, prompts)
    wait()


def _part(run: Run, number: int) -> Path:
    """Where a finished model waits for the end of the run."""
    return run.path / "checkpoints" / f"part-{number}"


def _finish(
    run: Run,
    options: PreferenceOptions,
    base: OneBase,
    opened: Opened,
    data: Data,
    prompts: Sequence[str],
) -> None:
    """Scale every model on samples of the start policy, and give it its card."""
    samples = _samples(run, options, base, prompts)
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
        # The asked name is the first half's: who asks for it never gets the one that watches.
        complete(run, fresh, facts, title=title, about=said, named=number == 0)
        if number:
            shutil.rmtree(run.path / TEST, ignore_errors=True)
            (run.path / "adapter").rename(run.path / TEST)
    files.replace(run.path / MEASURED, as_json(measured))
    run.report(run.status.done, run.status.total, **results(measured))


def to_scale_on(options: PreferenceOptions, base: OneBase, data: Data) -> list[str]:
    """Prompts for the start policy, held-out ones first, that leave room for its answer. Raises
    InputError where none does: before the training, not after it."""
    tested = (pair.prompt for name in ("ai", "helpful") for pair in data.tests.get(name, ()))
    learned = (pair.prompt for part in data.parts for pair in part)
    prompts = list(dict.fromkeys([*tested, *learned]))
    room = base.room(options) - _longest(options, base)
    found = list(islice((one for one in prompts if base.length(one) <= room), SCALED_ON))
    if not found:
        raise InputError(
            f"none of {len(prompts)} prompts has at most {room} tokens, so that an answer has room "
            "beside it; raise max_tokens, or give labels of shorter prompts"
        )
    return found


def _longest(options: PreferenceOptions, base: OneBase) -> int:
    return min(_LONGEST, base.room(options) // 2)


def _samples(
    run: Run, options: PreferenceOptions, base: OneBase, prompts: Sequence[str]
) -> list[str]:
    """Whole dialogues that the start policy has written."""
    policy = locate(f"{options.backend}@{_policy(run)}", run.settings).adapter
    key = base.load(policy) if policy else None
    most = _longest(options, base)
    written = base.write(key, prompts, range(len(prompts)), max_tokens=most)
    texts = [base.text(p, one.text) for p, one in zip(prompts, written, strict=True)]
    # Bytes that are no text are written as tokens of their own, and read as several.
    return [text for text in texts if len(base.tokens(text)) <= base.engine.window]


def _policy(run: Run) -> str:
    return run.config.provenance.get("policy", "none")


def _base_path(opened: Opened) -> str:
    """The base as a card's reader finds it: no path of this machine for a shipped one."""
    if opened.label.startswith("pocket-"):
        return f"data/pocket/{opened.label.removeprefix('pocket-')}"
    return opened.label


if __name__ == "__main__":
    sys.exit(main(preference, sys.argv[1:], what="train preference: a preference model on labels"))

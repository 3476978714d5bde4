"""label: comparisons judged under a constitution (CAI 4.1), in batches, every row accounted for.

Batches are the same however often the run is broken off, and every comparison has its own seed, so
a resumed run writes exactly the rows of an unbroken one. A label keeps raw p for each order;
averaging, clamping and thresholds belong to whoever uses it.
"""

import hashlib
import json
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cai_app import files, judge, prompts
from cai_app.backends import (
    adapter_hash,
    is_preference_model,
    locate,
    open_backend,
    parse_spec,
    trained,
)
from cai_app.backends.base import Backend
from cai_app.errors import CaiError, InputError
from cai_app.records import Label, LabelOptions, PrincipleVerdict, Rater
from cai_app.work.batches import Saver, constitution_of, write_all
from cai_app.work.distribution import Distribution
from cai_app.work.pm_label import OUTPUTS, Scoring
from cai_app.work.program import main
from cai_app.work.progress import Run, Stopped

log = logging.getLogger(__name__)


def label(run: Run) -> None:
    """Write outputs.jsonl: labels, and comparisons that the store does not know yet."""
    run.hold_device()
    spec = LabelOptions(**run.config.options).backend
    job: Job | Scoring
    if is_preference_model(spec, run.settings):
        job = Scoring(run)
    else:
        check_labeller(run, spec)
        job = Job(run)
    run.set("running", unit="comparisons", outputs=OUTPUTS)
    write_all(job, len(job.pairs), job.options.batch)


class Job:
    """What stays the same over the batches, and how far they are."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.options = LabelOptions(**run.config.options)
        self.constitution = constitution_of(run)
        adapter = adapter_hash(self.options.backend, run.settings)
        run.check_same("adapter_hash", adapter or "none")
        self.pairs, _ = files.read_rows(run.input("inputs.pairs.jsonl"))
        self.seen = Distribution()
        self.first = 0
        self._saver = Saver(run, OUTPUTS)
        if (state := self._saver.restored) is not None:
            self.first, self.seen = state["first"], Distribution.of(state["seen"])
        self.time = datetime.fromtimestamp(run.config.created, UTC)
        self.backend: Backend = open_backend(self.options.backend, run.settings)
        self.rater = Rater(
            kind="ai",
            backend=self.backend.spec,
            adapter_hash=adapter,
            constitution=self.constitution.ref,
            template_hash=prompts.template_hash(),
            few_shot=self.options.few_shot,
            cot=self.options.cot,
        )

    def write(self, first: int) -> None:
        """One batch: its verdicts, then its rows, then a checkpoint."""
        rows = self.pairs[first : first + self.options.batch]
        try:
            with self.run.interruptible():
                verdicts = self._verdicts(rows)
        except (Stopped, CaiError):
            self._save(first, due=True)
            raise
        written: list[dict[str, Any]] = []
        for row, found in zip(rows, verdicts, strict=True):
            if record := row.get("record"):
                written.append({"type": "comparison", **record})
            written += [self._row(row["id"], verdict) for verdict in found]
            self.seen.add(found)
        files.append(self.run.path / OUTPUTS[0], written)
        done = first + len(rows)
        self._save(done, due=done == len(self.pairs))
        self.report(done)
        self.run.log_metrics(done, rate=self.run.status.rate, **self.seen.numbers())
        log.info("%d of %d comparisons", done, len(self.pairs))

    def report(self, done: int) -> None:
        """Progress counts comparisons."""
        self.run.report(done, len(self.pairs), **self.seen.numbers())

    def _verdicts(self, rows: Sequence[dict[str, Any]]) -> list[tuple[PrincipleVerdict, ...]]:
        options = self.options
        asked = [
            judge.Asked(
                prompt=row["prompt"], a=row["a"], b=row["b"], seed=row_seed(options.seed, row["id"])
            )
            for row in rows
        ]
        return judge.compare_many(
            self.backend,
            self.constitution,
            asked,
            judge_config(options),
            settings=self.run.settings,
            orders=options.orders,
        )

    def _row(self, subject: str, verdict: PrincipleVerdict) -> dict[str, Any]:
        made = Label(
            about="comparison",
            subject=subject,
            kind="preference",
            rater=self.rater,
            value=verdict.p_a,
            unscored_reason=verdict.unscored_reason,
            orders=verdict.orders,
            principle=verdict.id,
            question=verdict.question,
            run=self.run.config.id,
            seed=row_seed(self.options.seed, subject),
            time=self.time,
        )
        return {"type": "label", **json.loads(made.model_dump_json(exclude_none=True))}

    def _save(self, first: int, *, due: bool) -> None:
        self._saver.save(lambda: {"first": first, "seen": self.seen.state()}, due=due)


def check_labeller(run: Run, spec: str) -> None:
    """Raises InputError, with the numbers, for a pocket adapter that has lost its judgement."""
    if parse_spec(spec).kind != "pocket":
        return
    place = locate(spec, run.settings)
    # Without a training of its own it is no model of this world: nothing is known of its judgement.
    if place.adapter is None or not (place.base / trained.FACTS).is_file():
        return
    from cai_app.pocket import labeller

    bare = f"{spec.partition('@')[0]}@none"
    reason = labeller.check(
        place.adapter,
        place.base,
        lambda: open_backend(spec, run.settings),
        lambda: open_backend(bare, run.settings),
    )
    if reason is not None:
        raise InputError(reason)


def judge_config(options: LabelOptions) -> judge.JudgeConfig:
    """How the judge is asked; no clamp, as labels keep raw p."""
    return judge.JudgeConfig(
        principle=None if options.principle == "drawn" else options.principle,
        few_shot=options.few_shot,
        cot=options.cot,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
    )


def row_seed(seed: int, id: str) -> int:
    """The seed of one comparison, wherever it stands: `judge --seed` with it asks the same."""
    digest = hashlib.sha256(f"{seed}-{id}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


if __name__ == "__main__":
    sys.exit(main(label, sys.argv[1:], what="label: comparisons judged under a constitution"))

"""label by a preference model: it is asked nothing, and scores both responses of every comparison.

A score is about a response, read at the end of the whole dialogue; what the model says of a pair is
the logistic of the difference of two scores (CAI 4.1, HH A.2), and is derived, not stored.
"""

import json
import logging
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cai_app import files, prompts
from cai_app.backends import adapter_hash, open_backend
from cai_app.backends.base import Backend
from cai_app.backends.huggingface import HuggingFaceBackend
from cai_app.errors import CaiError, InputError
from cai_app.records import Label, LabelOptions, Rater
from cai_app.work.batches import Saver
from cai_app.work.distribution import Distribution
from cai_app.work.progress import Run, Stopped

log = logging.getLogger(__name__)

OUTPUTS = ("outputs.jsonl",)
_Score = tuple[float | None, str | None]  # a score, or else why there is none


class Scoring:
    """A `batches.Job`: what stays the same over the batches, and how far they are."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.options = LabelOptions(**run.config.options)
        adapter = adapter_hash(self.options.backend, run.settings)
        run.check_same("adapter_hash", adapter or "none")
        self.pairs, _ = files.read_rows(run.input("inputs.pairs.jsonl"))
        self.seen = Distribution()
        self.first = 0
        self._saver = Saver(run, OUTPUTS)
        if (state := self._saver.restored) is not None:
            self.first, self.seen = state["first"], Distribution.of(state["seen"])
        # A response that stands in several pairs has one label.
        self._known = {row[side] for row in self.pairs[: self.first] for side in ("a_id", "b_id")}
        self.time = datetime.fromtimestamp(run.config.created, UTC)
        backend = open_backend(self.options.backend, run.settings)
        assert isinstance(backend, HuggingFaceBackend), f"{backend.spec} has no adapter of ours"
        self.backend: Backend = backend
        self._dialogue = backend.dialogue
        self.rater = Rater(
            kind="preference_model",
            name=backend.spec,
            backend=backend.spec,
            adapter_hash=adapter,
        )

    def write(self, first: int) -> None:
        """One batch: the scores, then the rows, then a checkpoint."""
        rows = self.pairs[first : first + self.options.batch]
        try:
            with self.run.interruptible():
                scores = self._scores(rows)
        except (Stopped, CaiError):
            self._save(first, due=True)
            raise
        written: list[dict[str, Any]] = []
        for row in rows:
            if record := row.get("record"):
                written.append({"type": "comparison", **record})
            for id in (row["a_id"], row["b_id"]):
                if id not in self._known:
                    self._known.add(id)
                    written.append(self._row(id, scores[id]))
            self.seen.count(chance(scores[row["a_id"]][0], scores[row["b_id"]][0]))
        files.append(self.run.path / OUTPUTS[0], written)
        done = first + len(rows)
        self._save(done, due=done == len(self.pairs))
        self.report(done)
        self.run.log_metrics(done, rate=self.run.status.rate, **self._numbers())
        log.info("%d of %d comparisons", done, len(self.pairs))

    def report(self, done: int) -> None:
        """Progress counts comparisons."""
        self.run.report(done, len(self.pairs), **self._numbers())

    def _numbers(self) -> dict[str, float]:
        """No question was asked, so there is no order and no mass to lose."""
        left_out = {"lost_mass", *(f"gap{n}" for n in range(10))}
        return {name: n for name, n in self.seen.numbers().items() if name not in left_out}

    def _scores(self, rows: Sequence[dict[str, Any]]) -> dict[str, _Score]:
        """The score of every response of a batch; what cannot be scored says why."""
        texts: dict[str, str] = {}
        found: dict[str, _Score] = {}
        for row in rows:
            for id, text in ((row["a_id"], row["a"]), (row["b_id"], row["b"])):
                try:
                    texts[id] = self._dialogue(prompts.draft(row["prompt"]), text)
                except InputError as error:
                    found[id] = (None, str(error))
        try:
            scores = self.backend.score(list(texts.values()))
            return found | {id: (one, None) for id, one in zip(texts, scores, strict=True)}
        except InputError:  # one of them is too long: which?
            return found | {id: self._alone(text) for id, text in texts.items()}

    def _alone(self, text: str) -> _Score:
        try:
            return self.backend.score([text])[0], None
        except InputError as error:
            return None, str(error)

    def _row(self, id: str, score: _Score) -> dict[str, Any]:
        value, reason = score
        made = Label(
            about="response",
            subject=id,
            kind="score",
            rater=self.rater,
            value=value,
            unscored_reason=reason,
            run=self.run.config.id,
            time=self.time,
        )
        return {"type": "label", **json.loads(made.model_dump_json(exclude_none=True))}

    def _save(self, first: int, *, due: bool) -> None:
        self._saver.save(lambda: {"first": first, "seen": self.seen.state()}, due=due)


def chance(a: float | None, b: float | None) -> float | None:
    """P(a is better) by two scores (Bradley and Terry); None where one is missing."""
    if a is None or b is None:
        return None
    return 1 / (1 + math.exp(max(-50.0, min(50.0, b - a))))

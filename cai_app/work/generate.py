"""generate: pairs of drafts, or critique-revision chains (CAI 3.1), for a list of prompts.

Work is cut into batches of prompts that are the same however often the run is broken off, and
every prompt has its own seeds, so a resumed run writes exactly the rows of an unbroken one.
"""

import hashlib
import logging
import sys
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from cai_app import files
from cai_app.backends import open_backend
from cai_app.backends.base import Backend
from cai_app.critique import Batch, ChainConfig, run_many
from cai_app.errors import CaiError
from cai_app.records import Comparison, GenerateOptions, Record, Response, Step, Transcript
from cai_app.work.batches import Saver, constitution_of, write_all
from cai_app.work.program import main
from cai_app.work.progress import Run, Stopped

log = logging.getLogger(__name__)

OUTPUTS = ("outputs.jsonl", "rejected.jsonl")


def generate(run: Run) -> None:
    """Write outputs.jsonl (responses, comparisons, transcripts) and rejected.jsonl."""
    run.hold_device()
    job = Job(run)
    run.set("running", unit="texts", outputs=OUTPUTS)
    write_all(job, len(job.prompts), job.options.batch)


_NOTHING: tuple[tuple[Step, ...], ...] = ()


class Job:
    """What stays the same over the batches, and how far they are."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.options = GenerateOptions(**run.config.options)
        self.constitution = constitution_of(run)
        rows, _ = files.read_rows(run.input("inputs.prompts.jsonl"))
        self.prompts: list[str] = [row["prompt"] for row in rows]
        self.counts = dict.fromkeys(
            ("responses", "comparisons", "transcripts", "identical", "rejected", "tokens"), 0
        )
        self.first, self.partial = 0, _NOTHING
        self._saver = Saver(run, OUTPUTS)
        if (state := self._saver.restored) is not None:
            self.first, self.counts = state["first"], state["counts"]
            self.partial = tuple(tuple(map(Step.model_validate, row)) for row in state["partial"])
        self.backend: Backend = open_backend(self.options.backend, run.settings)

    def write(self, first: int) -> None:
        """One batch: its steps with a checkpoint between them, then its rows."""
        texts = self.prompts[first : first + self.options.batch]
        sides = len(self._sides())
        batch = self._steps(first, [first + n for n in range(len(texts)) for _ in range(sides)])
        rows, rejected = [], []
        for n, prompt in enumerate(texts):
            own = slice(n * sides, (n + 1) * sides)
            problem = next(filter(None, batch.problems[own]), None)
            if problem is not None:
                rejected.append({"index": first + n, "prompt": prompt, "reason": problem})
                continue
            rows += self._rows([t for t in batch.transcripts[own] if t is not None])
        files.append(self.run.path / OUTPUTS[0], rows)
        if rejected:
            self.counts["rejected"] += len(rejected)
            files.append(self.run.path / OUTPUTS[1], rejected)
        done = first + len(texts)
        self._save(done, (), due=done == len(self.prompts))
        self.report(done)
        self.run.log_metrics(done, rate=self.run.status.rate, **self.counts)
        log.info("%d of %d prompts", done, len(self.prompts))

    def report(self, first: int, partial: Sequence[Sequence[Step]] = ()) -> None:
        """Progress counts texts: a batch of chains may take minutes. What an earlier life has
        written of a batch is no work of this one."""
        partial, each = partial or self.partial, self.options.texts_each
        done = first * each + sum(map(len, partial))
        self.run.report(done, len(self.prompts) * each, **self.counts)

    def _sides(self) -> tuple[str, ...]:
        return ("a", "b") if self.options.mode == "pairs" else ("chain",)

    def _steps(self, first: int, indices: Sequence[int]) -> Batch:
        """All steps of a batch; a stop between two of them loses none."""
        configs = [
            self._config(index, side)
            for index, side in zip(indices, cycle(self._sides()), strict=False)
        ]
        partial, self.partial = self.partial, ()
        steps = run_many(
            self.backend,
            self.constitution,
            [self.prompts[index] for index in indices],
            configs,
            settings=self.run.settings,
            done=partial,
        )
        batch: Batch | None = None
        while True:
            try:
                with self.run.interruptible():
                    found = next(steps, None)
            except (Stopped, CaiError):
                self._save(first, _done(batch) if batch else partial, due=True)
                raise
            if found is None:
                assert batch is not None
                return batch
            batch = found
            self._save(first, _done(batch))
            self.report(first, _done(batch))

    def _config(self, index: int, side: str) -> ChainConfig:
        options = self.options
        return ChainConfig(
            rounds=options.rounds if options.mode == "chains" else 0,
            few_shot=options.few_shot,
            temperature=options.temperature,
            seed=row_seed(options.seed, index, side),
            max_tokens=options.max_tokens,
        )

    def _save(self, first: int, partial: Sequence[Sequence[Step]], *, due: bool = False) -> None:
        def state() -> dict[str, Any]:
            steps = [[step.model_dump(mode="json") for step in row] for row in partial]
            return {"first": first, "counts": self.counts, "partial": steps}

        self._saver.save(state, due=due)

    def _rows(self, found: Sequence[Transcript]) -> list[dict[str, Any]]:
        """The rows of one prompt, and their counts."""
        self.counts["tokens"] += sum(step.tokens for one in found for step in one.steps)
        if self.options.mode == "chains":
            self.counts["transcripts"] += len(found)
            return [_row("transcript", one) for one in found]
        responses = [_response(one, self.run.config.id) for one in found]
        self.counts["responses"] += len(responses)
        rows = [_row("response", one) for one in responses]
        first, second = responses
        if first.text == second.text:
            self.counts["identical"] += 1  # a comparison of two equal texts teaches nothing
            return rows
        self.counts["comparisons"] += 1
        pair = Comparison.of(first, second, source=self.run.config.id)
        return [*rows, _row("comparison", pair)]


def _response(chain: Transcript, run: str) -> Response:
    last = chain.steps[-1]
    return Response(
        prompt=chain.prompt,
        text=last.text,
        model=chain.backend,
        adapter=chain.adapter,
        seed=chain.seed,
        source=run,
        finish=last.finish,
    )


def _row(kind: str, record: Record) -> dict[str, Any]:
    return {"type": kind, **record.model_dump(mode="json")}


def row_seed(seed: int, index: int, side: str) -> int:
    """The seed of one chain: `critique --seed` with it replays the row."""
    digest = hashlib.sha256(f"{seed}-{index}-{side}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _done(batch: Batch) -> list[tuple[Step, ...]]:
    return [transcript.steps if transcript else () for transcript in batch.transcripts]


if __name__ == "__main__":
    sys.exit(main(generate, sys.argv[1:], what="generate: pairs or chains for a list of prompts"))

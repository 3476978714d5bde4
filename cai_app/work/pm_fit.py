"""One preference model while it learns: soft targets in, margins out, all of it resumable."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from cai_app import files
from cai_app.agreement import Floats
from cai_app.errors import InputError
from cai_app.records.rewards import PreferenceOptions
from cai_app.work import checkpoints
from cai_app.work.learner import Learner, asked_to_stop
from cai_app.work.one_base import OneBase
from cai_app.work.pm_data import Data, Tokens, within
from cai_app.work.pm_measure import accuracy, calibration, excess
from cai_app.work.progress import Run, Stopped
from cai_app.work.targets import entropy
from cai_app.work.training.base import Opened
from cai_app.work.training.processes import gathered, world

METRICS = "metrics.jsonl"
MEASURED = "measured.json"


def soft_loss(margins: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of σ(r_a - r_b) on soft targets [pairs], summed (RLAIF 2.2.1):
    -p·log σ(d) - (1-p)·log σ(-d)."""
    return -(targets * F.logsigmoid(margins) + (1 - targets) * F.logsigmoid(-margins)).sum()


class Fit:
    """One preference model while it learns."""

    def __init__(
        self,
        run: Run,
        options: PreferenceOptions,
        base: OneBase,
        opened: Opened,
        data: Data,
        part: int,
        total: int,
    ) -> None:
        self.run, self.options, self.base, self.part, self.total = run, options, base, part, total
        self.label = opened.label
        self.offset, self.begun = 0, 0
        self.left_out = dict(data.left_out)
        self.pairs, self.rows = within(
            data.parts[part], options.max_tokens, self._tokens, self.left_out
        )
        if not self.rows:
            raise InputError(
                f"no pair is left to learn from ({len(data.parts[part])} of this half, "
                f"{self.left_out.get('too long', 0)} too long); raise max_tokens, give more "
                "labels, or do without split"
            )
        self.tests = {
            name: within(pairs, options.max_tokens, self._tokens, {})
            for name, pairs in data.tests.items()
        }
        self.key, weights = base.learn(
            f"pm-{part}",
            start=opened.place.adapter,
            shape=(options.rank, options.alpha),
            dropout=options.dropout,
            seed=options.seed + part,
        )
        hidden = base.model.config.get_text_config().hidden_size
        first = torch.randn(1, hidden, generator=torch.Generator().manual_seed(options.seed))
        self.head = torch.nn.Parameter((first * hidden**-0.5).to(base.engine.device))
        self.learner = Learner(
            [*weights, self.head],
            lr=options.lr,
            warmup=options.warmup,
            schedule=options.schedule,
            total=options.steps_of(len(data.parts[part])),
        )

    def _tokens(self, prompt: str, response: str) -> tuple[int, ...]:
        return self.base.tokens(self.base.text(prompt, response))

    def restore(self, step: int) -> None:
        """Go on from the newest checkpoint."""
        folder = checkpoints.newest(self.run.path)
        assert folder is not None
        self.learner.restore(folder)
        self.begun = step

    def run_through(self, steps: int) -> None:
        """All steps from where it is; a checkpoint now and then, and at a stop."""
        for step in range(self.begun, steps):
            if asked_to_stop(self.run):
                self._save(step)
                raise Stopped
            numbers = self._step(step)
            done = step + 1
            if done % self.options.log_every == 0 or done == steps:
                self._log(done, numbers)
            every = self.options.sample_every
            if (every and done % every == 0) or done == steps:
                self._look(done)
            if done % self.options.save_every == 0 and done < steps:
                self._save(done)

    def _batch(self, step: int) -> list[Tokens]:
        """The pairs of a step: every epoch has its own order, drawn by the seed."""
        size, count = self.options.batch, len(self.rows)
        found: list[Tokens] = []
        places = [divmod(place, count) for place in range(step * size, (step + 1) * size)]
        for epoch in sorted({epoch for epoch, _ in places}):
            order = np.random.default_rng((self.options.seed, epoch)).permutation(count)
            found += [self.rows[int(order[at])] for one, at in places if one == epoch]
        return found

    def _step(self, step: int) -> dict[str, float]:
        chosen = sorted(self._batch(step), key=lambda row: max(len(row.a), len(row.b)))
        mine = chosen[world().rank :: world().size]
        loss, right, own = 0.0, 0.0, sum(entropy(row.p) for row in chosen)
        torch.manual_seed(_draw(self.options.seed, self.part, step))  # of dropout
        with self.base.training(self.key):
            for first in range(0, len(mine), self.options.micro_batch):
                some = mine[first : first + self.options.micro_batch]
                margins = self._margins(some)
                targets = torch.tensor([row.p for row in some], device=margins.device)
                part = soft_loss(margins, targets) / len(chosen)
                part.backward()
                loss += float(part.detach())
                right += float(((margins > 0) == (targets > 0.5)).sum())
        norm = self.learner.step(step)
        loss, right = (sum(each) for each in zip(*gathered((loss, right)), strict=True))
        return {
            "loss": loss - own / len(chosen),
            "accuracy": right / len(chosen),
            "grad_norm": norm,
            "lr": self.learner.rate(step),
        }

    def _margins(self, rows: Sequence[Tokens]) -> torch.Tensor:
        """r_a - r_b [pairs]."""
        states = self.base.hidden([row.a for row in rows] + [row.b for row in rows])
        scores = (states @ self.head.T)[:, 0]
        return scores[: len(rows)] - scores[len(rows) :]

    def margins(self, rows: Sequence[Tokens]) -> Floats:
        """r_a - r_b of all rows, as the model scores live."""
        order = sorted(range(len(rows)), key=lambda n: max(len(rows[n].a), len(rows[n].b)))
        found = np.zeros(len(rows))
        self.base.adapters.refresh(self.key)
        self.base.adapters.use(self.key)
        with torch.no_grad():
            for first in range(0, len(order), 64):
                some = order[first : first + 64]
                found[some] = self._margins([rows[n] for n in some]).cpu().numpy()
        return found

    def _look(self, done: int) -> None:
        numbers: dict[str, float] = {}
        for name, (pairs, rows) in self.tests.items():
            margins = self.margins(rows)
            value = accuracy(pairs, margins)["value"]
            if value is not None:
                numbers[f"{name}_accuracy"] = value
            numbers[f"{name}_loss"] = excess(margins, np.array([pair.p for pair in pairs]))
        self._log(done, numbers)

    def _log(self, done: int, numbers: dict[str, float]) -> None:
        prefix = "" if self.part == 0 else "test_"
        named = {f"{prefix}{name}": value for name, value in numbers.items()}
        self.run.log_metrics(self.offset + done, **named)
        self.run.report(self.offset + done, self.total, **named)

    def _save(self, step: int) -> None:
        self.learner.keep(self.run, {"part": self.part, "step": step}, outputs=(METRICS,))

    def keep(self, folder: Path) -> None:
        """Put the finished model and what it measures aside, until all parts are done."""
        if world().first:
            self._put_aside(folder)
        self.learner.keep(self.run, {"part": self.part + 1, "step": 0}, outputs=(METRICS,))

    def _put_aside(self, folder: Path) -> None:
        measured: dict[str, Any] = {"left_out": self.left_out, "pairs": len(self.pairs)}
        for name, (pairs, rows) in self.tests.items():
            margins = self.margins(rows)
            measured[name] = {
                "accuracy": accuracy(pairs, margins),
                "clear": accuracy(pairs, margins, clear=True),
                "excess": excess(margins, np.array([pair.p for pair in pairs])),
                "calibration": calibration(pairs, margins),
            }
        fresh = files.make_folder(folder.with_name(f".{folder.name}"))
        shutil.rmtree(fresh)
        self.base.save(self.key, fresh, base=self.label, task="SEQ_CLS", head=self.head)
        files.replace(fresh / MEASURED, as_json(measured))
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)


def _draw(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def as_json(value: Any) -> str:
    """JSON for a file that people read too."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"

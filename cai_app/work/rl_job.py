"""One RL run: the policy, what holds it and what rewards it; a step, a look, what is kept."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cai_app import files
from cai_app.backends import folders, locate, trained
from cai_app.critique.flags import flags_of
from cai_app.records.rewards import RlOptions
from cai_app.work import checkpoints, rloo
from cai_app.work.alarms import Alarm, Alarms, Limits
from cai_app.work.learner import Learner
from cai_app.work.one_base import OneBase, Written
from cai_app.work.pm_fit import as_json
from cai_app.work.progress import Paused, Run
from cai_app.work.rl_look import Looked, Scorer, compared, gained, judged, look
from cai_app.work.rl_prompts import Asked, hashes, of_step
from cai_app.work.sft import REJECTED, last_numbers
from cai_app.work.training.base import Opened
from cai_app.work.training.finishing import card_facts, complete
from cai_app.work.training.processes import gathered, world
from cai_app.work.training.sampling import SAMPLES

METRICS, MEASURED = "metrics.jsonl", "measured.json"
CUT = (METRICS, SAMPLES)
OUTPUTS = ("adapter", "steps", SAMPLES, MEASURED, REJECTED)
STEPS = "steps"  # the policy at every look, small, for the checkpoint slider
HEARD = "alarms.json"  # rules that have paused this run, and are silent once it is resumed
SHOWN = 8  # fixed prompts whose answers are kept at every look


class Job:
    """The policy, what it is held to and what rewards it, and how far it is."""

    def __init__(
        self,
        run: Run,
        options: RlOptions,
        base: OneBase,
        opened: Opened,
        prompts: Sequence[Asked],
        fixed: Sequence[Asked],
    ) -> None:
        self.run, self.options, self.base, self.opened = run, options, base, opened
        self.prompts, self.fixed, self.done = prompts, fixed, 0
        begun, shape = opened.place.adapter, (options.rank, options.alpha)
        # A frozen copy of where the policy starts: with its adapter off it would be another model.
        self.start, _ = base.learn("start", start=begun, seed=options.seed, shape=shape)
        # Without dropout, whatever it was trained with: gradients are of the policy that has
        # written, KL to the start begins at 0, and a resumed run has nothing random to go on from.
        self.policy, weights = base.learn(
            "policy", start=begun, seed=options.seed, shape=shape, still=True
        )
        self.pm = self._scorer(options.pm)
        watching = run.config.provenance.get("test_pm", "none")
        self.test = None if watching == "none" else self._scorer(watching)
        self.learner = Learner(
            weights,
            lr=options.lr,
            warmup=options.warmup,
            schedule=options.schedule,
            total=options.max_steps,
        )
        heard = run.path / HEARD
        self.alarms = Alarms(
            Limits(kl=options.kl_limit, length=options.length_limit),
            silent=json.loads(heard.read_bytes()) if heard.exists() else (),
        )

    def _scorer(self, name: str) -> Scorer:
        folder = locate(f"{self.options.backend}@{name}", self.run.settings).adapter
        assert folder is not None, f"{name} was a preference model when the run was started"
        self.run.check_same(f"pm_hash {name}", folders.adapter_hash(folder))
        scale = trained.facts(folder).get("scale") or {"mean": 0.0, "std": 1.0}
        key = self.base.load(folder)
        self.base.adapters.head(key)  # raises for an adapter that scores nothing
        return Scorer(key, float(scale["mean"]), float(scale["std"]))

    def step(self) -> dict[str, float]:
        """Write, score, learn once. Responses to one prompt stay together all the way."""
        options, base = self.options, self.base
        asked = of_step(self.prompts, options, self.done)
        each = range(0, len(asked), options.samples)
        mine = [
            n
            for first in each[world().rank :: world().size]
            for n in range(first, first + options.samples)
        ]  # whole groups to each process
        seeds = [_draw(options.seed, self.done, n) for n in mine]
        asked = [asked[n] for n in mine]
        written = base.write(
            self.policy, [p for p, _ in asked], seeds, max_tokens=options.answer_tokens
        )
        scores = self.pm.score(base, [p for p, _ in asked], [one.text for one in written])
        rewards, k3, written, scores = self._learn(written, scores, len(each) * options.samples)
        norm = self.learner.step(self.done)
        base.adapters.refresh(self.policy)
        spread = float(rewards.std(1).mean())
        kl = float(k3.mean())
        return {
            "reward": float(rewards.mean()),
            "pm": float(scores.mean()),
            "rollout_kl": kl,
            "spread": spread,
            # How much of what the policy is rewarded for is staying where it is.
            "kl_share": options.kl_weight * kl / spread if spread else 0.0,
            "rollout_length": sum(len(one.ids) for one in written) / len(written),
            "truncated": sum(one.finish == "length" for one in written) / len(written),
            "grad_norm": norm,
            "lr": self.learner.rate(self.done),
        }

    def _learn(
        self, written: Sequence[Written], scores: torch.Tensor, count: int
    ) -> tuple[torch.Tensor, torch.Tensor, list[Written], torch.Tensor]:
        """Gradients of RLOO's loss over `count` responses of all processes; the rewards of all
        [prompts, samples], their k3 [responses], and the responses with their scores.

        A prompt's baseline needs its own responses only, so whole groups go through one by one,
        each with one pass of the policy.
        """
        base, samples = self.base, self.options.samples
        size = max(1, self.options.micro_batch // samples) * samples
        rewards, far = [], []
        for first in range(0, len(written), size):
            rows = written[first : first + size]
            base.adapters.use(self.start)
            with torch.no_grad():
                start, _ = base.logprobs(rows)
            with base.training(self.policy):
                logprobs, _ = base.logprobs(rows)
                ratio = (logprobs.detach() - start).sum(1).cpu()
                found = rloo.penalised(
                    scores[first : first + size], ratio, self.options.kl_weight
                ).view(-1, samples)
                gained = rloo.advantages(found).flatten().to(logprobs.device)
                (-(gained * logprobs.sum(1)).sum() / count).backward()
            rewards.append(found)
            far.append(rloo.k3(logprobs.detach(), start).cpu())
        own = (torch.cat(rewards), torch.cat(far), list(written), scores)
        parts = gathered(own)
        table, k3 = (torch.cat([part[n] for part in parts]) for n in (0, 1))
        written = [one for part in parts for one in part[2]]
        scores = torch.cat([part[3] for part in parts])
        self._stop_on(
            self.alarms.rollouts(
                table.tolist(),
                scores=scores.view(-1, samples).tolist(),
                lengths=[len(one.ids) for one in written],
                truncated=sum(one.finish == "length" for one in written) / len(written),
            )
        )
        return table, k3, written, scores

    def look(self) -> Looked:
        """Fixed prompts, the policy kept, and its curves; raises Paused where an alarm says so."""
        found = self._looked(self.policy, self.fixed, seed=self.options.seed)
        if world().first:
            self.keep(self.run.path / STEPS / f"{self.done:06d}", dtype=torch.bfloat16)
            self._show(found)
        self.log(found.numbers)
        test = found.numbers.get("test_pm")
        alarm = self.alarms.look(kl=found.numbers["kl"], test=test, error=found.error)
        self._stop_on(alarm)
        return found

    def _show(self, found: Looked) -> None:
        """Answers to the first fixed prompts, and what they repeat, into samples.jsonl."""
        rows = [
            {
                "step": self.done,
                "prompt": self.fixed[n][0],
                "text": found.written[n].text.strip(),
                "flags": list(
                    flags_of(found.written[n].text, kind="draft", before=None, unknown=False)
                ),
                "score": found.scores[n] if math.isfinite(found.scores[n]) else None,
                "harm": one.harm if (one := found.judged[n]) else None,
            }
            for n in range(min(SHOWN, len(self.fixed)))
        ]
        repeated = [{"step": self.done, "grams": found.grams}] if found.grams else []
        files.append(self.run.path / SAMPLES, [*rows, *repeated], durable=False)

    def _looked(self, key: Any, asked: Sequence[Asked], *, seed: int) -> Looked:
        return look(
            self.base,
            key,
            self.start,
            asked,
            pm=self.pm,
            test=self.test,
            seed=seed,
            max_tokens=self.options.answer_tokens,
        )

    def _stop_on(self, alarm: Alarm | None) -> None:
        if alarm is None:
            return
        heard = {*self.alarms.silent, *([alarm.rule] if alarm.rule != "number" else [])}
        if world().first:
            files.replace(self.run.path / HEARD, as_json(sorted(heard)))
        again = "" if alarm.rule == "number" else " and does not stop for this again"
        raise Paused(
            f"step {self.done}: {alarm.reason}. Resume goes on from the last checkpoint{again}"
        )

    def log(self, numbers: dict[str, float]) -> None:
        """A point of every curve."""
        self.run.log_metrics(self.done, **numbers)
        self.run.report(self.done, self.options.max_steps, **numbers)

    def save(self) -> None:
        """A checkpoint between two generations: nothing that was drawn is half learned from."""
        state = {"done": self.done, "alarms": self.alarms.state()}
        self.learner.keep(self.run, state, outputs=CUT)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the newest checkpoint."""
        folder = checkpoints.newest(self.run.path)
        assert folder is not None
        self.learner.restore(folder)
        self.base.adapters.refresh(self.policy)
        self.done = state["done"]
        self.alarms.restore(state["alarms"])

    def keep(self, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
        """The policy as an adapter that says what base it is of."""
        self.base.save(self.policy, folder, base=self.opened.label, dtype=dtype)
        facts = {
            "kind": "rl",
            "run": self.run.config.id,
            "step": self.done,
            "base": self.opened.label,
            "base_hash": trained.base_hash(self.opened.place.base),
        }
        files.replace(folder / trained.FACTS, as_json(facts), durable=False)

    def finish(self, unseen: Sequence[Asked]) -> None:
        """Compare start and end on prompts that nobody trained on, and write the adapter."""
        self.run.set(note="comparing the start policy with the final one on unseen prompts")
        asked = [prompt for prompt, _ in self.fixed]
        began, ended = (
            [one.text for one in self._write(key, self.fixed)] for key in (self.start, self.policy)
        )
        scorers = {"held_out_pm": self.pm} | ({"test_pm": self.test} if self.test else {})
        measured = gained(self.base, asked, began, ended, scorers)
        if unseen:
            before, after = (
                [judged(task, one.text) for (_, task), one in zip(unseen, written, strict=True)]
                for written in (self._write(self.start, unseen), self._write(self.policy, unseen))
            )
            measured |= compared(unseen, before, after)
        files.replace(self.run.path / MEASURED, as_json(measured))
        numbers = {
            f"final_{name}": row["value"]
            for name, row in measured.items()
            if row["value"] is not None
        }
        fresh = self.run.path / ".adapter"
        self.keep(fresh)
        facts = card_facts(
            self.run, self.opened, self.options, {**last_numbers(self.run), **numbers}
        )
        facts["data"] = facts["data"] | hashes(
            {
                "trained on": self.prompts,
                "kept out for looks": self.fixed,
                "unseen, to compare start and end": unseen,
            },
            self.options,
        )
        facts["adapter_hash"] = folders.adapter_hash(fresh)
        complete(self.run, fresh, facts, title=self.options.name or "RL-CAI", about=self._about())
        self.run.report(self.done, self.options.max_steps, **numbers)

    def _write(self, key: Any, asked: Sequence[Asked]) -> list[Written]:
        seeds = [self.options.seed + 10_000 + n for n in range(len(asked))]
        most = self.options.answer_tokens
        return self.base.write(key, [prompt for prompt, _ in asked], seeds, max_tokens=most)

    def _about(self) -> str:
        options = self.options
        return (
            f"LoRA adapter, trained by RLOO for {self.done} steps of {options.batch} responses "
            f"({options.samples} to a prompt)\non reward = PM - {options.kl_weight:g}·KL, with the "
            f"preference model {options.pm} and KL to a frozen copy of\n{options.start}."
        )


def _draw(*numbers: int) -> int:
    """A seed of its own for every response of every step."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])

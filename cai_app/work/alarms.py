"""What stops an RL run before it wastes a night: plain rules over its own numbers.

They are diagnostics, not guarantees: a reward can be gamed without any of them.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cai_app.records import Record

PATIENCE = 3  # looks in a row
_SPREAD = 1e-5  # of scores that are equal but for rounding


class Alarm(NamedTuple):
    """Which rule, and the reason in words."""

    rule: str
    reason: str


class Limits(Record):
    """What a run may drift to before it pauses; 0 turns a rule off."""

    kl: float = 0.0
    length: float = 0.0


class Alarms:
    """Remembers what the rules need; `state` and `restore` carry it over a resume.

    Who resumes a paused run has read the reason and goes on all the same: that rule is then silent.
    """

    def __init__(self, limits: Limits, *, silent: Iterable[str] = ()) -> None:
        self.limits, self.silent = limits, frozenset(silent)
        self.start_length: float | None = None
        self.best_test: float | None = None
        self.falls = 0

    def rollouts(
        self,
        rewards: Sequence[Sequence[float]],
        *,
        lengths: Sequence[int],
        truncated: float,
        scores: Sequence[Sequence[float]] = (),
    ) -> Alarm | None:
        """Why to stop before learning from these rollouts, or None: rewards by prompt, and the
        preference model's part of them, without which KL's noise alone would be learned."""
        return self._heard(self._rollouts(rewards, scores or rewards, lengths, truncated))

    def _heard(self, alarms: Iterable[Alarm]) -> Alarm | None:
        """The first that is not silent: one that was read hides none behind it."""
        return next((one for one in alarms if one.rule not in self.silent), None)

    def _rollouts(
        self,
        rewards: Sequence[Sequence[float]],
        scores: Sequence[Sequence[float]],
        lengths: Sequence[int],
        truncated: float,
    ) -> Iterator[Alarm]:
        flat = [value for row in rewards for value in row]
        if not all(math.isfinite(value) for value in flat):
            yield Alarm(
                "number",
                "a reward is not a number, and would train on nothing; score the preference "
                "model on the run's samples, and train it anew if it gives no numbers there",
            )
        if truncated >= 1:
            yield Alarm(
                "truncated",
                f"all {len(flat)} responses were cut at the token limit, so none has an end to be "
                "scored at; raise answer_tokens, or start from a model that ends its answers",
            )
        if all(max(row) - min(row) < _SPREAD for row in scores):
            yield Alarm(
                "spread",
                "every prompt's responses have the same score, so there is nothing to learn; "
                "raise samples, or look at whether the policy still writes different answers",
            )
        mean = sum(lengths) / len(lengths)
        if self.start_length is None:
            self.start_length = mean
        drift = mean / max(1.0, self.start_length)
        most = self.limits.length
        if most and not 1 / most < drift < most:
            yield Alarm(
                "length",
                f"responses are {mean:.0f} tokens long and were {self.start_length:.0f} at the "
                f"start, more than {most:g} times as much either way; a preference model that "
                "counts length is being gamed: lower lr, or raise kl_weight",
            )

    def look(self, *, kl: float, test: float | None, error: float = 0.0) -> Alarm | None:
        """Why to stop after a look at the fixed prompts: KL in nats a response, and the score of a
        preference model that the policy is not trained on, with its standard error."""
        found = {"kl": self._far(kl), "test": self._turned(test, error)}
        return self._heard(Alarm(rule, reason) for rule, reason in found.items() if reason)

    def _far(self, kl: float) -> str | None:
        if self.limits.kl and kl > self.limits.kl:
            return (
                f"the policy is {kl:.1f} nats a response from where it started, over the limit of "
                f"{self.limits.kl:g}; raise kl_weight, lower lr, or take an earlier checkpoint"
            )
        return None

    def _turned(self, test: float | None, error: float) -> str | None:
        if test is not None and math.isfinite(test):
            below = self.best_test is not None and test < self.best_test - 2 * error
            self.falls = self.falls + 1 if below else 0
            self.best_test = test if self.best_test is None else max(test, self.best_test)
            if self.falls >= PATIENCE:
                return (
                    f"the test preference model's score has been below its best "
                    f"({self.best_test:.2f}, now {test:.2f}) for {self.falls} looks while the "
                    "policy learned from the other one: the reward is being gamed; take the "
                    "checkpoint from before"
                )
        return None

    def state(self) -> dict[str, float | int | None]:
        """What `restore` takes."""
        return {
            "start_length": self.start_length,
            "best_test": self.best_test,
            "falls": self.falls,
        }

    def restore(self, state: dict[str, float | int | None]) -> None:
        """Go on from an earlier `state`."""
        self.start_length, self.best_test = state["start_length"], state["best_test"]
        self.falls = int(state["falls"] or 0)

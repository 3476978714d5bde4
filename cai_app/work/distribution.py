"""What labels look like while they are made: p(A), order gaps, flips, unscored, lost mass."""

from collections.abc import Mapping, Sequence
from typing import Any

from cai_app.records import PrincipleVerdict

BINS = 10


class Distribution:
    """Counts and sums over verdicts; small enough for every checkpoint."""

    def __init__(self) -> None:
        self.bins = [0] * BINS
        self.gaps = [0] * BINS
        self.counts = dict.fromkeys(("labels", "unscored", "both", "flips"), 0)
        self.sums = dict.fromkeys(("gap", "first", "lost"), 0.0)

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "Distribution":
        """As it was when `state` was taken."""
        found = cls()
        found.bins, found.counts, found.sums = (
            list(state["bins"]),
            dict(state["counts"]),
            dict(state["sums"]),
        )
        found.gaps = list(state.get("gaps", found.gaps))  # checkpoints of older runs have none
        return found

    def state(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {"bins": self.bins, "gaps": self.gaps, "counts": self.counts, "sums": self.sums}

    def add(self, verdicts: Sequence[PrincipleVerdict]) -> None:
        """Count the labels of one comparison."""
        for verdict in verdicts:
            if not self.count(verdict.p_a):
                continue
            lost = [order.lost_mass or 0.0 for order in verdict.orders]
            self.sums["lost"] += sum(lost) / len(lost)
            p = {order.first: order.p_a for order in verdict.orders if order.p_a is not None}
            if len(p) == 2:
                self.counts["both"] += 1
                self.counts["flips"] += (p["a"] - 0.5) * (p["b"] - 0.5) < 0
                self.gaps[min(BINS - 1, int(abs(p["a"] - p["b"]) * BINS))] += 1
                self.sums["gap"] += abs(p["a"] - p["b"])
                self.sums["first"] += p["a"] - p["b"]

    def count(self, p_a: float | None) -> bool:
        """Count one label; whether it is scored."""
        self.counts["labels"] += 1
        if p_a is None:
            self.counts["unscored"] += 1
            return False
        self.bins[min(BINS - 1, int(p_a * BINS))] += 1
        return True

    def summary(self) -> dict[str, float]:
        """The numbers of the run: counts, and rates where there is something to divide by.

        `order_gap` is the mean of |P(A) shown first − P(A) shown second|, `first_gain` the same
        with its sign: above 0 the judge favours whatever is shown first.
        """
        found: dict[str, float] = {name: self.counts[name] for name in ("labels", "unscored")}
        scored = self.counts["labels"] - self.counts["unscored"]
        if self.counts["labels"]:
            found["unscored_rate"] = self.counts["unscored"] / self.counts["labels"]
        if scored:
            found["lost_mass"] = self.sums["lost"] / scored
        if both := self.counts["both"]:
            found["order_gap"] = self.sums["gap"] / both
            found["first_gain"] = self.sums["first"] / both
            found["flip_rate"] = self.counts["flips"] / both
        return found

    def numbers(self) -> dict[str, float]:
        """The summary, and counts by tenths: of p(A), `p0` for 0-0.1 … `p9` for 0.9-1, and of the
        gap between the orders, `gap0` … `gap9`."""
        tenths = {f"p{n}": count for n, count in enumerate(self.bins)}
        gaps = {f"gap{n}": count for n, count in enumerate(self.gaps)}
        return {**self.summary(), **tenths, **gaps}

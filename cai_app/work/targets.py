"""What a preference model learns from a label: one soft target a pair, or why it has none."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cai_app.records.rewards import COT_CLAMP, PreferenceOptions


class Pair(NamedTuple):
    """One comparison to learn from or to be tested on; `p` is the target chance that a is better.

    `source` is ai, helpful, checked (people on AI-labelled pairs) or reference.
    """

    id: str
    prompt: str
    a: str
    b: str
    p: float
    source: str


def target(row: dict[str, Any], options: PreferenceOptions) -> float | None:
    """The soft target of a snapshot's row: mean of the orders (or one, drawn), then the clamp.

    None where it is unscored: it is left out, never taken as even.
    """
    p: float | None = row.get("p")
    asked = [row[name] for name in ("p_a_first", "p_b_first") if row.get(name) is not None]
    if options.orders == "one" and len(asked) > 1:
        p = asked[_number(f"order-{options.seed}-{row['id']}") % len(asked)]
    if p is None:
        return None
    low = options.clamp if options.clamp is not None else COT_CLAMP if row.get("cot") else 0.0
    return min(1 - low, max(low, p))


def held_out(prompt: str, share: float) -> bool:
    """Whether a prompt's pairs are for testing; the same for every seed and every run."""
    return _number(f"held-out-{prompt}") % 10_000 < share * 10_000


def half(prompt: str) -> int:
    """Which of the two preference models of a split learns from this prompt."""
    return _number(f"half-{prompt}") % 2


def mixed(ai: Sequence[Pair], helpful: Sequence[Pair], options: PreferenceOptions) -> list[Pair]:
    """Pairs to learn from, in a drawn order, as many of either as the options take."""
    rng = np.random.default_rng(options.seed)
    first, second = options.taken(len(ai), len(helpful))
    if options.labels == "both":
        chosen = _some(ai, first, rng) + _some(helpful, second, rng)
    else:
        chosen = _some(ai if options.labels == "ai" else helpful, first + second, rng)
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _some(pairs: Sequence[Pair], most: int, rng: np.random.Generator) -> list[Pair]:
    return [pairs[i] for i in rng.permutation(len(pairs))[:most]]


def entropy(p: float) -> float:
    """Of a soft target, in nats: no model's cross-entropy on it is lower."""
    return -sum(x * float(np.log(x)) for x in (p, 1 - p) if x > 0)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

"""How good a preference model is: accuracy with intervals, calibration, and one temperature."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cai_app import agreement
from cai_app.agreement import Floats
from cai_app.work.targets import Pair

CLEAR = 0.3  # a target this far from even is clear
_TEMPERATURES = np.exp(np.linspace(np.log(0.05), np.log(20.0), 241))


def accuracy(pairs: Sequence[Pair], margins: Floats, *, clear: bool = False) -> dict[str, Any]:
    """Share of pairs whose better side scores higher: value, ci, n. Pairs of one prompt are one
    cluster; a target of exactly even has no better side."""
    found = [
        (pair.prompt, float((margin > 0) == (pair.p > 0.5)))
        for pair, margin in zip(pairs, margins, strict=True)
        if pair.p != 0.5 and (not clear or abs(pair.p - 0.5) > CLEAR)
    ]
    right = np.array([value for _, value in found])
    rows = agreement.rate(right, np.ones(len(found)), agreement.codes([p for p, _ in found]))
    return {"value": rows.value, "ci": list(rows.ci) if rows.ci else None, "n": rows.n}


def excess(margins: Floats, targets: Floats) -> float:
    """Mean cross-entropy of σ(margin) on soft targets less the targets' own entropy, in nats."""
    cross = np.logaddexp(0, -margins) * targets + np.logaddexp(0, margins) * (1 - targets)
    safe = np.clip(targets, 1e-12, 1 - 1e-12)
    own = -(safe * np.log(safe) + (1 - safe) * np.log(1 - safe))
    return float(np.mean(cross - own)) if len(margins) else float("nan")


def temperature(margins: Floats, targets: Floats) -> float:
    """T with which σ(margin / T) fits the targets best (Guo et al. 2017), on a fine grid."""
    if not len(margins):
        return 1.0
    losses = [excess(margins / t, targets) for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def calibration(pairs: Sequence[Pair], margins: Floats) -> dict[str, Any]:
    """σ(margin) against labels, before and after one temperature: ece, brier, bins; n.

    The temperature is fitted on one half of the prompts and tried on the other, and the other way
    round, so that "after" is a promise kept on pairs it has not seen.
    """
    if len(pairs) < 4:
        return {"n": len(pairs), "unscored": "fewer than four held-out pairs"}
    targets = np.array([pair.p for pair in pairs])
    codes = agreement.codes([pair.prompt for pair in pairs])
    half = codes % 2 == 0
    fitted = np.array(margins, dtype=float)
    for part in (half, ~half):
        fitted[part] = margins[part] / temperature(margins[~part], targets[~part])
    found: dict[str, Any] = {"n": len(pairs), "temperature": temperature(margins, targets)}
    for name, values in (("before", margins), ("after", fitted)):
        rows = agreement.calibration(1 / (1 + np.exp(-values)), targets, np.ones(len(pairs)), codes)
        found[name] = {
            "ece": rows.ece.value,
            "ece_ci": list(rows.ece.ci) if rows.ece.ci else None,
            "brier": rows.brier.value,
            "bins": [
                {"low": b.low, "high": b.high, "promised": b.promised, "rate": b.rate.value,
                 "n": b.rate.n}
                for b in rows.bins
            ],
        }  # fmt: skip
    return found

"""JSON out: the fields that scripts rely on."""

from typing import Any

from cai_app.intervals import Estimate
from cai_app.judge.results import (
    Ablation,
    Conflict,
    Conflicts,
    Dropped,
    Effect,
    Inversion,
    Inverted,
    Measured,
)
from cai_app.records import RunInfo, Transcript, Verdict


def critique_json(transcript: Transcript) -> dict[str, Any]:
    """What `critique --json` prints. `revision` is the last answer, the draft without rounds."""
    steps = transcript.steps
    answers = [step.text for step in steps if step.kind != "critique"]
    critiques = {step.round: step for step in steps if step.kind == "critique"}
    rounds = []
    for step in steps:
        if step.kind != "revision":
            continue
        critique = critiques.get(step.round)
        flags = (*(critique.flags if critique else ()), *step.flags)
        rounds.append(
            {
                "principle": step.principle,
                "critique": critique.text if critique else None,
                "revision": step.text,
                "flags": list(dict.fromkeys(flags)),
            }
        )
    return {
        "prompt": transcript.prompt,
        "backend": transcript.backend,
        "adapter": transcript.adapter,
        "constitution": transcript.constitution.model_dump(),
        "seed": transcript.seed,
        "draft": answers[0] if answers else None,
        "rounds": rounds,
        "revision": answers[-1] if answers else None,
    }


def judge_json(verdict: Verdict) -> dict[str, Any]:
    """What `judge --json` prints."""
    return {
        "prompt": verdict.prompt,
        "a": verdict.a,
        "b": verdict.b,
        "backend": verdict.backend,
        "adapter": verdict.adapter,
        "constitution": verdict.constitution.model_dump(),
        "seed": verdict.seed,
        "p_a": verdict.p_a,
        "orders": [
            order.model_dump(include={"first", "p_a", "lost_mass"}) for order in verdict.orders
        ],
        "principles": [one.model_dump(include={"id", "p_a"}) for one in verdict.principles],
        "rationale": verdict.rationale,
        "unscored_reason": verdict.unscored_reason,
    }


def run_json(info: RunInfo) -> dict[str, Any]:
    """What commands print of a run: what it is and came to, then how it stands."""
    fields = info.model_dump(mode="json", exclude={"id", "pid", "queued"})
    first = ("kind", "state", "error", "outputs", "metrics")
    return {"run": info.id, **{name: fields.pop(name) for name in first}, **fields}


def measured_json(found: Measured) -> dict[str, Any]:
    """What `constitution effect|ablate|invert|conflicts --json` print of a measurement."""
    common = {"n": found.n, "unscored": len(found.unscored), "unscored_reasons": found.unscored}
    match found:
        case Effect():
            rates = {
                "flips": found.flips,
                **_estimate(found.flip_rate, "flip_rate", "flip_ci"),
                **_estimate(found.shift, "mean_shift", "ci"),
                **_estimate(found.toward_a, "toward_a", "toward_a_ci"),
            }
            return {**common, **rates, "rows": [row.model_dump() for row in found.rows]}
        case Ablation():
            return {**common, "principles": [_part(one) for one in found.principles]}
        case Inversion():
            return {
                **common,
                "clear": found.clear,
                "flips": found.flips,
                **_estimate(found.flip_rate, "flip_rate", "flip_ci"),
                **_estimate(found.error, "error", "error_ci"),
                "principles": [_part(one) for one in found.principles],
                "rows": [row.model_dump() for row in found.rows],
            }
        case Conflicts():
            return {
                **common,
                "sure": found.sure,
                "ids": list(found.ids),
                "matrix": [_conflict(one) for one in found.pairs],
            }
    raise AssertionError(f"unknown measurement {type(found).__name__}")


def _conflict(one: Conflict) -> dict[str, Any]:
    return {
        "first": one.first,
        "second": one.second,
        **_estimate(one.disagree, "disagree", "ci"),
        **_estimate(one.sure, "disagree_sure", "sure_ci"),
        "examples": [row.model_dump() for row in one.examples],
    }


def _part(one: Dropped | Inverted) -> dict[str, Any]:
    """One principle of a measurement, its estimates as a value and an interval."""
    plain = one.model_dump(exclude={"flip_rate", "shift"})
    shift = _estimate(one.shift, "mean_shift", "ci") if isinstance(one, Dropped) else {}
    return {**plain, **_estimate(one.flip_rate, "flip_rate", "flip_ci"), **shift}


def _estimate(found: Estimate, value: str, interval: str) -> dict[str, Any]:
    return {value: found.value, interval: list(found.ci) if found.ci else None}

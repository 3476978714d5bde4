"""What a policy does at one moment: the same fixed prompts with the same draws at every look."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from cai_app.backends.adapters import Key
from cai_app.intervals import codes, mean
from cai_app.pocket import tasks
from cai_app.pocket.tasks import Task
from cai_app.work import rloo, signs
from cai_app.work.one_base import OneBase, Written

_ROWS = 32  # texts at once


class Scorer(NamedTuple):
    """A preference model with the scale that was kept with it."""

    key: Key
    mean: float
    std: float

    def score(self, base: OneBase, prompts: Sequence[str], texts: Sequence[str]) -> torch.Tensor:
        """Standardised scores [texts]: the start policy's samples have mean 0 and spread 1."""
        whole = [base.text(p, t) for p, t in zip(prompts, texts, strict=True)]
        return (base.score(self.key, whole) - self.mean) / self.std


class Judged(NamedTuple):
    """What the reference rule says of one answer; None where it cannot read it, or has no scene."""

    harmful: bool
    harm: int | None
    helpfulness: int | None


def judged(task: Task | None, text: str) -> Judged | None:
    """The reference rule on an answer to one of the world's requests; None for other prompts."""
    if task is None:
        return None
    reply = tasks.read(task, text)
    harm, helpfulness = (reply.harm, reply.helpfulness) if reply else (None, None)
    return Judged(task.scene.act.harmful, harm, helpfulness)


class Looked(NamedTuple):
    """Answers with their scores, and the numbers that the curves show."""

    written: list[Written]
    scores: list[float]
    judged: list[Judged | None]
    numbers: dict[str, float]
    grams: list[tuple[str, float]]
    error: float


def look(
    base: OneBase,
    policy: Key,
    start: Key,
    prompts: Sequence[tuple[str, Task | None]],
    *,
    pm: Scorer,
    test: Scorer | None,
    seed: int,
    max_tokens: int,
) -> Looked:
    """Answer every prompt; KL is exact at each place of the answers, and never negative."""
    asked = [prompt for prompt, _ in prompts]
    written = base.write(
        policy, asked, [seed + n for n in range(len(asked))], max_tokens=max_tokens
    )
    texts = [one.text for one in written]
    scores = pm.score(base, asked, texts)
    found = [judged(task, one.text) for (_, task), one in zip(prompts, written, strict=True)]
    kl = float(kl_of(base, policy, start, written).mean())
    numbers = {
        "held_out_pm": float(scores.mean()),
        "kl": kl,
        "sqrt_kl": math.sqrt(kl),
        "length": sum(len(one.ids) for one in written) / len(written),
        "evasive": sum(map(signs.evasive, texts)) / len(texts),
        "boilerplate": sum(map(signs.boilerplate, texts)) / len(texts),
    }
    error = float(scores.std()) / math.sqrt(len(scores))
    if test is not None:
        watched = test.score(base, asked, texts)
        numbers["test_pm"] = float(watched.mean())
        error = float(watched.std()) / math.sqrt(len(watched))
    grams = signs.top_grams(texts)
    numbers["top_5gram"] = grams[0][1] if grams else 0.0
    numbers |= reference_numbers(found)
    return Looked(written, scores.tolist(), found, numbers, grams, error)


def kl_of(base: OneBase, policy: Key, start: Key, written: Sequence[Written]) -> torch.Tensor:
    """KL to the start policy of each response [rows], in nats."""
    order = sorted(range(len(written)), key=lambda n: len(written[n].prompt + written[n].ids))
    found = torch.zeros(len(written))
    with torch.no_grad():
        for first in range(0, len(order), _ROWS):
            some = order[first : first + _ROWS]
            rows = [written[n] for n in some]
            base.adapters.use(policy)
            ours, _, there = base.logits(rows)
            base.adapters.use(start)
            theirs, _, _ = base.logits(rows)
            found[some] = rloo.exact_kl(ours, theirs, there).cpu()
    return found


def reference_numbers(found: Sequence[Judged | None]) -> dict[str, float]:
    """Mean harm (0-4) on harmful requests, helpfulness (0-100) on harmless ones, share unscored;
    nothing where no prompt has a scene."""
    known = [one for one in found if one is not None]
    if not known:
        return {}
    harm = [one.harm for one in known if one.harmful and one.harm is not None]
    helped = [one.helpfulness for one in known if not one.harmful and one.helpfulness is not None]
    numbers = {"unscored": sum(one.harm is None for one in known) / len(known)}
    if harm:
        numbers["harm"] = sum(harm) / len(harm)
    if helped:
        numbers["helpfulness"] = 100 * sum(helped) / (3 * len(helped))
    return numbers


def compared(
    prompts: Sequence[tuple[str, Task | None]],
    before: Sequence[Judged | None],
    after: Sequence[Judged | None],
) -> dict[str, Any]:
    """Start and final policy by the reference rule on the same requests: harm of each (0-4), and
    the change in helpfulness in points of 100; value, 95 % interval, n. Acts are clusters."""
    rows = [
        (task.scene.act.id, one, two)
        for (_, task), one, two in zip(prompts, before, after, strict=True)
        if task is not None and one is not None and two is not None
    ]
    harm = {
        name: _mean([(act, pair[n].harm) for act, *pair in rows if pair[n].harmful], 1.0)
        for n, name in enumerate(("harm_start", "harm"))
    }
    both = [
        (act, two.helpfulness - one.helpfulness)
        for act, one, two in rows
        if not one.harmful and one.helpfulness is not None and two.helpfulness is not None
    ]
    found: dict[str, Any] = {**harm, "helpfulness_change": _mean(both, 100 / 3)}
    for n, name in enumerate(("helpfulness_start", "helpfulness")):
        found[name] = _mean(
            [(act, pair[n].helpfulness) for act, *pair in rows if not pair[n].harmful], 100 / 3
        )
    for n, name in enumerate(("unscored_start", "unscored")):
        found[name] = _mean([(act, float(pair[n].harm is None)) for act, *pair in rows], 1.0)
    return found


def gained(
    base: OneBase,
    prompts: Sequence[str],
    before: Sequence[str],
    after: Sequence[str],
    scorers: Mapping[str, Scorer],
) -> dict[str, Any]:
    """What each preference model says of start and final policy on the same prompts, and the
    change, prompt by prompt: value, 95 % interval, n. Prompts are clusters."""
    found: dict[str, Any] = {}
    for name, scorer in scorers.items():
        old, new = (scorer.score(base, prompts, texts).tolist() for texts in (before, after))
        for key, values in (
            (f"{name}_start", old),
            (name, new),
            (f"{name}_change", [b - a for a, b in zip(old, new, strict=True)]),
        ):
            found[key] = _mean(list(zip(prompts, values, strict=True)), 1.0)
    return found


def _mean(rows: Sequence[tuple[str, float | None]], scale: float) -> dict[str, Any]:
    known = [(act, value * scale) for act, value in rows if value is not None]
    made = mean([value for _, value in known], codes([act for act, _ in known]))
    return {"value": made.value, "ci": list(made.ci) if made.ci else None, "n": made.n}

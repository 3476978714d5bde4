"""One comparison (CAI 4.1): choice probabilities in both orders, from prompts to the verdict."""

import hashlib
import math
import random
from collections.abc import Generator, Sequence
from statistics import fmean
from typing import Literal

from cai_app import prompts
from cai_app.backends.base import Backend
from cai_app.constitution import Constitution, draw, pick
from cai_app.errors import InputError
from cai_app.judge.events import Event, JudgeConfig, Judged, PrincipleScored, RationaleAdded
from cai_app.judge.window import Window
from cai_app.records import (
    OrderVerdict,
    PreferencePrinciple,
    PrincipleVerdict,
    Prompt,
    Sampling,
    Side,
    Verdict,
)
from cai_app.settings import Settings

ALL = "all"
ORDERS: tuple[Side, ...] = ("a", "b")
# Above this, P(A) is the ratio of two crumbs: the model did not answer the question at all.
MOST_LOST = 0.9
_STOP = ("\n\nHuman:",)


def compare(
    backend: Backend,
    constitution: Constitution,
    prompt: str,
    a: str,
    b: str,
    config: JudgeConfig,
    *,
    settings: Settings,
) -> Generator[Event, None, None]:
    """Ask which response is better, always in both orders.

    Closing the generator cancels the live rationale. Raises InputError for empty texts, an unknown
    principle and a prompt beyond the window, BackendError where a backend gives no
    log-probabilities.
    """
    prompts.template_hash()  # templates and few-shots that were edited are read again
    kind: Literal["judge", "judge_cot"] = "judge_cot" if config.cot else "judge"
    shots = prompts.few_shots(kind, config.few_shot, settings)
    render = prompts.judge_cot if config.cot else prompts.judge
    window = Window(backend, config)
    found: list[PrincipleVerdict] = []
    for principle in asked_principles(constitution, config):
        asked = [
            render(prompt, *((a, b) if first == "a" else (b, a)), principle, shots=shots)
            for first in ORDERS
        ]
        if problem := window.problem(asked):
            raise InputError(problem)
        if config.cot:
            orders = yield from _reasoned(backend, asked, principle.id, config)
        else:
            orders = scored(backend, asked, ORDERS)
        found.append(principle_verdict(principle, orders, config))
        yield PrincipleScored(verdict=found[-1])
    orders = found[0].orders if len(found) == 1 else _mean_orders(found)
    known = [v.p_a for v in found if v.p_a is not None]
    verdict = Verdict(
        prompt=prompt,
        a=a,
        b=b,
        backend=backend.spec,
        adapter=backend.info().adapter,
        constitution=constitution.ref,
        seed=config.seed,
        few_shot=config.few_shot,
        cot=config.cot,
        clamp=config.clamp if config.cot else None,
        p_a=fmean(known) if known else None,
        orders=orders,
        principles=tuple(found),
        rationale=_rationale(found) if config.cot else None,
        unscored_reason=None if known else found[0].unscored_reason,
    )
    yield Judged(verdict=verdict)


def asked_principles(constitution: Constitution, config: JudgeConfig) -> list[PreferencePrinciple]:
    """The principles that a comparison is judged under."""
    known = constitution.preference
    if config.principle == ALL:
        if able := [p for p in known if p.enabled]:
            return able
        raise InputError(f"constitution {constitution.name} has no enabled preference principle")
    if config.principle is None:
        return [draw(known, random.Random(f"{config.seed}-judge"), of=constitution.name)]
    return [pick(known, config.principle, of=constitution.name)]


def scored(
    backend: Backend, asked: Sequence[Prompt], firsts: Sequence[Side]
) -> tuple[OrderVerdict, ...]:
    """A verdict for each prompt, from the probabilities of the two choices after it."""
    rows = backend.choice_logprobs(asked, prompts.CHOICES)
    return tuple(order_verdict(first, row) for first, row in zip(firsts, rows, strict=True))


def order_verdict(first: Side, logprobs: Sequence[float]) -> OrderVerdict:
    """P(a) of one order from the log-probabilities of " (A)" and " (B)"."""
    mass = [math.exp(lp) if lp == lp else 0.0 for lp in logprobs]
    total = sum(mass)
    lost = min(1.0, max(0.0, 1.0 - total))
    if lost > MOST_LOST:
        reason = f"the model put {lost:.0%} of its probability on neither (A) nor (B)"
        return OrderVerdict(first=first, lost_mass=lost, unscored_reason=reason)
    shown_first = mass[0] / total
    return OrderVerdict(
        first=first, p_a=shown_first if first == "a" else 1 - shown_first, lost_mass=lost
    )


def _reasoned(
    backend: Backend, asked: Sequence[Prompt], principle: str, config: JudgeConfig
) -> Generator[Event, None, tuple[OrderVerdict, ...]]:
    """Both orders with chain of thought: a rationale each, then the answer."""
    orders = []
    for first, prompt in zip(ORDERS, asked, strict=True):
        stream = backend.stream(prompt, reasoning(config, principle, first))
        text = ""
        try:
            for piece in stream:
                text += piece
                yield RationaleAdded(principle=principle, first=first, text=piece)
        finally:
            stream.cancel()  # on close() too: the model is free at its next token
        ended = stream.completion
        text = ended.text if ended is not None else text
        if reason := unusable(text, ended.finish if ended else None, config):
            order = OrderVerdict(first=first, unscored_reason=reason)
        else:
            (order,) = scored(backend, [prompts.judge_cot_answer(prompt, text)], [first])
        orders.append(order.model_copy(update={"rationale": text.strip()}))
    return tuple(orders)


def reasoning(config: JudgeConfig, principle: str, first: Side) -> Sampling:
    """How the reasoning of one order is sampled."""
    digest = hashlib.sha256(f"{config.seed}-{principle}-{first}".encode()).digest()
    return Sampling(
        seed=int.from_bytes(digest[:4], "big"),
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        stop=_STOP,
    )


def unusable(text: str, finish: str | None, config: JudgeConfig) -> str | None:
    """Why reasoning cannot be answered from; None where it can."""
    if not text.strip():
        return "the model wrote no reasoning"
    if finish == "length":
        return f"the reasoning was cut off at {config.max_tokens} tokens; allow more"
    return "the reasoning was stopped" if finish == "cancelled" else None


def principle_verdict(
    principle: PreferencePrinciple, orders: tuple[OrderVerdict, ...], config: JudgeConfig
) -> PrincipleVerdict:
    """The mean of both orders; unscored where either is."""
    low, high = config.clamp if config.clamp and config.cot else (0.0, 1.0)
    known = [min(high, max(low, o.p_a)) for o in orders if o.p_a is not None]
    failed = next((o for o in orders if o.p_a is None), None)
    reason = f"with {failed.first} first, {failed.unscored_reason}" if failed else None
    return PrincipleVerdict(
        id=principle.id,
        question=principle.question,
        p_a=fmean(known) if failed is None else None,
        orders=orders,
        unscored_reason=reason,
    )


def unscored(principle: PreferencePrinciple, reason: str) -> PrincipleVerdict:
    """The verdict on a comparison that could not be asked."""
    return PrincipleVerdict(
        id=principle.id, question=principle.question, p_a=None, orders=(), unscored_reason=reason
    )


def _mean_orders(found: Sequence[PrincipleVerdict]) -> tuple[OrderVerdict, ...]:
    """Each order's means over the principles that are scored in it."""
    means = []
    for index, first in enumerate(ORDERS):
        orders = [verdict.orders[index] for verdict in found]
        p = [o.p_a for o in orders if o.p_a is not None]
        lost = [o.lost_mass for o in orders if o.lost_mass is not None]
        means.append(
            OrderVerdict(
                first=first,
                p_a=fmean(p) if p else None,
                lost_mass=fmean(lost) if lost else None,
                unscored_reason=None if p else orders[0].unscored_reason,
            )
        )
    return tuple(means)


def _rationale(found: Sequence[PrincipleVerdict]) -> str:
    """All reasoning as one text, headed by principle and order."""
    return "\n\n".join(
        f"{verdict.id}, {order.first} first:\n{order.rationale}"
        for verdict in found
        for order in verdict.orders
    )

"""`judge`: which of two responses is better, in both orders."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from cai_app.commands.output import only_json, parsed
from cai_app.judge import JudgeConfig, Judged, PrincipleScored, RationaleAdded
from cai_app.records import Verdict
from cai_app.settings import Settings
from cai_app.workbench import Workbench, judge_json


@dataclass(frozen=True)
class Judge:
    """Ask which of two responses is better, always in both orders."""

    prompt: str
    """What the human says"""
    a: str
    """One response"""
    b: str
    """The other"""
    backend: str = "pocket"
    """pocket, pocket-s|m|l[@ADAPTER], hf:PATH-OR-ID[@ADAPTER], openai:URL#MODEL"""
    constitution: str = "harmless"
    """NAME, NAME@HASH or a path"""
    principle: str | None = None
    """Id of a principle, or "all"; one is drawn where none is given"""
    few_shot: int = 5
    """Few-shots before the question"""
    cot: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Reason step by step before answering"""
    clamp: tuple[float, float] | None = None
    """With --cot: draw probabilities into this range, such as 0.4 0.6"""
    seed: int = 0
    """Same seed, same result"""
    max_tokens: int = 160
    """Most tokens of the reasoning"""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], settings: Settings) -> int:
    """Run the command."""
    asked = parsed(Judge, argv, "judge")
    config = JudgeConfig(
        principle=asked.principle,
        few_shot=asked.few_shot,
        cot=asked.cot,
        clamp=asked.clamp,
        seed=asked.seed,
        max_tokens=asked.max_tokens,
    )
    workbench = Workbench(settings)
    try:
        with only_json(asked.json) as show:
            verdict = _follow(workbench, asked, config)
            if asked.json:
                show(judge_json(verdict))
            else:
                _print_total(verdict)
    finally:
        workbench.close()
    return 0


def _follow(workbench: Workbench, asked: Judge, config: JudgeConfig) -> Verdict:
    """The verdict; without --json reasoning and principles are printed as they come."""
    heard: tuple[str, str] | None = None
    for event in workbench.compare(
        asked.prompt,
        asked.a,
        asked.b,
        config,
        backend=asked.backend,
        constitution=asked.constitution,
    ):
        if isinstance(event, Judged):
            return event.verdict
        if asked.json:
            continue
        if isinstance(event, RationaleAdded):
            if heard != (event.principle, event.first):
                heard = (event.principle, event.first)
                print(f"\n--- reasoning, {event.principle}, {event.first} first", end="")
            print(event.text, end="", flush=True)
        else:
            _print_principle(event)
    raise AssertionError("a comparison ends with Judged")


def _print_principle(event: PrincipleScored) -> None:
    found = event.verdict
    print(f"\n--- {found.id}: {found.question}")
    for order in found.orders:
        said = order.unscored_reason or f"P(a) {order.p_a:.3f}"
        lost = "" if order.lost_mass is None else f", lost mass {order.lost_mass:.3f}"
        print(f"  {order.first} first: {said}{lost}")


def _print_total(verdict: Verdict) -> None:
    if verdict.p_a is None:
        print(f"\nunscored: {verdict.unscored_reason}")
    else:
        print(f"\nP(a is better) = {verdict.p_a:.3f}")

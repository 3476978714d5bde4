"""What is measured: the moments of the method where somebody waits, and the bulk of its work."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cai_app import prompts
from cai_app.bench.sides import Side, Timed
from cai_app.constitution import load
from cai_app.errors import InputError
from cai_app.records import PreferencePrinciple, Prompt
from cai_app.settings import Settings

BAD = "Sure, you can use an app called QuickPeek while nobody is looking."
SHOTS, ROUNDS = 5, 4
PAIRS, BULK, SCORED = 200, 256, 1000


class Case(NamedTuple):
    """One row: the least ratio it should reach, and how a side does each of its parts.

    The first part warms both sides up. A row's seconds are the median part, times `parts`.
    """

    row: str
    target: float
    inputs: Sequence[Any]
    measure: Callable[[Side, Any], Timed]
    parts: int = 1
    scores: bool = False


def timed(act: Callable[[], list[Any]]) -> Timed:
    """What was made, and the seconds it took."""
    start = time.perf_counter()
    made = act()
    return Timed(time.perf_counter() - start, made)


class _Method:
    """The constitution `harmless` and its few-shots, and what each case asks of a side."""

    def __init__(self, settings: Settings) -> None:
        constitution = load("harmless", settings)
        self.supervised, self.preference = constitution.supervised, constitution.preference
        self.chain_shots = prompts.few_shots("critique", SHOTS, settings)
        self.judge_shots = prompts.few_shots("judge", SHOTS, settings)

    def critique(self, text: str, response: str = BAD, round: int = 0) -> Prompt:
        return prompts.critique(text, response, self.supervised[round], shots=self.chain_shots)

    def chain(self, side: Side, text: str) -> Timed:
        """A draft and all rounds, one text at a time."""

        def write() -> list[Any]:
            made = [side.write_one(prompts.draft(text))]
            for round in range(ROUNDS):
                draft = made[-1]
                made.append(side.write_one(self.critique(text, draft, round)))
                principle = self.supervised[round]
                asked = prompts.revision(text, draft, principle, made[-1], shots=self.chain_shots)
                made.append(side.write_one(asked))
            return made

        return timed(write)

    def first_token(self, side: Side, text: str) -> Timed:
        return timed(lambda: [side.write_one(self.critique(text), 1)])

    def judging(self, shots: prompts.Shots) -> Callable[[Side, Any], Timed]:
        """Numbered pairs, each under the principle whose turn it is."""

        def measure(side: Side, some: Sequence[tuple[int, dict[str, str]]]) -> Timed:
            asked = [
                one
                for n, pair in some
                for one in _questions(pair, shots, [self.preference[n % len(self.preference)]])
            ]
            return timed(lambda: side.chances(asked))

        return measure

    def all_principles(self, side: Side, pair: dict[str, str]) -> Timed:
        asked = _questions(pair, self.judge_shots, self.preference)
        return timed(lambda: side.chances(asked))


def _questions(
    pair: dict[str, str], shots: prompts.Shots, principles: Sequence[PreferencePrinciple]
) -> list[Prompt]:
    """A pair under every principle, in both orders."""
    return [
        prompts.judge(pair["prompt"], pair[a], pair[b], one, shots=shots)
        for one in principles
        for a, b in ("ab", "ba")
    ]


def _second(side: Side, text: str) -> Timed:
    return side.second(prompts.draft(text), prompts.draft(f"Please tell me: {text}"))


def _scored(rows: int) -> Callable[[Side, Any], Timed]:
    return lambda side, some: timed(lambda: side.scores(some, rows))


def table(settings: Settings, repeats: int) -> list[Case]:
    """All cases, with the prompts of constitution `harmless` and five few-shots."""
    texts = [one["prompt"] for one in _lines(settings, "red-team.jsonl")]
    mild = [one["prompt"] for one in _lines(settings, "helpful.jsonl")]
    pairs = _lines(settings, "comparisons.jsonl")[:PAIRS]
    if repeats >= len(texts):
        raise InputError(f"--repeats may be {len(texts) - 1} at most; {repeats} was asked")
    method = _Method(settings)
    numbered = _warmed(list(enumerate(pairs)), repeats)
    answers = [
        f"{prompts.human_turn(one['prompt'])} {one[side]}{more}"
        for more in ("", " I hope that it helps.", " Take your time with it, and ask me again.")
        for one in pairs
        for side in "ab"
    ][:SCORED]
    some = texts[: repeats + 1]
    bulk = [prompts.draft(_longer(text, n)) for n, text in enumerate((texts + mild) * 4)][:BULK]
    return [
        Case(f"judge {PAIRS} pairs, both orders, {SHOTS}-shot", 5, numbered,
             method.judging(method.judge_shots), repeats),
        Case(f"judge {PAIRS} pairs, both orders, zero-shot", 1.4, numbered,
             method.judging(prompts.NO_SHOTS), repeats),
        Case(f"{len(method.preference)} principles on a pair, both orders, {SHOTS}-shot", 7,
             pairs[: repeats + 1], method.all_principles),
        Case(f"live chain, {SHOTS}-shot, {ROUNDS} rounds", 1.6, some, method.chain),
        Case("live chain: first token of a critique", 3, some, method.first_token),
        Case("two at once: the second's first token", 2, some, _second),
        Case(f"bulk: {BULK} prompts", 1.5, [bulk[:32], *[bulk] * min(3, repeats)],
             lambda side, asked: timed(lambda: side.write(asked))),
        Case(f"scores of {SCORED:,} responses, one at a time", 8, _warmed(answers, repeats),
             _scored(1), repeats, scores=True),
        Case(f"scores of {SCORED:,} responses, in batches", 1.3, _warmed(answers, repeats),
             _scored(32), repeats, scores=True),
    ]  # fmt: skip


def _warmed(items: list[Any], parts: int) -> list[list[Any]]:
    """Items in so many parts, each of all kinds, and a short one before to warm up."""
    return [items[:16], *(items[start::parts] for start in range(parts))]


def _longer(text: str, n: int) -> str:
    """Requests as they come: some short, some with a story."""
    return " ".join([text, *["I have been thinking about it for a while."] * (n % 5), f"({n})"])


def _lines(settings: Settings, name: str) -> list[dict[str, str]]:
    path: Path = settings.data / "prompts" / name
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

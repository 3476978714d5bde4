"""What is measured: the moments of the method where somebody waits, each on several dialogues."""

import json
from collections.abc import Callable
from typing import NamedTuple

from cai_app import prompts
from cai_app.bench.sides import Side, Timed
from cai_app.constitution import load
from cai_app.errors import InputError
from cai_app.records import Prompt
from cai_app.settings import Settings

BAD = "Sure, you can use an app called QuickPeek while nobody is looking."
GOOD = "I would not do that, because it is unkind. You could ask them first."
CRITIQUE = "The response helps with something that is an invasion of privacy."
SHOTS = 5
DRAFTS = 32


class Case(NamedTuple):
    """One row: the least ratio it should reach, and how a side does it for one dialogue."""

    row: str
    target: float
    measure: Callable[[Side, str], Timed]


def dialogues(settings: Settings, n: int) -> list[str]:
    """The first n requests of data/prompts/red-team.jsonl."""
    path = settings.data / "prompts" / "red-team.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) < n:
        raise InputError(
            f"{path.name} has {len(lines)} requests; --repeats may be {len(lines) - 1}"
        )
    return [json.loads(line)["prompt"] for line in lines[:n]]


def table(settings: Settings) -> list[Case]:
    """All cases, with the prompts of constitution `harmless` and five few-shots."""
    constitution = load("harmless", settings)
    principle = constitution.supervised[0]
    chain_shots = prompts.few_shots("critique", SHOTS, settings)
    judge_shots = prompts.few_shots("judge", SHOTS, settings)

    def critique(text: str) -> Prompt:
        return prompts.critique(text, BAD, principle, shots=chain_shots)

    def revision(side: Side, text: str) -> Timed:
        side.first(critique(text))  # in a chain the critique has just been written
        return side.first(prompts.revision(text, BAD, principle, CRITIQUE, shots=chain_shots))

    def questions(text: str) -> list[Prompt]:
        return [
            prompts.judge(text, a, b, question, shots=judge_shots)
            for question in constitution.preference
            for a, b in ((BAD, GOOD), (GOOD, BAD))
        ]

    def many(text: str) -> list[Prompt]:
        return [prompts.draft(f"{text} I have {n} days.") for n in range(DRAFTS)]

    def second(side: Side, text: str) -> Timed:
        return side.second(prompts.draft(text), prompts.draft(f"Please tell me: {text}"))

    asked = f"judging: {len(constitution.preference)} principles, both orders"
    return [
        Case("critique: first token", 3, lambda side, text: side.first(critique(text))),
        Case("revision: first token", 3, revision),
        Case(asked, 8, lambda side, text: side.chances(questions(text))),
        Case(f"{DRAFTS} drafts in a batch", 2, lambda side, text: side.write(many(text))),
        Case("two at once: the second's first token", 2, second),
    ]

"""`critique`: a chain in the terminal, streamed, or as JSON."""

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from cai_app.commands.output import only_json, parsed
from cai_app.critique import ChainConfig, ChainEnded, StepEnded, StepStarted, TextAdded
from cai_app.records import Step, Transcript
from cai_app.settings import Settings
from cai_app.workbench import Workbench, critique_json


@dataclass(frozen=True)
class Critique:
    """Draft an answer, then critique and revise it under principles of a constitution."""

    prompt: str
    """What the human says; text that begins with "Human:" is a whole dialogue"""
    backend: str = "pocket"
    """pocket, pocket-s|m|l[@ADAPTER], hf:PATH-OR-ID[@ADAPTER], openai:URL#MODEL"""
    constitution: str = "harmless"
    """NAME, NAME@HASH or a path"""
    rounds: int = 1
    """Rounds of critique and revision, 0 to 4"""
    principle: str | None = None
    """Id of a principle; drawn for each round where none is given"""
    direct: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Revise without a critique"""
    few_shot: int = 5
    """Few-shots before each request"""
    temperature: float = 1.0
    """Sampling temperature; 0 is greedy"""
    seed: int = 0
    """Same seed, same result"""
    max_tokens: int = 160
    """Most tokens of one step"""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], settings: Settings) -> int:
    """Run the command."""
    asked = parsed(Critique, argv, "critique")
    config = ChainConfig(
        rounds=asked.rounds,
        principle=asked.principle,
        direct=asked.direct,
        few_shot=asked.few_shot,
        temperature=asked.temperature,
        seed=asked.seed,
        max_tokens=asked.max_tokens,
    )
    workbench = Workbench(settings)
    try:
        with only_json(asked.json) as show:
            made = _follow(workbench, asked, config)
            if asked.json:
                show(critique_json(made))
    finally:
        workbench.close()
    return 0


def _follow(workbench: Workbench, asked: Critique, config: ChainConfig) -> Transcript:
    """The finished chain; without --json it is printed as it is written."""
    events = workbench.chain(
        asked.prompt, config, backend=asked.backend, constitution=asked.constitution
    )
    named = set[str]()
    for event in events:
        if isinstance(event, ChainEnded):
            return event.transcript
        if isinstance(event, StepStarted):
            asked_of = f"{asked.prompt}\n{event.step.request or ''}"
            backend = workbench.open(asked.backend)
            words = backend.unknown_words(asked_of)
            fresh = [word for word in words if word not in named]
            _note(fresh, workbench.near_examples(asked.prompt, backend) if fresh else [])
            named.update(words)
        if not asked.json:
            _print(event)
    raise AssertionError("a chain ends with ChainEnded")


def _note(words: list[str], near: list[str]) -> None:
    """Words the model never saw, and prompts near by that it knows, on standard error."""
    if words:
        never = ", ".join(f"“{word}”" for word in words)
        known = " | ".join(near)
        print(f"This model never saw {never}. It knows, for example: {known}", file=sys.stderr)


def _print(event: StepStarted | TextAdded | StepEnded) -> None:
    match event:
        case StepStarted(step=step):
            print(_heading(step))
        case TextAdded(text=text):
            print(text, end="", flush=True)
        case StepEnded(step=step):
            print(f"\n[{', '.join(step.flags)}]\n" if step.flags else "\n")


def _heading(step: Step) -> str:
    if step.kind == "draft":
        return f"--- draft (seed {step.seed})"
    return f"--- {step.kind} {step.round}, {step.principle}: {step.request}"

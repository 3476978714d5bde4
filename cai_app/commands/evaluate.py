"""`evaluate hhh`: questions with a right answer, beside what needs no model."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from cai_app.commands.output import chosen, from_caller, only_json, parsed
from cai_app.errors import InputError
from cai_app.formats import cai_evals
from cai_app.judge import Answer, Choice, JudgeConfig, Report, answer_choices, report
from cai_app.settings import Settings
from cai_app.workbench import Workbench


@dataclass(frozen=True)
class Hhh:
    """Answer A/B questions in the form of the paper's 438HHHEvaluations.jsonl, in both orders."""

    path: tyro.conf.Positional[Path]
    """JSON lines with prompt, corrects, incorrects, and a category where there is one"""
    backend: str = "pocket"
    """pocket, pocket-s|m|l[@ADAPTER], hf:PATH-OR-ID[@ADAPTER], openai:URL#MODEL"""
    few_shot: int = 5
    """Few-shots before the question; 0 asks without"""
    cot: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Reason step by step before answering"""
    samples: int = 1
    """With --cot: so many chains of thought for each order, their chances averaged"""
    max_tokens: int = 160
    """With --cot: most tokens of a chain of thought"""
    limit: int | None = None
    """At most so many questions"""
    seed: int = 0
    """Same seed, same result"""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON value and nothing else"""


SHOWN = 3  # reasons in the terminal

FORMS: dict[str, Any] = {"hhh": Hhh}


def main(argv: list[str], settings: Settings) -> int:
    """Run the sub-command that the first argument names."""
    form = chosen("evaluate", argv, FORMS)
    if form is None:
        return 0
    asked: Hhh = parsed(form, argv[1:], f"evaluate {argv[0]}")
    config = JudgeConfig(
        few_shot=asked.few_shot, cot=asked.cot, seed=asked.seed, max_tokens=asked.max_tokens
    )
    choices, rejected = _read(from_caller(asked.path), asked.limit)
    workbench = Workbench(settings)
    try:
        with only_json(asked.json) as show:
            backend = workbench.open(asked.backend)
            answers: list[Answer] = []
            for batch in answer_choices(
                backend, choices, config, settings=settings, samples=asked.samples
            ):
                answers += batch
                end = "\n" if len(answers) == len(choices) else "\r"
                print(f"{len(answers)} of {len(choices)}", end=end, file=sys.stderr, flush=True)
            found = report(choices, answers)
            info = backend.info()
            if asked.json:
                about = {"backend": info.spec, "adapter": info.adapter, "rejected": rejected}
                show({**found.model_dump(mode="json"), **about})
            else:
                _print(found, rejected)
    finally:
        workbench.close()
    return 0


def _read(path: Path, limit: int | None) -> tuple[list[Choice], int]:
    """The questions of a file, and how many of its rows are none: the first ones are named."""
    if limit is not None and limit < 1:
        raise InputError(f"--limit is {limit}, but should be at least 1")
    choices: list[Choice] = []
    reasons: list[str] = []
    for one in cai_evals.questions(path):
        if isinstance(one, cai_evals.Question):
            choices.append(Choice(**one._asdict()))
        else:
            reasons.append(f"line {one.number}: {one.reason}")
    if not choices:
        first = reasons[0] if reasons else "it has no lines"
        raise InputError(f"{path} holds no question with the answers (A) and (B) ({first})")
    _say(reasons)
    return choices[:limit], len(reasons)


def _say(reasons: Sequence[str]) -> None:
    if reasons:
        told = "; ".join(reasons[:3])
        print(f"{len(reasons)} rows are no questions: {told}", file=sys.stderr)


def _print(found: Report, rejected: int) -> None:
    print(f"{found.n} questions, {found.unscored} unscored, {rejected} rows rejected")
    _line("accuracy", found.accuracy, found.ci)
    for name, part in found.by_category.items():
        _line(f"  {name} ({part.scored} of {part.n})", part.accuracy, part.ci)
    _line("verdict changes with the order", found.flip_rate, found.flip_ci)
    for name, value in found.baselines.items():
        _line(f"without a model, {name.replace('_', ' ')}", value, None)
    for reason, count in list(found.unscored_reasons.items())[:SHOWN]:
        print(f"unscored {count}: {reason}")
    if len(found.unscored_reasons) > SHOWN:
        print(f"unscored for {len(found.unscored_reasons) - SHOWN} more reasons: see --json")


def _line(name: str, value: float | None, ci: Sequence[float] | None) -> None:
    between = f" [{ci[0]:.3f}, {ci[1]:.3f}]" if ci else ""
    print(f"{name}: {'–' if value is None else f'{value:.3f}'}{between}")

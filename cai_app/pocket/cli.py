"""`python -m cai_app pocket …`: texts, weights, scores."""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from cai_app.errors import InputError
from cai_app.settings import Settings


@dataclass(frozen=True)
class CorpusCommand:
    """Print documents of the corpus, as training sees them."""

    show: int = 5
    """how many documents"""
    seed: str = "0"
    """which ones"""
    sort: str | None = None
    """only this sort: dialogue, preamble, chain, direct, verdict, reasoned, …"""
    json: bool = False
    """one JSON value on standard output"""


@dataclass(frozen=True)
class TrainCommand:
    """Pre-train a pocket model from scratch (or go on), on CPU or GPU."""

    size: str = "m"
    """s, m or l"""
    out: Path | None = None
    """training folder with checkpoints (HOME/pocket/SIZE)"""
    tokens: int = 60_000_000
    """how many tokens to see"""
    minutes: float | None = None
    """train by the clock instead; the learning rate ends at zero then"""
    seed: int = 0
    """same seed, same corpus and weights"""
    device: str = "auto"
    """auto, cpu or cuda"""
    workers: int = 1
    """processes that write the corpus ahead"""
    compile: bool = False
    """let torch.compile fuse kernels (about twice as fast on a CPU; needs a C++ compiler)"""
    plain_chunks: int = 0
    """so many chunks of half a million tokens come first without few-shots"""
    lr_scale: float = 1.0
    """learning rates times this, such as 0.5 with --init"""
    resume: bool = False
    """go on from the checkpoint in `out`"""
    init: Path | None = None
    """start from these weights instead of random ones"""
    ship: bool = False
    """when done, put the model into data/pocket/SIZE with its vocabulary and model card"""
    adapter: str | None = None
    """train this adapter (helpful) on the shipped base instead of a base"""
    adapter_steps: int | None = None
    """optimizer steps of the adapter, if other than usual"""


@dataclass(frozen=True)
class EvaluateCommand:
    """Measure what a pocket model can do, on combinations it never saw."""

    backend: str = "pocket"
    """pocket, pocket-s|m|l[@ADAPTER]"""
    size: str | None = None
    """s, m or l: short for --backend pocket-SIZE"""
    cases: int = 1000
    """of every key; a quarter of them for the base beside it and for the kinds withheld"""
    few_shot: int = 5
    """few-shots before each request"""
    only: tuple[str, ...] = ()
    """replies, critiques, revisions, judging, reasoning, sequences, policies, texts (all)"""
    compare: Literal["precision", "sizes"] | None = None
    """differences case by case instead: NF4 minus bf16, or this size minus each other one"""
    workers: int = 0
    """processes that measure, each with one thread (0: one a core)"""
    card: bool = False
    """write what was measured into the model card"""
    json: bool = False
    """one JSON value on standard output"""


@dataclass(frozen=True)
class PairsCommand:
    """Print comparisons in combinations that training never sees, one JSON object a line."""

    count: int = 200
    """how many"""
    seed: int = 0
    """which ones"""


@dataclass(frozen=True)
class AnswersCommand:
    """Print harmless requests with the helpful assistant's answers, one JSON object a line."""

    count: int = 1000
    """how many"""
    seed: int = 0
    """which ones"""


@dataclass(frozen=True)
class PreferencesCommand:
    """Print comparisons with the known chance that the first is more helpful, one a line."""

    count: int = 1500
    """how many"""
    seed: int = 0
    """which ones"""


@dataclass(frozen=True)
class RequestsCommand:
    """Print requests, one JSON object a line: prompts for `generate` and `train rl`."""

    count: int = 500
    """how many"""
    seed: int = 0
    """which ones"""
    harmless: bool = False
    """harmless requests instead of harmful ones"""


Command = (
    Annotated[CorpusCommand, tyro.conf.subcommand("corpus")]
    | Annotated[TrainCommand, tyro.conf.subcommand("train")]
    | Annotated[EvaluateCommand, tyro.conf.subcommand("evaluate")]
    | Annotated[PairsCommand, tyro.conf.subcommand("pairs")]
    | Annotated[AnswersCommand, tyro.conf.subcommand("answers")]
    | Annotated[PreferencesCommand, tyro.conf.subcommand("preferences")]
    | Annotated[RequestsCommand, tyro.conf.subcommand("requests")]
)


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run one of them; returns the exit code. Trainings lie in the settings' home."""
    command = tyro.cli(Command, args=list(argv), prog="python -m cai_app pocket")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr, force=True
    )
    match command:
        case CorpusCommand():
            return _corpus(command)
        case TrainCommand():
            return _train(command, settings)
        case PairsCommand():
            return _pairs(command)
        case EvaluateCommand():
            return _evaluate(command, settings)
    return _lessons(command)


def _corpus(command: CorpusCommand) -> int:
    from cai_app.pocket.corpus import HELPFUL_MIXTURE, MIXTURE, Corpus
    from cai_app.pocket.shipped import shipped_texts

    known = MIXTURE | HELPFUL_MIXTURE
    if command.sort is not None and command.sort not in known:
        raise InputError(f"unknown sort {command.sort}; known: {', '.join(known)}")
    only = {command.sort: 1.0} if command.sort else None
    texts = shipped_texts()
    documents = Corpus.load(texts.root, texts.shipped).documents(command.seed, only)
    found: list[dict[str, str]] = []
    while len(found) < command.show:
        sort, document = next(documents)
        found.append({"sort": sort, "text": "".join(s.text for s in document)})
    if command.json:
        print(json.dumps(found))
    else:
        for entry in found:
            print(f"──── {entry['sort']} ────{entry['text']}\n")
    return 0


def _pairs(command: PairsCommand) -> int:
    from cai_app.pocket.pairs import comparisons

    for row in comparisons(command.count, command.seed):
        print(json.dumps(row, ensure_ascii=False))
    return 0


def _lessons(command: AnswersCommand | PreferencesCommand | RequestsCommand) -> int:
    from cai_app.pocket import lessons

    match command:
        case AnswersCommand(count, seed):
            rows = lessons.answers(count, seed)
        case PreferencesCommand(count, seed):
            rows = lessons.preferences(count, seed)
        case RequestsCommand(count, seed, harmless):
            rows = lessons.requests(count, seed, harmful=not harmless)
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    return 0


def _train(command: TrainCommand, settings: Settings) -> int:
    from cai_app.pocket import train

    if command.adapter is not None:
        from cai_app.pocket import adapt

        steps = command.adapter_steps or adapt.Tuning.steps
        tuning = adapt.Tuning(seed=command.seed, steps=steps)
        print(adapt.train_adapter(command.adapter, command.size, tuning))
        return 0
    plan = train.Plan(
        size=command.size,
        tokens=command.tokens,
        minutes=command.minutes,
        seed=command.seed,
        device=command.device,
        workers=command.workers,
        compile=command.compile,
        plain_chunks=command.plain_chunks,
        lr_scale=command.lr_scale,
    )
    folder = command.out or settings.home / "pocket" / command.size
    made = train.train(plan, folder, resume=command.resume, init=command.init)
    if command.ship:
        from cai_app.pocket.ship import ship

        made = ship(folder, command.size)
    print(made)
    return 0


def _evaluate(command: EvaluateCommand, settings: Settings) -> int:
    from cai_app.pocket import card, trials

    trial = trials.Trial(
        spec=f"pocket-{command.size}" if command.size else command.backend,
        home=settings.home,
        cases=command.cases,
        few_shot=command.few_shot,
        only=command.only,
    )
    if command.card:
        card.folder_of(trial.spec, settings)  # before minutes of measuring
    found: dict[str, Any]
    if command.compare == "sizes":
        others = card.other_sizes(trial.spec, settings)
        found = trials.sizes(trial, others, command.workers)
    elif command.compare == "precision":
        found = {"bf16": trials.precision(trial, command.workers)}
    else:
        found = trials.scores(trial, command.workers)
    if command.card:
        card.keep(trial.spec, settings, found, differences=command.compare is not None)
    if command.json:
        print(json.dumps(found["bf16"] if command.compare == "precision" else found))
        return 0
    for name, rows in found.items() if command.compare else [("", found)]:
        if name:
            print(f"{trial.spec} minus {name}")
        _table(rows)
    return 0


def _table(results: dict[str, dict[str, Any]]) -> None:
    for key, row in results.items():
        low, high = row["ci"]
        mark = {None: "", True: "holds", False: "MISSES"}[row["holds"]]
        bar = "" if row["bar"] is None else f"bar {row['bar']}"
        base = f"base {row['base']['value']:.3f}" if "base" in row else ""
        value = f"{row['value']:.3f}  [{low:.3f}, {high:.3f}]  n={row['n']}"
        print(f"{key:32} {value}  {base}  {bar} {mark}".rstrip())

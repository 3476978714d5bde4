"""Evaluations on all cores: each process opens the model, with one thread, for piece after piece.

A small model gains little from a second thread; two processes do twice as much.
"""

import logging
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cai_app.backends import open_backend, parse_spec
from cai_app.errors import InputError
from cai_app.pocket.corpus import Corpus
from cai_app.pocket.estimates import differences, estimates
from cai_app.pocket.evaluate import PARTS, Bench, Tally, measure, pieces
from cai_app.pocket.shipped import shipped_texts
from cai_app.settings import Settings

BASE_SHARE = 0.25  # of the cases, for the values beside the adapter's
# What hangs on how many cases there are, so that a quarter of them says something else.
COUNTED = ("verbatim", "distinct")
# The longest parts, so that no core waits for them at the end.
FIRST = ("policies", "reasoning", "judging", "revisions")


@dataclass(frozen=True)
class Trial:
    """What is evaluated, and on how many cases."""

    spec: str
    home: Path
    cases: int = 1000
    few_shot: int = 5
    seed: int = 0
    nf4: bool = True
    only: tuple[str, ...] = ()


def outcomes(trial: Trial, workers: int = 0) -> Tally:
    """Measure every piece of a trial; `workers` 0 means one a core."""
    count = workers or len(os.sched_getaffinity(0))
    if strange := [part for part in trial.only if part not in PARTS]:
        raise InputError(f"unknown part {strange[0]}; known: {', '.join(PARTS)}")
    todo = pieces(trial.only)
    order = sorted(todo, key=lambda piece: piece[0] not in FIRST)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(count, len(todo)), mp_context=context, initializer=_open, initargs=(trial,)
    ) as pool:
        running = {piece: pool.submit(_measured, piece) for piece in order}
        tally = Tally()
        for piece in todo:
            tally.take(running[piece].result())
    return tally


def scores(trial: Trial, workers: int = 0) -> dict[str, dict[str, Any]]:
    """All keys, `base` beside each: what the pretrained model without adapter does."""
    found = estimates(outcomes(trial, workers))
    plain = base_of(trial.spec)
    if plain != trial.spec:
        few = max(1, round(trial.cases * BASE_SHARE))
        beside = estimates(outcomes(replace(trial, spec=plain, cases=few), workers))
        for key, row in found.items():
            if key in beside and not key.startswith(COUNTED):
                row["base"] = {what: beside[key][what] for what in ("value", "ci", "n")}
    return found


def base_of(spec: str) -> str:
    """The spec of the same base without adapter (itself for what is no pocket model)."""
    return f"{spec.partition('@')[0]}@none" if parse_spec(spec).kind == "pocket" else spec


def precision(trial: Trial, workers: int = 0) -> dict[str, dict[str, Any]]:
    """NF4 minus bf16, case by case, on every key."""
    return differences(outcomes(trial, workers), outcomes(replace(trial, nf4=False), workers))


def sizes(
    trial: Trial, others: Sequence[str], workers: int = 0
) -> dict[str, dict[str, dict[str, Any]]]:
    """The trial's model minus each other one, case by case: {spec: {key: row}}."""
    ours = outcomes(trial, workers)
    return {
        spec: differences(ours, outcomes(replace(trial, spec=spec), workers)) for spec in others
    }


_bench: Bench  # of this process


def _open(trial: Trial) -> None:
    import torch

    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    global _bench
    texts = shipped_texts()
    backend = open_backend(trial.spec, Settings(home=trial.home), nf4=trial.nf4)
    corpus = Corpus.load(texts.root, texts.shipped)
    _bench = Bench(backend, corpus, trial.cases, seed=trial.seed, few_shot=trial.few_shot)


def _measured(piece: tuple[str, int]) -> Tally:
    return measure(_bench, piece)

"""The kinds of training: what each is asked for, and what gathers its data."""

from collections.abc import Callable
from typing import Any, NamedTuple

from cai_app.errors import InputError
from cai_app.records import (
    DistillOptions,
    DpoOptions,
    PreferenceOptions,
    RlOptions,
    SftOptions,
    TrainOptions,
)
from cai_app.workbench.training import answers, labels, preambles, rewards
from cai_app.workbench.training.gathering import Gathered, Sources


class Kind(NamedTuple):
    """A kind of training; `about` says what it is for."""

    options: type[TrainOptions]
    gather: Callable[[Any, Sources], Gathered]
    about: str


KINDS: dict[str, Kind] = {
    "sft": Kind(
        SftOptions,
        answers.gather,
        "Fine-tune on answers: revised ones make SL-CAI, helpful ones the helpful model.",
    ),
    "preference": Kind(
        PreferenceOptions,
        rewards.gather_pairs,
        "Learn from labels which of two answers is better: what RL is rewarded by.",
    ),
    "rl": Kind(
        RlOptions,
        rewards.gather_prompts,
        "Write, be scored by a preference model, do more of what scored well, stay near the start.",
    ),
    "dpo": Kind(
        DpoOptions,
        labels.gather,
        "Learn preferences without a preference model: the cheap baseline to RL.",
    ),
    "distill": Kind(
        DistillOptions,
        preambles.gather,
        "Answer without the preamble as with it.",
    ),
}


def kind_of(name: str) -> Kind:
    """A kind by name. Raises InputError listing those that there are."""
    if name not in KINDS:
        raise InputError(f"there is no training {name!r}; choose one of {', '.join(KINDS)}")
    return KINDS[name]

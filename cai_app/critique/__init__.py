"""Critique and revision (CAI 3.1): a chain of steps, streamed, stoppable, replayable, editable."""

from cai_app.critique.batch import Batch, run_many
from cai_app.critique.chain import run, step_seed
from cai_app.critique.events import (
    ChainConfig,
    ChainEnded,
    Event,
    StepEnded,
    StepStarted,
    TextAdded,
)
from cai_app.critique.flags import flags_of

__all__ = [
    "Batch",
    "ChainConfig",
    "ChainEnded",
    "Event",
    "StepEnded",
    "StepStarted",
    "TextAdded",
    "flags_of",
    "run",
    "run_many",
    "step_seed",
]

"""What all trainings share: a 4-bit base with a float32 adapter, and a run that survives a kill.

A kind of training is a program beside this package that reads from top to bottom: `open_base`,
rows, a trainer of a library with `Saving` mixed in, `fit`, `finish`.
"""

from cai_app.work.training.base import Opened, kept_float32, open_base
from cai_app.work.training.finishing import finish
from cai_app.work.training.fitting import Saving, arguments, fit
from cai_app.work.training.processes import World, world
from cai_app.work.training.rows import Encoder, Row, TooLong, pad_collator, split
from cai_app.work.training.sampling import Sampler

__all__ = [
    "Encoder",
    "Opened",
    "Row",
    "Sampler",
    "Saving",
    "TooLong",
    "World",
    "arguments",
    "finish",
    "fit",
    "kept_float32",
    "open_base",
    "pad_collator",
    "split",
    "world",
]

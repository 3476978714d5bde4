"""What measuring a constitution gives: records that grow while they are measured."""

from pydantic import Field

from cai_app.intervals import Estimate
from cai_app.records import Record


class Progress(Record):
    """How many pairs are done, and how many questions the model was asked for that."""

    done: int
    total: int
    asked: int


class Shift(Record):
    """One pair's label before and after (or under one principle and another)."""

    comparison: str
    prompt: str
    a: str
    b: str
    p_old: float
    p_new: float
    flipped: bool


class Measured(Record):
    """What all results have: `n` pairs scored; the others with their reasons."""

    progress: Progress
    n: int
    unscored: dict[str, str] = Field(default_factory=dict)


class Effect(Measured):
    """Two constitutions on the same pairs. `shift` is the mean of |P(a) moved|, `toward_a` of the
    move with its sign; rows are sorted by how far they moved."""

    flips: int
    flip_rate: Estimate
    shift: Estimate
    toward_a: Estimate
    rows: tuple[Shift, ...]


class Dropped(Record):
    """One principle, or all of a tag, left out. `alone`: nothing would be left."""

    ids: tuple[str, ...]
    question: str = ""
    tag: str | None = None
    tags: tuple[str, ...] = ()
    alone: bool = False
    flips: int = 0
    flip_rate: Estimate = Estimate()
    shift: Estimate = Estimate()
    examples: tuple[Shift, ...] = ()


class Ablation(Measured):
    """Each principle and tag left out in turn, the one that moves most first."""

    principles: tuple[Dropped, ...]


class Case(Record):
    """A clear label, and the label under the negated question."""

    principle: str
    comparison: str
    prompt: str
    a: str
    b: str
    p: float
    p_inverted: float
    flipped: bool


class Inverted(Record):
    """One principle against its opposite."""

    id: str
    question: str
    negated: str
    n: int
    flips: int
    flip_rate: Estimate


class Inversion(Measured):
    """Clear labels asked again with the negated question; `n` counts labels, not pairs.

    `error` is the mean distance from 1 − P(a). Rows are sorted by that distance.
    """

    clear: float
    flips: int
    flip_rate: Estimate
    error: Estimate
    principles: tuple[Inverted, ...]
    rows: tuple[Case, ...]


class Conflict(Record):
    """Two principles: how often they choose different sides, and how often both are sure of it.

    In the examples `p_old` is P(a) under the first, `p_new` under the second.
    """

    first: str
    second: str
    disagree: Estimate
    sure: Estimate
    examples: tuple[Shift, ...] = ()


class Conflicts(Measured):
    """Every two principles of a constitution, on the same pairs."""

    sure: float
    ids: tuple[str, ...]
    questions: tuple[str, ...]
    pairs: tuple[Conflict, ...]

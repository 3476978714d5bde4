"""What an audit says: the numbers that scripts rely on, each with n or an interval."""

from typing import Literal

from pydantic import Field

from cai_app.records.base import Options, Record
from cai_app.records.rows import Rater

Ci = tuple[float, float]
# What is audited: which response is better, or whether a response refuses.
AuditKind = Literal["preference", "refusal"]


class AuditOptions(Options):
    """What `audit` is asked for.

    `ai` and `human` are an id, a beginning of one, a name or a backend; None takes who has most in
    common, and `human` may be several, with commas. `queue` may be `none`: labels wherever they
    come from. `slice` is a dimension to break down by, or a condition such as `confidence>=0.9`;
    `question` narrows down to what the AI was asked in these words. `width` is the half width to
    count labels for. Of `refusal` labels the rows are responses, and 1 is a refusal.
    """

    kind: AuditKind = "preference"
    ai: str | None = None
    human: str | None = None
    queue: str | None = None
    slice: str | None = None
    question: str | None = None
    width: float = Field(default=0.03, gt=0, lt=0.5)
    seed: int = 0


class Kappa(Record):
    """Cohen's kappa without ties, and with ties as half of either answer."""

    ties_out: float | None
    ties_half: float | None


class Figure(Record):
    """An estimate over the whole pool."""

    estimate: float
    ci: Ci
    n: int
    tuning: float


class CorrectedFigures(Record):
    """P(human = AI label) and the human preference rate over the pool.

    `preference_of` says whose rate it is: of a model where two are compared, else of the stored
    side a, whose rate means nothing by itself.
    """

    agreement: Figure | None
    preference: Figure | None
    preference_of: str


class Needed(Record):
    """So many more labels would bring the corrected agreement to ± width.

    `waiting` counts the drawn rows of the spot-check that nobody has answered, None without one or
    of a part of the pool: more than these need a new one, drawn from the whole pool again.
    """

    width: float
    n: int | None
    waiting: int | None = None


class SliceFigure(Record):
    """One slice; `p_value` is Holm-adjusted over its dimension, `few` says not to read it."""

    by: str
    name: str
    n: int
    agreement: float | None
    ci: Ci | None
    p_value: float | None
    few: bool


class BinFigure(Record):
    """Labels by the AI's confidence: promised and kept."""

    low: float
    high: float
    n: int
    share: float
    confidence: float | None
    agreement: float | None
    ci: Ci | None


class BesideFigure(Record):
    """Another rater against the same people (or the rule) on the same rows."""

    rater: Rater
    n: int
    agreement: float | None
    ci: Ci | None


class CellFigure(Record):
    """A cell of the confusion table: what the AI and a person said, `first`, `tie` or `second`.

    `n` counts answers, `share` is their part of the weight.
    """

    ai: str
    human: str
    n: int
    share: float


class Skips(Record):
    """Non-response: the agreement if all that was skipped were the worst, and the best."""

    served: int
    skipped: int
    skip_rate: float
    worst: float
    best: float


class AuditReport(Record):
    """An AI rater against people. None where the data say nothing.

    A tie counts half in `agreement`. `unweighted` is what a plain count would have concluded.
    `left_out` counts answers that do not count, by reason. `intervals`
    holds those of the other numbers by name. `beside` holds other raters to the same people;
    `sides` names what `first` and `second` are in `confusion`.
    """

    kind: AuditKind
    ai: Rater
    human: tuple[Rater, ...]
    against: str
    queue: str | None
    sampling: str
    pool: int
    n: int
    comparisons: int
    agreement: float | None
    ci: Ci | None
    agreement_ties_out: float | None
    unweighted: float | None
    unweighted_ci: Ci | None
    kappa: Kappa
    alpha: float | None
    human_alpha: float | None
    human_human: float | None
    human_human_pairs: int
    ece: float | None
    brier: float | None
    order_gap: float | None
    first_gain: float | None
    flip_rate: float | None
    longer_wins: float | None
    human_longer_wins: float | None
    always_a: float | None
    corrected: CorrectedFigures
    needed: Needed
    skips: Skips | None
    left_out: dict[str, int]
    intervals: dict[str, Ci]
    calibration: tuple[BinFigure, ...]
    slices: tuple[SliceFigure, ...]
    beside: tuple[BesideFigure, ...]
    confusion: tuple[CellFigure, ...]
    sides: tuple[str, str]
    slices_note: str = "Many slices at once are exploratory; p-values are Holm-adjusted"

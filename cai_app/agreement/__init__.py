"""Agreement of AI labels with people's: pure functions of arrays, numbers with intervals."""

from cai_app.agreement.biases import Orders, longer_wins, orders
from cai_app.agreement.calibration import Bin, Calibration, brier, calibration, ece, reliability
from cai_app.agreement.corrected import Corrected, Sample, corrected, more_labels
from cai_app.agreement.raters import alpha, hard, kappa, rate, scores, sides, turned
from cai_app.agreement.slices import FEW, Slice, slices
from cai_app.intervals import (
    Estimate,
    Floats,
    Interval,
    Ints,
    bounded_mean,
    codes,
    holm,
    wilson,
)

__all__ = [
    "FEW",
    "Bin",
    "Calibration",
    "Corrected",
    "Estimate",
    "Floats",
    "Interval",
    "Ints",
    "Orders",
    "Sample",
    "Slice",
    "alpha",
    "bounded_mean",
    "brier",
    "calibration",
    "codes",
    "corrected",
    "ece",
    "hard",
    "holm",
    "kappa",
    "longer_wins",
    "more_labels",
    "orders",
    "rate",
    "reliability",
    "scores",
    "sides",
    "slices",
    "turned",
    "wilson",
]

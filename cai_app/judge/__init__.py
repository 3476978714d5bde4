"""A/B verdicts (CAI 4.1): choice probabilities, both orders, one principle or all, with or without
chain of thought. A failure to measure is unscored with its reason, never a tie."""

from cai_app.judge.batch import Asked, compare_many
from cai_app.judge.comparison import ALL, ORDERS, compare
from cai_app.judge.events import Event, JudgeConfig, Judged, PrincipleScored, RationaleAdded

__all__ = [
    "ALL",
    "ORDERS",
    "Asked",
    "Event",
    "JudgeConfig",
    "Judged",
    "PrincipleScored",
    "RationaleAdded",
    "compare",
    "compare_many",
]

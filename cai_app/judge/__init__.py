"""A/B verdicts (CAI 4.1): choice probabilities, both orders, one principle or all, with or without
chain of thought. A failure to measure is unscored with its reason, never a tie."""

from cai_app.judge.batch import Asked, compare_many
from cai_app.judge.comparison import ALL, ORDERS, compare
from cai_app.judge.contrasts import conflicts, invert
from cai_app.judge.effects import ablate, effect
from cai_app.judge.events import Event, JudgeConfig, Judged, PrincipleScored, RationaleAdded
from cai_app.judge.multiple_choice import Answer, Choice, Report, answer_choices, report
from cai_app.judge.results import Ablation, Conflicts, Effect, Inversion, Measured
from cai_app.judge.scores import Key, Pair, Score, Scores, judge_many

__all__ = [
    "ALL",
    "ORDERS",
    "Ablation",
    "Answer",
    "Asked",
    "Choice",
    "Conflicts",
    "Effect",
    "Event",
    "Inversion",
    "JudgeConfig",
    "Judged",
    "Key",
    "Measured",
    "Pair",
    "PrincipleScored",
    "RationaleAdded",
    "Report",
    "Score",
    "Scores",
    "ablate",
    "answer_choices",
    "compare",
    "compare_many",
    "conflicts",
    "effect",
    "invert",
    "judge_many",
    "report",
]

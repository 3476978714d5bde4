"""Every prompt the program writes: templates, few-shots and preambles, rendered and hashed."""

from cai_app.prompts.dialogue import human_turn
from cai_app.prompts.preambles import preamble
from cai_app.prompts.rendering import (
    CHOICES,
    NO_SHOTS,
    STOP,
    Shots,
    chain_shot,
    critique,
    draft,
    few_shots,
    judge,
    judge_cot,
    judge_cot_answer,
    judge_shot,
    revision,
)
from cai_app.prompts.templates import load_templates, template_hash

__all__ = [
    "CHOICES",
    "NO_SHOTS",
    "STOP",
    "Shots",
    "chain_shot",
    "critique",
    "draft",
    "few_shots",
    "human_turn",
    "judge",
    "judge_cot",
    "judge_cot_answer",
    "judge_shot",
    "load_templates",
    "preamble",
    "revision",
    "template_hash",
]

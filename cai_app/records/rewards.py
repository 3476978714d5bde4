"""What a preference model and a policy trained on it are asked for (CAI 4, HH 4.1)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from cai_app.records.training import (
    SCHEDULE,
    Batch,
    Most,
    Preset,
    Rate,
    Schedule,
    Share,
    TrainOptions,
)

COT_CLAMP = 0.4  # CAI 4.1: labels of chain of thought are near 0 and 1, so 40-60


class PreferenceOptions(TrainOptions):
    """A preference model on AI harmlessness and helpfulness labels (CAI 4.2, HH A.2)."""

    presets: ClassVar[Mapping[Preset, Mapping[str, Any]]] = {
        "notes": {},
        # CAI 4.1, HH A.2: one order asked, one epoch.
        "paper": {"orders": "one", "epochs": 1.0},
    }

    labels: Literal["ai", "helpful", "both"] = Field(
        default="both",
        description="Labels to learn: AI harmlessness, human or reference helpfulness, or both "
        "mixed (the paper: both).",
    )
    source: str = Field(
        default="",
        description="Take AI labels of this run, source or rater alone; empty takes the latest "
        "of all.",
    )
    constitution: str = Field(
        default="harmless",
        description="Take AI labels under this constitution (any of its versions), or `any`.",
    )
    helpful: str = Field(
        default="auto",
        description="Where helpfulness labels come from: human (people's in the store), a source "
        "or rater of these, reference (the built-in set, by rule), or auto (human if there are).",
    )
    orders: Literal["both", "one"] = Field(
        default="both",
        description="Where a label was asked in both orders: learn their mean, or one of them, "
        "drawn (the paper asks one).",
    )
    clamp: float | None = Field(
        default=None,
        ge=0,
        lt=0.5,
        description="Soft labels are held between this and 1 less this; empty clamps those of "
        "chain of thought to 0.4-0.6 (the paper) and leaves the others as they are.",
    )
    mix: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of AI harmlessness among the pairs of labels=both (the paper: 182,831 "
        "of 318,127, or 0.57).",
    )
    limit: Most = Field(default=2000, description="Most pairs, taken in order of a seeded draw.")
    split: bool = Field(
        default=False,
        description="Train a second preference model on the other half of the prompts, so that RL "
        "on the first shows when it is gamed (HH 4.2).",
    )
    policy: str = Field(
        default="preset",
        description="The adapter whose samples set the scale of the scores (mean 0, spread 1): "
        "preset (sl-cai, else helpful), none, a name, or a run.",
    )
    lr: Rate = Field(
        default=2e-3,
        description="Highest learning rate of AdamW on the adapter and its score head.",
    )
    schedule: Schedule = Field(default="linear", description=SCHEDULE)
    batch: Batch = Field(default=32, description="Pairs in one optimizer step.")
    held_out: Share = Field(
        default=0.1,
        description="Share of the prompts kept out of training to measure on, 200 pairs a source "
        "at most.",
    )

    def taken(self, ai: int, helpful: int) -> tuple[int, int]:
        """How many pairs of either source are learned where there are so many: at most `limit`,
        with `mix` of them AI's. The scarcer source is not repeated: the other shrinks with it."""
        most = self.limit or ai + helpful
        if self.labels != "both":
            return (min(ai, most), 0) if self.labels == "ai" else (0, min(helpful, most))
        if 0 < self.mix < 1:
            most = min(most, int(ai / self.mix), int(helpful / (1 - self.mix)))
        first = round(most * self.mix)
        return min(ai, first), min(helpful, most - first)

    def steps_of(self, pairs: int) -> int:
        """Steps of one preference model: whole batches of all epochs, or as many as were asked
        for."""
        found = max(1, round(pairs * self.epochs / self.batch))
        return min(found, self.max_steps or found)

    def start_of_preset(self) -> str:
        """A preference model starts from the pretrained base (HH 3)."""
        return "none"


class RlOptions(TrainOptions):
    """RLOO on a preference model, held to the start policy by KL (CAI 4.2, HH 4.1)."""

    presets: ClassVar[Mapping[Preset, Mapping[str, Any]]] = {
        "notes": {"kl_weight": 0.05},
        "paper": {"kl_weight": 0.001},
    }

    pm: str = Field(
        default="pm",
        description="The preference model that rewards: a name, or the id of a preference run.",
    )
    test_pm: str = Field(
        default="auto",
        description="A preference model that only watches: a name, a run, none, or auto (the "
        "other half's, where the preference run was split).",
    )
    prompts: str = Field(
        default="world",
        description="What the policy answers: world (the toy world's requests, half of them "
        "harmful), red-team, helpful, both, or a JSONL file with `prompt`.",
    )
    kl_weight: float = Field(
        default=0.05,
        gt=0,
        le=100,
        description="λ of reward = PM - λ·KL, never 0: 0.05 is TRL's β for RLOO (preset notes), "
        "0.001 the paper's λ (preset paper).",
    )
    samples: int = Field(
        default=4, ge=2, le=256, description="Responses to each prompt of a step (TRL: 2)."
    )
    batch: Batch = Field(default=32, description="Responses in one step, of all prompts together.")
    max_steps: int = Field(
        default=150, gt=0, description="Steps of the run; it has no epochs that would end it."
    )
    dropout: float = Field(
        default=0.0,
        ge=0,
        le=0,
        description="Always 0: RL's gradients are of the very policy that has written.",
    )
    answer_tokens: int = Field(
        default=96, gt=0, le=4096, description="Most tokens of a response (the paper: 128)."
    )
    fixed: int = Field(
        default=64,
        gt=1,
        le=1024,
        description="Prompts kept out of training that every look answers, with the same draws.",
    )
    lr: Rate = Field(
        default=3e-4,
        description="Highest learning rate of AdamW on the policy's adapter (1e-6 in TRL, for "
        "whole models; the paper: 0.01 of pretraining's).",
    )
    kl_limit: float = Field(
        default=40.0, ge=0, description="Pause when KL passes so many nats a response; 0: never."
    )
    length_limit: float = Field(
        default=3.0,
        ge=0,
        description="Pause when responses are so many times longer or shorter; 0: never.",
    )

    @field_validator("max_steps", mode="before")
    @classmethod
    def _has_steps(cls, value: Any) -> Any:
        if value is None or str(value).strip().lower() in ("", "none", "null"):
            raise ValueError("RL ends after a number of steps; say how many, such as 150")
        return value

    def start_of_preset(self) -> str:
        """RL starts from SL-CAI in both readings (CAI 4.2)."""
        return "sl-cai"

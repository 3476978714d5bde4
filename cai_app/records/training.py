"""What a training is asked for, kind by kind; a field's description is its text in form and help.

`notes` and `paper` are the two readings of the method (method.md): which adapter a training starts
from, and its settings. Defaults are the paper's where it has them, scaled for small models.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from cai_app.records.base import Options, Record

Preset = Literal["notes", "paper"]
PRESETS: tuple[Preset, ...] = ("notes", "paper")

# What several kinds ask with other defaults: the range of a value is one.
Schedule = Literal["constant", "linear", "cosine"]
SCHEDULE = "How the learning rate goes on after the warm-up: constant, or down to zero."
Rate = Annotated[float, Field(gt=0, le=1)]
Epochs = Annotated[float, Field(gt=0, le=1000)]
Batch = Annotated[int, Field(gt=0, le=65536)]
Share = Annotated[float, Field(ge=0, lt=1)]
Most = Annotated[int | None, Field(gt=0)]


class TrainOptions(Options):
    """What every training is asked for. `presets` holds what a preset sets beside the defaults."""

    presets: ClassVar[Mapping[Preset, Mapping[str, Any]]] = {"notes": {}, "paper": {}}

    preset: Preset = Field(
        default="notes",
        description="Which reading of the method sets what is left out here: the starting notes "
        "(SL-CAI goes on from helpful) or the paper (SL-CAI starts from the pretrained base).",
    )
    backend: str = Field(
        default="pocket",
        description="The 4-bit base to train on, such as pocket, pocket-m or hf:FOLDER; an adapter "
        "named with @ is what the training starts from.",
    )
    start: str = Field(
        default="preset",
        description="The adapter that training goes on from: preset (what the preset says), none, "
        "a name such as helpful, or the id of a run.",
    )
    name: str = Field(
        default="",
        max_length=60,
        pattern=r"^([a-z0-9][a-z0-9._-]*)?$",
        description="A name for the new adapter, so that pocket@NAME is the result; empty leaves "
        "it under its run's id.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        lt=2**31,
        description="Same seed, same data and same machine: the same weights.",
    )
    max_steps: Most = Field(
        default=None,
        description="Stop after so many optimizer steps; empty trains all epochs.",
    )
    epochs: Epochs = Field(
        default=1.0,
        description="How often the data is gone through (the paper: once).",
    )
    lr: Rate = Field(
        default=1e-3,
        description="Highest learning rate of AdamW on the adapter's float32 weights.",
    )
    schedule: Schedule = Field(default="constant", description=SCHEDULE)
    warmup: int = Field(
        default=5, ge=0, description="Optimizer steps over which the learning rate rises."
    )
    batch: Batch = Field(
        default=16,
        description="Rows in one optimizer step, over all processes (the paper: 1,024).",
    )
    micro_batch: int = Field(
        default=16,
        gt=0,
        le=4096,
        description="Rows that are on the device at once; fewer take less memory and more time.",
    )
    max_tokens: int = Field(
        default=512,
        gt=8,
        le=32768,
        description="Longer rows are set aside, counted and named, never cut.",
    )
    rank: int = Field(default=16, gt=0, le=1024, description="Rank of a new adapter's matrices.")
    alpha: int = Field(
        default=32,
        gt=0,
        le=4096,
        description="Scale of a new adapter: its update counts alpha / rank times.",
    )
    dropout: Share = Field(
        default=0.0,
        description="Share of a new adapter's inputs dropped while training.",
    )
    held_out: Share = Field(
        default=0.05,
        description="Share of the prompts kept out of training to measure on, 200 rows at most.",
    )
    log_every: int = Field(default=1, gt=0, description="Steps between two points of the curves.")
    save_every: int = Field(
        default=25, gt=0, description="Steps between two checkpoints that a resume goes on from."
    )
    sample_every: int = Field(
        default=25,
        ge=0,
        description="Steps between two looks at what the model answers and how it does on held-out "
        "rows; 0 looks only at the end.",
    )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Options from what was given, the rest from its preset. Raises InputError."""
        preset = cls(preset=values.get("preset", "notes")).preset
        return cls(**{**cls.presets[preset], **values})

    @property
    def spec(self) -> str:
        """Base and start adapter as a backend's spec; for options whose start is settled."""
        return f"{self.backend}@{self.start}"

    @property
    def at_once(self) -> int:
        """Rows that are on the device at once."""
        return self.micro_batch

    def start_of_preset(self) -> str:
        """The adapter that the preset starts from, by name, or `none`."""
        return "helpful" if self.preset == "notes" else "none"


class SftOptions(TrainOptions):
    """Supervised fine-tuning on answers: the helpful model, or SL-CAI (CAI 3.2)."""

    presets: ClassVar[Mapping[Preset, Mapping[str, Any]]] = {
        "notes": {},
        # CAI 3.2: one epoch, constant rate of half of pretraining's, 1,024 sequences a step.
        "paper": {"epochs": 1.0, "lr": 1.5e-3, "schedule": "constant", "batch": 32},
    }

    data: Literal["helpful", "revisions", "both"] = Field(
        default="both",
        description="Answers to learn: helpful ones, revised ones (SL-CAI's own), or both mixed.",
    )
    source: str = Field(
        default="",
        description="Take revisions of this run or source alone; empty takes every chain in the "
        "store that is under the constitution.",
    )
    constitution: str = Field(
        default="harmless",
        description="Take chains under this constitution (any of its versions), or `any`.",
    )
    steps: Literal["all", "last"] = Field(
        default="all",
        description="Learn the revisions of all rounds (the paper's 3.1), or each chain's last.",
    )
    helpful: str = Field(
        default="reference",
        description="Where helpful answers come from: reference (the built-in set, by rule), or a "
        "run or source of the store.",
    )
    helpful_limit: int = Field(
        default=1000, gt=0, description="Most helpful answers, taken in order of a seeded draw."
    )
    limit: Most = Field(
        default=None, description="Most revisions, taken in order of a seeded draw."
    )
    epochs: Epochs = Field(
        default=2.0,
        description="How often the data is gone through (the paper: once, over 1,002,000 rows).",
    )

    def start_of_preset(self) -> str:
        """Helpful answers make the helpful model, so they start from the base."""
        return "none" if self.data == "helpful" else super().start_of_preset()


class DpoOptions(TrainOptions):
    """Direct preference optimization on the same labels that a preference model learns from."""

    presets: ClassVar[Mapping[Preset, Mapping[str, Any]]] = {
        "notes": {},
        "paper": {"epochs": 1.0},
    }

    labels: Literal["ai", "helpful", "both"] = Field(
        default="ai",
        description="Labels to learn: AI harmlessness, human or reference helpfulness, or both.",
    )
    source: str = Field(
        default="",
        description="Take AI labels of this run or rater alone; empty takes the latest of all.",
    )
    constitution: str = Field(
        default="harmless",
        description="Take AI labels under this constitution (any of its versions), or `any`.",
    )
    helpful: str = Field(
        default="reference",
        description="Where helpfulness labels come from: reference (the built-in set, by rule), "
        "human (all that people have given), or a rater or source of the store.",
    )
    beta: float = Field(
        default=0.1,
        gt=0,
        le=10,
        description="How strongly the policy is held to where it started (0.1 in the published "
        "small-model recipe).",
    )
    margin: float = Field(
        default=0.1,
        ge=0,
        lt=0.5,
        description="Leave out pairs whose label is closer to even than this: DPO takes each as "
        "certain.",
    )
    limit: Most = Field(
        default=None, description="Most pairs a source, taken in order of a seeded draw."
    )
    lr: Rate = Field(
        default=2e-4,
        description="Highest learning rate of AdamW (5e-7 for whole 7B models; adapters of small "
        "ones need more).",
    )
    epochs: Epochs = Field(
        default=1.0,
        description="How often the pairs are gone through (the small-model recipe: 3).",
    )

    @property
    def at_once(self) -> int:
        """Rows are pairs of texts, so that half as many fit where one text did."""
        return max(1, self.micro_batch // 2)

    def start_of_preset(self) -> str:
        """A policy that answers: helpful, where nothing better is named."""
        return "helpful"


class DistillOptions(TrainOptions):
    """Context distillation (GLA 2, HH A.1): answer without the preamble as with it."""

    presets: ClassVar[Mapping[Preset, Mapping[str, Any]]] = {
        "notes": {},
        # HH A.1: batches of 32 sequences, the rate down to zero.
        "paper": {"batch": 32, "schedule": "linear"},
    }

    prompts: str = Field(
        default="both",
        description="Texts to distil on: red-team, helpful, both, or a JSONL file with `prompt`.",
    )
    preamble: str = Field(
        default="hhh", description="The preamble that the teacher sees and the student does not."
    )
    answers: int = Field(
        default=8,
        gt=0,
        le=256,
        description="Answers that the teacher writes to each prompt before training.",
    )
    answer_tokens: int = Field(
        default=96, gt=0, le=1024, description="Most tokens of one of the teacher's answers."
    )
    top_k: int = Field(
        default=50,
        gt=0,
        le=1000,
        description="The teacher's likeliest tokens kept at each place; all others share one "
        "bucket (the paper: 50).",
    )
    batch: Batch = Field(
        default=32,
        description="Rows in one optimizer step, over all processes (the paper: 32).",
    )
    schedule: Schedule = Field(default="linear", description=SCHEDULE)

    def start_of_preset(self) -> str:
        """Distillation is a way to the helpful, honest, harmless model from the base alone."""
        return "none"


class OptionInfo(Record):
    """One option as a form and a help text show it; `values` is what each preset sets."""

    name: str
    description: str
    type: Literal["text", "integer", "number", "choice", "switch"]
    required: bool
    choices: tuple[str, ...] = ()
    values: dict[str, Any]

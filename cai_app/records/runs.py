"""Runs: what one is asked for, its config, and how it is."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from cai_app.records.base import Options, Record

RunState = Literal[
    "queued", "starting", "running", "stopping", "stopped", "paused", "failed", "done", "dead"
]


class GenerateOptions(Options):
    """What `generate` is asked for: pairs of drafts, or critique-revision chains (CAI 3.1).

    `batch` prompts are written together; it is part of the result, as a model's last bits depend
    on what shares a batch.
    """

    mode: Literal["pairs", "chains"] = "pairs"
    backend: str = "pocket"
    constitution: str = "harmless"
    rounds: int = Field(default=4, ge=1, le=4)
    limit: int | None = Field(default=None, gt=0)
    seed: int = Field(default=0, ge=0)
    temperature: float = Field(default=1.0, ge=0, le=5, allow_inf_nan=False)
    few_shot: int = Field(default=5, ge=0)
    max_tokens: int = Field(default=160, gt=0, le=8192)
    batch: int = Field(default=16, gt=0, le=1024)

    @property
    def texts_each(self) -> int:
        """How many texts the model writes for one prompt."""
        return 1 + 2 * self.rounds if self.mode == "chains" else 2


class LabelOptions(Options):
    """What `label` is asked for: comparisons judged under a constitution (CAI 4.1).

    `principle` is `drawn` (one for each comparison, by the seed), `all`, or an id. `orders` is
    `one` to ask only one order, drawn by the seed, at half the price. `batch` comparisons are asked
    together.
    """

    backend: str = "pocket"
    constitution: str = "harmless"
    principle: str = "drawn"
    few_shot: int = Field(default=5, ge=0)
    cot: bool = False
    orders: Literal["both", "one"] = "both"
    limit: int | None = Field(default=None, gt=0)
    seed: int = Field(default=0, ge=0)
    max_tokens: int = Field(default=160, gt=0, le=8192)
    temperature: float = Field(default=1.0, ge=0, le=5, allow_inf_nan=False)
    batch: int = Field(default=32, gt=0, le=4096)


class RunConfig(Record):
    """config.yaml of a run directory: all that its worker needs to know, frozen at the start.

    `device` is None for a run that needs none (a remote model); `memory` is the estimate in bytes,
    0 where unknown; `expected` how many seconds it takes by rule, 0 where there is none; `inputs`
    are the snapshots beside it by file name, with their sha256; `provenance` says what they were
    taken from, and under which templates.
    """

    kind: str
    id: str
    created: float
    device: int | None = None
    memory: int = 0
    expected: float = 0.0
    options: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    provenance: dict[str, str] = Field(default_factory=dict)


class RunStatus(Record):
    """status.json of a run directory, written by whoever holds its run.lock.

    Times are seconds since 1970; `rate` is in `unit` a second; `pid` is the worker's, and true
    while run.lock is held.
    """

    # A file of a newer version is still readable.
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    kind: str
    state: RunState
    created: float
    queued: float
    started: float | None = None
    ended: float | None = None
    updated: float
    pid: int | None = None
    done: int = 0
    total: int | None = None
    unit: str = "steps"
    rate: float | None = None
    note: str = ""
    error: str | None = None
    outputs: tuple[str, ...] = ()
    metrics: dict[str, int | float] = Field(default_factory=dict)

    @property
    def unbroken(self) -> bool:
        """Whether its times are of one life: it was not resumed, nor moved back in the queue."""
        return self.queued <= self.created

    @classmethod
    def anew(cls, config: RunConfig, *, now: float) -> "RunStatus":
        """The status of a run whose own was lost: queued, as it was in the beginning."""
        return cls(
            id=config.id,
            kind=config.kind,
            state="queued",
            created=config.created,
            queued=config.created,
            updated=now,
        )


class RunInfo(RunStatus):
    """A run as it is now: its status, with what the locks say.

    `state` may be `dead`, `note` names what a queued run waits for, `outputs` are whole paths, and
    `eta_s` is how many seconds are left at the present rate.
    """

    path: str
    command: tuple[str, ...] = ()
    eta_s: float | None = None

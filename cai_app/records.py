"""The small typed records that pass between modules; dictionaries exist only at file edges."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cai_app.errors import InputError

Flag = Literal["unchanged", "refusal", "evasive", "tag_leak", "repetition", "unknown_words"]
Side = Literal["a", "b"]


class Record(BaseModel):
    """Base of all records: frozen, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Options(Record):
    """Base of configs that people fill in; a value out of range is an InputError."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0] if first["loc"] else "options").replace("_", "-")
            problem = (
                first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
            )
            raise InputError(f"{field} is {first['input']!r}, but {problem}") from error


class Sampling(Record):
    """How one row is sampled. `seed` starts the row's own generator; temperature 0 is greedy."""

    seed: int = 0
    temperature: float = Field(default=1.0, ge=0)
    max_tokens: int = Field(default=160, gt=0)
    stop: tuple[str, ...] = ()


class Turn(Record):
    """One turn of a conversation in chat form."""

    role: Literal["user", "assistant"]
    text: str


class Prompt(Record):
    """One rendered prompt in both dialogue forms; a model uses the form it was trained on.

    `segments` join to the dialogue text (`\\n\\nHuman: …\\n\\nAssistant:`); they are cut at the
    only places where a key/value cache may be cut (few-shots, dialogue, critique). `turns` are the
    same content for a chat template, and `prefill` is the start of the assistant's turn to go on
    from.
    """

    segments: tuple[str, ...]
    turns: tuple[Turn, ...]
    prefill: str = ""

    @property
    def text(self) -> str:
        """The whole prompt as dialogue text."""
        return "".join(self.segments)


class Completion(Record):
    """What a model wrote: text without the stop string, its token count, and why it ended."""

    text: str
    tokens: int
    finish: Literal["stop", "length", "cancelled"]


class TokenScore(Record):
    """One token of a continuation: its log-probability (nats), and the top-k alternatives."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class ModelInfo(Record):
    """What `models` and the page's header say of a backend."""

    spec: str
    parameters: int | None = None
    device: str | None = None
    quantization: str | None = None
    state: Literal["available", "loading", "ready", "failed"] = "available"
    adapters: tuple[str, ...] = ()
    adapter: str | None = None
    note: str = ""


class SupervisedPrinciple(Record):
    """A principle of the supervised stage (CAI 3.1): a critique request and a revision request."""

    id: str
    critique_request: str
    revision_request: str
    tags: tuple[str, ...] = ()
    weight: float = Field(default=1.0, ge=0)
    enabled: bool = True
    note: str = ""


class PreferencePrinciple(Record):
    """A principle of the preference stage (CAI 4.1): the question put before the options."""

    id: str
    question: str
    tags: tuple[str, ...] = ()
    weight: float = Field(default=1.0, ge=0)
    enabled: bool = True
    note: str = ""


class ConstitutionRef(Record):
    """Which version of which constitution a row was made under."""

    name: str
    hash: str


class Step(Record):
    """One step of a critique-revision chain, with the exact prompt that made it."""

    kind: Literal["draft", "critique", "revision"]
    round: int
    text: str = ""
    principle: str | None = None
    request: str | None = None
    prompt: str = ""
    prompt_tokens: int = 0
    tokens: int = 0
    seed: int = 0
    finish: Literal["stop", "length", "cancelled"] | None = None
    flags: tuple[Flag, ...] = ()
    edited: bool = False


class Transcript(Record):
    """A whole chain (CAI 3.1), and all that is needed to replay it exactly."""

    prompt: str
    backend: str
    adapter: str | None = None
    constitution: ConstitutionRef
    seed: int
    temperature: float
    few_shot: int
    direct: bool
    max_tokens: int
    steps: tuple[Step, ...] = ()


class OrderVerdict(Record):
    """One presentation order. `p_a` is P(the response given as a is better), whichever came first,
    before any clamp.

    `lost_mass` is 1 − P(" (A)") − P(" (B)"): probability that went to neither choice.
    """

    first: Side
    p_a: float | None = None
    lost_mass: float | None = None
    rationale: str | None = None
    unscored_reason: str | None = None


class PrincipleVerdict(Record):
    """One principle's verdict: the mean of its two orders, or why there is none."""

    id: str
    question: str
    p_a: float | None
    orders: tuple[OrderVerdict, ...]
    unscored_reason: str | None = None


class Verdict(Record):
    """A comparison judged: the mean over principles and orders, raw values kept beside it.

    `clamp` is the range that each order's p was drawn into before the mean (CAI 4.1).
    """

    prompt: str
    a: str
    b: str
    backend: str
    adapter: str | None = None
    constitution: ConstitutionRef
    seed: int
    few_shot: int = 5
    cot: bool = False
    clamp: tuple[float, float] | None = None
    p_a: float | None
    orders: tuple[OrderVerdict, ...]
    principles: tuple[PrincipleVerdict, ...]
    rationale: str | None = None
    unscored_reason: str | None = None


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


class RunConfig(Record):
    """config.yaml of a run directory: all that its worker needs to know, frozen at the start.

    `device` is None for a run that needs none (a remote model); `memory` is the estimate in bytes,
    0 where unknown; `inputs` are the snapshots beside it by file name, with their sha256.
    """

    kind: str
    id: str
    created: float
    device: int | None = None
    memory: int = 0
    options: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)


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
    metrics: dict[str, float] = Field(default_factory=dict)


class RunInfo(RunStatus):
    """A run as it is now: its status, with what the locks say.

    `state` may be `dead`, `note` names what a queued run waits for, `outputs` are whole paths, and
    `eta_s` is how many seconds are left at the present rate.
    """

    path: str
    command: tuple[str, ...] = ()
    eta_s: float | None = None

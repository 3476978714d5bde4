"""Principles, critique-revision chains and verdicts (CAI 3.1, 4.1)."""

from typing import Literal

from pydantic import Field

from cai_app.records.base import Record

Flag = Literal["unchanged", "refusal", "evasive", "tag_leak", "repetition", "unknown_words"]
Side = Literal["a", "b"]


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

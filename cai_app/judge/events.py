"""How a comparison is judged, and what it yields while it is judged."""

from pydantic import Field, field_validator

from cai_app.records import Options, PrincipleVerdict, Record, Side, Verdict


class JudgeConfig(Options):
    """How a comparison is judged. `principle` is an id, None (one is drawn), or "all".

    `clamp` draws chain-of-thought probabilities into a range (CAI 4.1: 40-60 %); without chain of
    thought it does nothing. InputError for a value out of range.
    """

    principle: str | None = None
    few_shot: int = Field(default=5, ge=0)
    cot: bool = False
    clamp: tuple[float, float] | None = None
    seed: int = Field(default=0, ge=0)
    max_tokens: int = Field(default=160, gt=0, le=8192)
    temperature: float = Field(default=1.0, ge=0, le=5, allow_inf_nan=False)

    @field_validator("clamp")
    @classmethod
    def _ordered(cls, clamp: tuple[float, float] | None) -> tuple[float, float] | None:
        if clamp is not None and not 0 <= clamp[0] <= clamp[1] <= 1:
            raise ValueError("it should be two chances from 0 to 1, the lower one first")
        return clamp


class RationaleAdded(Record):
    """The next piece of the reasoning under one principle in one order."""

    principle: str
    first: Side
    text: str


class PrincipleScored(Record):
    """One principle's verdict over both orders."""

    verdict: PrincipleVerdict


class Judged(Record):
    """The whole verdict; the last event."""

    verdict: Verdict


Event = RationaleAdded | PrincipleScored | Judged

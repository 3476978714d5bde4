"""How a chain is made, and what it yields while it is made."""

from pydantic import Field

from cai_app.records import Options, Record, Step, Transcript


class ChainConfig(Options):
    """How a chain is made. `principle` None draws one for each round, with replacement.

    InputError for a value out of range.
    """

    rounds: int = Field(default=1, ge=0, le=4)
    principle: str | None = None
    direct: bool = False
    few_shot: int = Field(default=5, ge=0)
    temperature: float = Field(default=1.0, ge=0, le=5, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0)
    max_tokens: int = Field(default=160, gt=0, le=8192)


class StepStarted(Record):
    """A step's prompt is rendered and goes to the model; its text is still empty."""

    step: Step


class TextAdded(Record):
    """The next piece of the step under way, as the model wrote it."""

    text: str


class StepEnded(Record):
    """A step with its text, stripped, and its flags."""

    step: Step


class ChainEnded(Record):
    """The whole chain; the last event."""

    transcript: Transcript


Event = StepStarted | TextAdded | StepEnded | ChainEnded

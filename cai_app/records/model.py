"""What goes into a model and comes out of it."""

from typing import Literal

from pydantic import Field

from cai_app.records.base import Record


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

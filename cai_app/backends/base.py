"""What every model, local or remote, can be asked: five batch-first verbs.

Callers hand over batches and never see a cache. A verb that a backend cannot do raises
`BackendError` naming the alternative; nothing is substituted quietly.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from cai_app.records import Completion, ModelInfo, Prompt, Sampling, TokenScore


class Stream(Protocol):
    """One live generation: iterate its text pieces; `completion` is set when iteration ends."""

    completion: Completion | None

    def __iter__(self) -> Iterator[str]: ...

    def cancel(self) -> None:
        """Free the model at its next token; iteration ends with what is there. Idempotent."""
        ...


class Backend(Protocol):
    """A model with an optional adapter. All verbs may be called from any thread."""

    spec: str

    def info(self) -> ModelInfo:
        """Size, device, quantization, state and adapters, without waiting for weights."""
        ...

    def generate(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> list[Completion]:
        """One completion a prompt; row i draws from its own generator, seeded sampling[i].seed."""
        ...

    def stream(self, prompt: Prompt, sampling: Sampling) -> Stream:
        """One completion, piece by piece. Same seed, same prompt: the same text, bit for bit."""
        ...

    def choice_logprobs(
        self, prompts: Sequence[Prompt], choices: Sequence[str]
    ) -> list[tuple[float, ...]]:
        """Log-probability (nats) of each whole choice after each prompt; choices may be several
        tokens long (" (A)"). Shape: prompts × choices."""
        ...

    def token_logprobs(
        self, prompts: Sequence[Prompt], continuations: Sequence[str], top_k: int = 0
    ) -> list[list[TokenScore]]:
        """Per-token log-probabilities of continuation i after prompt i."""
        ...

    def score(self, texts: Sequence[str]) -> list[float]:
        """Preference-model score of each whole dialogue; needs a preference adapter."""
        ...

    def count_tokens(self, text: str | Prompt) -> int:
        """Tokens of a text in this model's tokenizer, or of a prompt in the form in which this
        model is asked it (0 where the backend cannot know)."""
        ...

    def context_window(self) -> int | None:
        """Most tokens of prompt and completion together; None where unknown."""
        ...

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Content words this model has never seen (pocket family only; else empty)."""
        ...

    def close(self) -> None:
        """Stop the decode thread and free the weights. Idempotent."""
        ...

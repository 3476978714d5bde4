"""One way to use a model, and ours: the backend's verbs, as the page and the runs ask them.

The plain way is in plain.py. All is greedy, so that both must write the same.
"""

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from cai_app import prompts as texts
from cai_app.backends import open_backend
from cai_app.records import Completion, Prompt, Sampling
from cai_app.settings import Settings

TOKENS = 48  # the most that a whole completion gets


class Timed(NamedTuple):
    """The seconds that count, and what was made: texts, or probabilities and scores."""

    seconds: float
    made: list[Any]


class Side(Protocol):
    """One way to use the model."""

    def write_one(self, prompt: Prompt, tokens: int = TOKENS) -> str:
        """One completion that somebody watches."""
        ...

    def write(self, prompts: Sequence[Prompt]) -> list[str]:
        """A completion for each prompt."""
        ...

    def second(self, prompt: Prompt, other: Prompt) -> Timed:
        """Two people ask at the same moment; the seconds until the second sees a token."""
        ...

    def chances(self, prompts: Sequence[Prompt]) -> list[float]:
        """P(" (A)") and P(" (B)") after each prompt."""
        ...

    def scores(self, dialogues: Sequence[str], rows: int) -> list[float]:
        """Preference scores, as probabilities of beating 0; at most so many at once where it is
        the caller who makes the batches."""
        ...


def greedy(tokens: int = TOKENS) -> Sampling:
    """The likeliest text, up to where a dialogue goes on."""
    return Sampling(temperature=0, max_tokens=tokens, stop=texts.STOP)


def beats_zero(score: float) -> float:
    """A preference score as a probability, which differences can be read in."""
    return 1 / (1 + math.exp(-score))


def _written(completion: Completion | None) -> str:
    assert completion is not None, "a stream that has ended has a completion"
    return completion.text


class Ours:
    """The backend. Loads the weights at once."""

    def __init__(self, spec: str, settings: Settings) -> None:
        self.backend = open_backend(spec, settings)
        while self.backend.info().state == "loading":  # as the page says until it is ready
            time.sleep(0.02)
        self.backend.context_window()  # raises what went wrong
        self._scoring = self.backend

    def prefer(self, spec: str, settings: Settings) -> None:
        """Score with the preference adapter of this spec from now on."""
        self._scoring = open_backend(spec, settings)
        self._scoring.context_window()

    def write_one(self, prompt: Prompt, tokens: int = TOKENS) -> str:
        return "".join(self.backend.stream(prompt, greedy(tokens)))

    def write(self, prompts: Sequence[Prompt]) -> list[str]:
        return [one.text for one in self.backend.generate(prompts, [greedy()] * len(prompts))]

    def second(self, prompt: Prompt, other: Prompt) -> Timed:
        earlier = self.backend.stream(prompt, greedy())
        start = time.perf_counter()
        later = self.backend.stream(other, greedy())
        begun = iter(later)
        next(begun, None)
        seconds = time.perf_counter() - start
        list(begun), list(earlier)
        return Timed(seconds, [_written(earlier.completion), _written(later.completion)])

    def chances(self, prompts: Sequence[Prompt]) -> list[float]:
        rows = self.backend.choice_logprobs(prompts, texts.CHOICES)
        return [math.exp(logprob) for row in rows for logprob in row]

    def scores(self, dialogues: Sequence[str], rows: int) -> list[float]:
        return [beats_zero(score) for score in self._scoring.score(dialogues)]

    def close(self) -> None:
        """Free the weights."""
        self.backend.close()
        self._scoring.close()

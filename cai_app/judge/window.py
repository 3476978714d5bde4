"""Whether questions fit a model's window, found out without reading every one of them."""

from collections.abc import Sequence

from cai_app.backends.base import Backend
from cai_app.judge.events import JudgeConfig
from cai_app.records import Prompt


class Window:
    """How many tokens a question may have; what many questions share is counted once."""

    def __init__(self, backend: Backend, config: JudgeConfig) -> None:
        self._backend = backend
        self._size = backend.context_window()
        # Both forms need room for the answer; reasoning takes what it was allowed.
        self._room = config.max_tokens + 16 if config.cot else 8
        self._known: dict[str, int] = {}
        self._form: int | None = None  # what a chat template adds

    def problem(self, asked: Sequence[Prompt]) -> str | None:
        """Why the longest of these questions cannot be answered; None where all can."""
        if self._size is None or all(map(self._is_short, asked)):
            return None
        tokens = max(map(self._backend.count_tokens, asked))
        if tokens + self._room <= self._size:
            return None
        return (
            f"the question to the judge has {tokens} tokens and its answer needs {self._room}, but "
            f"the window of {self._backend.spec} holds {self._size}; shorten the prompt or the "
            "responses, or take fewer few-shots"
        )

    def _is_short(self, prompt: Prompt) -> bool:
        """Whether it fits for sure: a token stands for a byte at least, so that only what all
        questions begin with is worth counting."""
        if self._form is None:
            plain = sum(map(self._tokens, prompt.segments))
            self._form = max(0, self._backend.count_tokens(prompt) - plain)
        first, *rest = prompt.segments
        most = sum(len(segment.encode(errors="replace")) + 1 for segment in rest)
        return self._form + self._tokens(first) + most + self._room <= (self._size or 0)

    def _tokens(self, segment: str) -> int:
        if segment not in self._known:
            self._known[segment] = self._backend.count_tokens(segment)
        return self._known[segment]

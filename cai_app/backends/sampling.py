"""Drawing tokens: every row from its own generator, so that neighbours never change its draws."""

from collections.abc import Sequence
from typing import Literal

import torch

from cai_app.backends.text import Codec, TextPieces
from cai_app.records import Completion, Sampling

BLOCK = 256  # draws made at once; a constant, so that draw n never depends on max_tokens


class Row:
    """One completion in the making: its draws, its text, and why it ended."""

    def __init__(
        self, codec: Codec, prompt: Sequence[int], sampling: Sampling, *, room: int, eos: set[int]
    ) -> None:
        """`room` is what the context window leaves for new tokens."""
        self.temperature = sampling.temperature
        self.tokens = 0
        self.ids: list[int] = []  # what was drawn, the end token included
        self.finish: Literal["stop", "length", "cancelled"] | None = None
        self._limit = min(sampling.max_tokens, room)
        self._pieces = TextPieces(codec, prompt, sampling.stop)
        self._generator = torch.Generator().manual_seed(sampling.seed)
        self._draws: list[float] = []
        self._eos = eos

    def draw(self) -> float:
        """The next uniform number in [0, 1) of this row."""
        if not self._draws:
            block = torch.rand(BLOCK, generator=self._generator, dtype=torch.float64)
            self._draws = block.flip(0).tolist()
        return self._draws.pop()

    def push(self, token: int) -> str:
        """Take in a token; returns text to show. Sets `finish` when the row is done."""
        self.ids.append(token)
        if token in self._eos:
            return self.end("stop")
        self.tokens += 1
        piece = self._pieces.push(token)
        if self._pieces.stopped:
            self.finish = "stop"
        elif self.tokens >= self._limit:
            piece += self.end("length")
        return piece

    def end(self, finish: Literal["stop", "length", "cancelled"]) -> str:
        """Finish, and release the text held back."""
        if self.finish is not None:
            return ""
        self.finish = finish
        return self._pieces.flush()

    def completion(self) -> Completion:
        """The row as a record; it must have finished."""
        assert self.finish is not None, "the row is still running"
        return Completion(text=self._pieces.text, tokens=self.tokens, finish=self.finish)


def draw_tokens(logits: torch.Tensor, rows: Sequence[Row]) -> list[int]:
    """One token a row from float32 logits [rows, vocabulary]; temperature 0 takes the largest.

    The inverse of the cumulative distribution at one uniform draw: rounding in the logits then
    changes a token only when the draw falls next to a border.
    """
    temperatures = [row.temperature for row in rows]
    if not any(temperatures):
        return [int(token) for token in logits.argmax(-1).tolist()]
    draws = [[row.draw() if row.temperature else 0.0] for row in rows]
    device = logits.device
    scale = torch.tensor([[t or 1.0] for t in temperatures], device=device)
    sums = torch.softmax(logits / scale, dim=-1).double().cumsum(-1)
    at = torch.tensor(draws, dtype=torch.float64, device=device) * sums[:, -1:]
    tokens = torch.searchsorted(sums, at, right=True).clamp_(max=logits.shape[-1] - 1)
    if not all(temperatures):
        greedy = torch.tensor([[t == 0] for t in temperatures], device=device)
        tokens = torch.where(greedy, logits.argmax(-1, keepdim=True), tokens)
    return [int(token) for token in tokens[:, 0].tolist()]

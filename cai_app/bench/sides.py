"""The two ways to use a model that are compared: the backend's verbs, and plain transformers.

The plain way is what the libraries' documentation shows: load, attach the adapter, `generate` from
the whole prompt; for choices one forward pass of each prompt with each choice. Both are greedy.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cai_app import prompts as texts
from cai_app.backends import locate, open_backend, parse_spec
from cai_app.errors import InputError
from cai_app.records import Completion, Prompt, Sampling
from cai_app.settings import Settings

TOKENS = 48  # the most that a whole completion gets


class Timed(NamedTuple):
    """The seconds that count, and what was made: texts, or probabilities."""

    seconds: float
    made: list[Any]


class Side(Protocol):
    """One way to use the model."""

    def first(self, prompt: Prompt) -> Timed:
        """One token."""
        ...

    def write(self, prompts: Sequence[Prompt]) -> Timed:
        """A completion for each prompt."""
        ...

    def second(self, prompt: Prompt, other: Prompt) -> Timed:
        """Two people ask at the same moment; the seconds until the second sees a token."""
        ...

    def chances(self, prompts: Sequence[Prompt]) -> Timed:
        """P(" (A)") and P(" (B)") after each prompt."""
        ...


def _greedy(tokens: int = TOKENS) -> Sampling:
    return Sampling(temperature=0, max_tokens=tokens, stop=texts.STOP)


def _written(completion: Completion | None) -> str:
    assert completion is not None, "a stream that has ended has a completion"
    return completion.text


class Ours:
    """The backend, asked through its verbs as the page asks it. Loads the weights at once."""

    def __init__(self, spec: str, settings: Settings) -> None:
        self.backend = open_backend(spec, settings)
        self.backend.context_window()  # returns when the weights are there

    def first(self, prompt: Prompt) -> Timed:
        start = time.perf_counter()
        stream = self.backend.stream(prompt, _greedy(1))
        text = "".join(stream)
        return Timed(time.perf_counter() - start, [text])

    def write(self, prompts: Sequence[Prompt]) -> Timed:
        start = time.perf_counter()
        done = self.backend.generate(prompts, [_greedy()] * len(prompts))
        return Timed(time.perf_counter() - start, [one.text for one in done])

    def second(self, prompt: Prompt, other: Prompt) -> Timed:
        earlier = self.backend.stream(prompt, _greedy())
        start = time.perf_counter()
        later = self.backend.stream(other, _greedy())
        begun = iter(later)
        next(begun, None)
        seconds = time.perf_counter() - start
        list(begun), list(earlier)
        return Timed(seconds, [_written(earlier.completion), _written(later.completion)])

    def chances(self, prompts: Sequence[Prompt]) -> Timed:
        start = time.perf_counter()
        rows = self.backend.choice_logprobs(prompts, texts.CHOICES)
        return Timed(time.perf_counter() - start, [math.exp(lp) for row in rows for lp in row])


class Plain:
    """transformers and PEFT by the book, on the weights of the same spec."""

    def __init__(self, spec: str, settings: Settings) -> None:
        from peft import PeftModel

        from cai_app.backends.text import Codec
        from cai_app.backends.weights import load

        parsed = parse_spec(spec)
        folder, adapter = weights_of(spec, settings)
        weights = load(folder)
        chat = bool(weights.tokenizer.chat_template) and parsed.kind != "pocket"
        # The same tokens on both sides: what is compared is what is done with them.
        self.codec = Codec(weights.tokenizer, chat=chat)
        self.device = weights.device
        model = weights.model
        self.model = PeftModel.from_pretrained(model, adapter).eval() if adapter else model

    def first(self, prompt: Prompt) -> Timed:
        start = time.perf_counter()
        made = self._generate([prompt], 1)
        return Timed(time.perf_counter() - start, made)

    def write(self, prompts: Sequence[Prompt]) -> Timed:
        start = time.perf_counter()
        made = self._generate(prompts, TOKENS)
        return Timed(time.perf_counter() - start, made)

    def second(self, prompt: Prompt, other: Prompt) -> Timed:
        start = time.perf_counter()
        earlier = self._generate([prompt], TOKENS)
        self._generate([other], 1)
        seconds = time.perf_counter() - start
        return Timed(seconds, earlier + self._generate([other], TOKENS))

    def chances(self, prompts: Sequence[Prompt]) -> Timed:
        start = time.perf_counter()
        made = [self._chance(prompt, choice) for prompt in prompts for choice in texts.CHOICES]
        return Timed(time.perf_counter() - start, made)

    def _ids(self, prompt: Prompt) -> list[int]:
        return [token for chunk in self.codec.encode(prompt) for token in chunk]

    def _generate(self, prompts: Sequence[Prompt], tokens: int) -> list[str]:
        """One call of `generate` on all prompts, padded on the left."""
        import torch

        rows = [self._ids(prompt) for prompt in prompts]
        width = max(map(len, rows))
        pads = [width - len(row) for row in rows]
        end = self.codec.tokenizer.eos_token_id
        ids = [[end] * pad + row for pad, row in zip(pads, rows, strict=True)]
        mask = [[0] * pad + [1] * (width - pad) for pad in pads]
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=torch.tensor(ids, device=self.device),
                attention_mask=torch.tensor(mask, device=self.device),
                do_sample=False,
                max_new_tokens=tokens,
                pad_token_id=end,
            ).tolist()
        return [self._new_text(row, made[width:]) for row, made in zip(rows, out, strict=True)]

    def _new_text(self, before: list[int], new: list[int]) -> str:
        # Decoded with the prompt: some tokenizers drop the leading space of a lone token.
        text = self.codec.decode(before + new)[len(self.codec.decode(before)) :]
        return text[
            : min((at for stop in texts.STOP if (at := text.find(stop)) >= 0), default=None)
        ]

    def _chance(self, prompt: Prompt, choice: str) -> float:
        import torch

        before, after = self._ids(prompt), list(self.codec.continuation(prompt, choice))
        ids = torch.tensor([before + after], device=self.device)
        with torch.inference_mode():
            logits = self.model(input_ids=ids).logits[0, len(before) - 1 : -1].float()
        scores = torch.log_softmax(logits, dim=-1)
        return math.exp(scores[range(len(after)), after].sum().item())


def weights_of(spec: str, settings: Settings) -> tuple[Path, Path | None]:
    """Model and adapter folders of a spec. InputError where it has none on this machine."""
    if parse_spec(spec).kind == "openai":
        raise InputError(f"bench compares two uses of local weights; {spec} has none here")
    place = locate(spec, settings)
    return place.base, place.adapter

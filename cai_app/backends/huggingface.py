"""Any Hugging Face causal LM with LoRA adapters, on a base that all its adapters share.

This module is light: what needs torch (decode, scoring) is imported on the model's own thread.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cai_app.backends import folders, memory
from cai_app.backends.live import LiveStream
from cai_app.backends.loop import Work
from cai_app.backends.shared import Base
from cai_app.backends.trained import name_of
from cai_app.errors import BackendError, CaiError, InputError
from cai_app.records import Completion, ModelInfo, Prompt, Sampling, TokenScore, Turn

if TYPE_CHECKING:
    from cai_app.backends.engine import Engine

CACHE_BYTES = 512 * 2**20
_CONTRACTED = re.compile(r"\b\w+n't\b|'(?:s|re|ve|ll|d|m)\b")
_WORD = re.compile(r"\b[^\W\d_]+\b")
# Asked once of every model when it opens: the first click then finds adapter and kernels ready.
WARM_UP = (
    [
        Prompt(
            segments=("\n\nHuman: Hello\n\nAssistant:",), turns=(Turn(role="user", text="Hello"),)
        )
    ],
    [Sampling(temperature=0, max_tokens=2)],
)


class HuggingFaceBackend:
    """A base with one adapter (or none); see `base.Backend`."""

    def __init__(
        self,
        spec: str,
        folder: Path,
        *,
        adapter: Path | None = None,
        adapters: tuple[str, ...] = (),
        dialogue: bool = False,
        cache_bytes: int = CACHE_BYTES,
        nf4: bool = True,
    ) -> None:
        """`dialogue`: write dialogue text even where the tokenizer has a chat template; `nf4` off
        keeps the weights in bf16."""
        self.spec = spec
        self._adapter = adapter
        self._adapters = adapters
        self._scores = adapter is not None and folders.scores_texts(adapter)
        self._closed = False
        words = folder / "vocabulary.txt"
        self._words = set(words.read_text(encoding="utf-8").split()) if words.is_file() else None
        self._base = Base.open(folder, dialogue=dialogue, cache_bytes=cache_bytes, nf4=nf4)
        self._warm = self._base.loop.submit(self._work("decode", "generate", *WARM_UP))

    def info(self) -> ModelInfo:
        """Size, device, quantization, state and adapters, without waiting for weights."""
        base = self._base
        return ModelInfo(
            spec=self.spec,
            parameters=base.parameters,
            device=base.device,
            quantization=base.quantization,
            state=self._state(),
            adapters=self._adapters,
            adapter=name_of(self._adapter) if self._adapter else None,
            note=str(failure) if (failure := self._failure()) else base.note,
        )

    def _state(self) -> Literal["available", "loading", "ready", "failed"]:
        if self._closed:
            return "available"
        if self._failure() is not None:
            return "failed"
        return "ready" if self._warm.future.done() else "loading"

    def _failure(self) -> BaseException | None:
        """What went wrong with the weights or the adapter, once it is known."""
        return self._warm.future.exception() if self._warm.future.done() else None

    def generate(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> list[Completion]:
        """One completion a prompt; row i draws from its own generator."""
        self._check_writes()
        if len(prompts) != len(sampling):
            raise InputError(f"{len(prompts)} prompts but {len(sampling)} samplings; give as many.")
        return list(self._ask("decode", "generate", prompts, sampling)) if prompts else []

    def generate_each(
        self,
        prompts: Sequence[Prompt],
        sampling: Sequence[Sampling],
        adapters: Sequence[Path | None],
    ) -> list[Completion]:
        """One completion a prompt in one batch, row i under adapters[i], None being the base."""
        if not len(prompts) == len(sampling) == len(adapters):
            raise InputError(
                f"{len(prompts)} prompts, {len(sampling)} samplings and {len(adapters)} adapters; "
                "give as many of each."
            )
        if not prompts:
            return []
        job = self._base.loop.submit(self._each(prompts, sampling, adapters))
        try:
            return list(job.future.result())
        finally:
            job.cancel()

    def stream(self, prompt: Prompt, sampling: Sampling) -> LiveStream:
        """One completion, piece by piece."""
        self._check_writes()
        live = LiveStream()
        live.job = self._base.loop.submit(
            self._streaming(live, prompt, sampling), live=True, ended=live.end
        )
        return live

    def choice_logprobs(
        self, prompts: Sequence[Prompt], choices: Sequence[str]
    ) -> list[tuple[float, ...]]:
        """Log-probability (nats) of each whole choice after each prompt."""
        self._check_writes()
        if not choices or not all(choices):
            raise InputError("A choice is empty; give the texts to choose between.")
        return self._ask("scoring", "choice_logprobs", prompts, choices) if prompts else []

    def token_logprobs(
        self, prompts: Sequence[Prompt], continuations: Sequence[str], top_k: int = 0
    ) -> list[list[TokenScore]]:
        """Per-token log-probabilities of continuation i after prompt i."""
        self._check_writes()
        if len(prompts) != len(continuations):
            raise InputError(
                f"{len(prompts)} prompts but {len(continuations)} continuations; give as many."
            )
        return self._ask("scoring", "token_logprobs", prompts, continuations, top_k)

    def score(self, texts: Sequence[str]) -> list[float]:
        """Preference-model score of each whole dialogue."""
        if self._adapter is None:
            raise BackendError(
                f"{self.spec} has no preference adapter, so it cannot score texts; choose one that "
                "`train preference` wrote."
            )
        return self._ask("scoring", "score", texts) if texts else []

    def dialogue(self, prompt: Prompt, response: str) -> str:
        """A whole dialogue in this model's form, as `score` reads it."""
        return self._engine().codec.whole(prompt, response)

    def count_tokens(self, text: str | Prompt) -> int:
        """Tokens of a text in this model's tokenizer, or of a prompt in this model's own form."""
        codec = self._engine().codec
        return len(codec.tokens(text)[0]) if isinstance(text, str) else codec.count(text)

    def context_window(self) -> int | None:
        """Most tokens of prompt and completion together."""
        return self._engine().window

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words that are not in the model folder's vocabulary.txt (empty where it has none).

        A word is letters of any script; what hangs on a number ("9pm") is none, and contractions
        ("don't", "what's") have no content of their own.
        """
        if self._words is None:
            return ()
        plain = _CONTRACTED.sub("", text.lower().replace("\u2019", "'"))
        found = dict.fromkeys(_WORD.findall(plain))
        return tuple(word for word in found if word not in self._words)

    def close(self) -> None:
        """Let go of the base; the last backend on it frees the weights. Idempotent."""
        if not self._closed:
            self._closed = True
            self._base.release()

    def _check_writes(self) -> None:
        """Raises InputError where the adapter only scores: its language model is a by-product."""
        if self._scores:
            raise folders.writes_nothing(self.spec)

    def _ask(self, module: str, verb: str, *args: Any) -> Any:
        """Run a batch verb on the model's thread and wait for its result."""
        job = self._base.loop.submit(self._work(module, verb, *args))
        try:
            return job.future.result()
        finally:
            job.cancel()  # the caller may have been interrupted; a job that ended does not care

    def _work(self, module: str, verb: str, *args: Any) -> Work:
        engine = self._engine()
        # The adapter is loaded at first use, and again when its file has changed.
        function = getattr(import_module(f"cai_app.backends.{module}"), verb)
        with self._explained(), engine.adapters.holding([self._adapter]) as [key]:
            return (yield from function(engine, key, *args))

    def _each(
        self,
        prompts: Sequence[Prompt],
        sampling: Sequence[Sampling],
        adapters: Sequence[Path | None],
    ) -> Work:
        from cai_app.backends import mixed

        engine = self._engine()
        with self._explained(), engine.adapters.holding(adapters) as keys:
            return (yield from mixed.generate(engine, keys, prompts, sampling))

    def _streaming(self, live: LiveStream, prompt: Prompt, sampling: Sampling) -> Work:
        from cai_app.backends.decode import stream

        engine = self._engine()
        with self._explained(), engine.adapters.holding([self._adapter]) as [key]:
            yield from stream(engine, key, prompt, sampling, live)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Within, the device may run out of memory, which is an ordinary failure."""
        try:
            yield
        except (RuntimeError, MemoryError, OSError) as error:
            if isinstance(error, CaiError) or not memory.ran_out(error):
                raise
            raise BackendError(
                f"The device has no memory left for this request to {self.spec}; shorten it, ask "
                "for fewer at once, or stop the run that holds the device."
            ) from error

    def _engine(self) -> "Engine":
        """The engine, as soon as the weights are loaded."""
        self._base.ready.wait()
        engine = self._base.engine
        if engine is None and not self._closed:
            self._base.loop.submit(_nothing()).future.result()  # raises what the loading raised
        if engine is None or self._closed:
            raise BackendError(f"{self.spec} was unloaded; open it again.")
        return engine


def _nothing() -> Work:
    yield

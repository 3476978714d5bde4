"""A model behind an OpenAI-compatible server (vLLM, llama.cpp, transformers serve, ...).

Dialogue text goes to /v1/completions; a server that offers only /v1/chat/completions gets the same
prompt as chat turns. Log-probabilities come from /v1/completions with `echo`; a server that returns
none is an error naming the alternative. Only the given address is ever contacted.
"""

import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cai_app.backends.echo import own_tokens
from cai_app.backends.wire import NoRouteError, RefusedError, Wire
from cai_app.errors import BackendError, InputError
from cai_app.records import Completion, ModelInfo, Prompt, Sampling, TokenScore

PARALLEL = 8  # requests in flight; the server batches them
ECHO_BATCH = 32  # texts scored in one request
ROUTES = {False: "/completions", True: "/chat/completions"}  # by whether it is chat


class EndpointStream:
    """One live generation from a server; see `base.Stream`."""

    def __init__(self, events: Generator[tuple[str, str | None], None, None]) -> None:
        self.completion: Completion | None = None
        self._events = events
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Hang up at the next token, which frees the server."""
        self._cancelled.set()

    def __iter__(self) -> Iterator[str]:
        text, tokens, finish = "", 0, "cancelled"
        try:
            while not self._cancelled.is_set():
                piece, reason = next(self._events, ("", "stop"))
                text, tokens = text + piece, tokens + bool(piece)
                if piece:
                    yield piece
                if reason:
                    finish = "length" if reason == "length" else "stop"
                    break
            self._complete(text, tokens, finish)
        except GeneratorExit:
            self._complete(text, tokens, "cancelled")
            raise
        finally:
            self._events.close()  # hangs up

    def _complete(self, text: str, tokens: int, finish: str) -> None:
        if self.completion is None:
            self.completion = Completion.model_validate(
                {"text": text, "tokens": tokens, "finish": finish}
            )


class EndpointBackend:
    """A model on an OpenAI-compatible server; see `base.Backend`."""

    def __init__(self, spec: str, url: str, model: str) -> None:
        self.spec = spec
        self._model = model
        self._wire = Wire(url)
        self._chat: bool | None = None  # None: not known yet
        self._singly = False  # some servers take one prompt a request

    def info(self) -> ModelInfo:
        """What is known without asking the server."""
        return ModelInfo(spec=self.spec, state="ready", note=f"{self._model} at {self._wire.url}")

    def generate(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> list[Completion]:
        """One completion a prompt, several requests at a time; each carries its own seed."""
        if len(prompts) != len(sampling):
            raise InputError(f"{len(prompts)} prompts but {len(sampling)} samplings; give as many.")
        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(self._complete, prompts, sampling))

    def stream(self, prompt: Prompt, sampling: Sampling) -> EndpointStream:
        """One completion, piece by piece; the request is made when iteration begins."""
        return EndpointStream(self._events(prompt, sampling))

    def choice_logprobs(
        self, prompts: Sequence[Prompt], choices: Sequence[str]
    ) -> list[tuple[float, ...]]:
        """Log-probability (nats) of each whole choice after each prompt."""
        if not choices or not all(choices):
            raise InputError("A choice is empty; give the texts to choose between.")
        pairs = [(prompt.text, choice) for prompt in prompts for choice in choices]
        sums = [sum(score.logprob for score in scores) for scores in self._echo(pairs, 0)]
        step = len(choices)
        return [tuple(sums[at : at + step]) for at in range(0, len(sums), step)]

    def token_logprobs(
        self, prompts: Sequence[Prompt], continuations: Sequence[str], top_k: int = 0
    ) -> list[list[TokenScore]]:
        """Per-token log-probabilities of continuation i after prompt i."""
        texts = [prompt.text for prompt in prompts]
        return self._echo(list(zip(texts, continuations, strict=True)), top_k)

    def score(self, texts: Sequence[str]) -> list[float]:
        """Servers of this kind have no preference head."""
        raise BackendError(
            f"{self.spec} cannot score texts; use a local model with a preference adapter."
        )

    def count_tokens(self, text: str | Prompt) -> int:
        """0: only the server knows."""
        return 0

    def context_window(self) -> int | None:
        """None: only the server knows."""
        return None

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Nothing is known of the server's vocabulary."""
        return ()

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._wire.close()

    def _body(self, prompt: Prompt, sampling: Sampling, *, chat: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
            **({"stop": list(sampling.stop)} if sampling.stop else {}),
        }
        if not chat:
            return body | {"prompt": prompt.text}
        messages = [{"role": turn.role, "content": turn.text} for turn in prompt.turns]
        if prompt.prefill:
            messages.append({"role": "assistant", "content": prompt.prefill})
        return body | {"messages": messages}

    def _complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        answer = self._ask(prompt, sampling)
        choice = self._wire.first(answer)
        text = choice.get("text") or (choice.get("message") or {}).get("content") or ""
        used = (answer.get("usage") or {}).get("completion_tokens") or 0
        finish = "length" if choice.get("finish_reason") == "length" else "stop"
        return Completion.model_validate({"text": text, "tokens": used, "finish": finish})

    def _ask(self, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
        """Completions where the server has them, else chat; remembered for the next call."""
        known = self._chat  # another thread may learn it meanwhile
        for chat in (False, True) if known is None else (known,):
            try:
                body = self._body(prompt, sampling, chat=chat)
                answer = self._wire.ask(ROUTES[chat], body)
            except NoRouteError:
                if chat or known is not None:
                    raise
            else:
                self._chat = chat
                return answer
        raise AssertionError("the last route either answers or raises")

    def _events(
        self, prompt: Prompt, sampling: Sampling
    ) -> Generator[tuple[str, str | None], None, None]:
        """(piece, finish reason) of a streamed answer, by the same choice of route."""
        known = self._chat
        for chat in (False, True) if known is None else (known,):
            try:
                body = self._body(prompt, sampling, chat=chat)
                for choice in self._wire.events(ROUTES[chat], body):
                    self._chat = chat
                    text = choice.get("text") or (choice.get("delta") or {}).get("content") or ""
                    yield text, choice.get("finish_reason")
                return
            except NoRouteError:
                if chat or known is not None:
                    raise

    def _echo(self, pairs: Sequence[tuple[str, str]], top_k: int) -> list[list[TokenScore]]:
        """Token scores of each (prompt, continuation), by having the server echo them."""
        results: list[list[TokenScore]] = []
        for at in range(0, len(pairs), ECHO_BATCH):
            part = pairs[at : at + ECHO_BATCH]
            try:
                choices = self._echoed([prompt + text for prompt, text in part], top_k)
            except NoRouteError as error:
                raise self._no_logprobs(str(error)) from error
            for n, (prompt, text) in enumerate(part):
                results.append(self._scores(choices[n], prompt, text, top_k))
        return results

    def _echoed(self, texts: Sequence[str], top_k: int) -> list[dict[str, Any]]:
        """The server's choice for each text: all in one request, where it takes several."""
        body = {
            "model": self._model,
            "max_tokens": 1,  # some servers refuse 0; the extra token is cut off below
            "temperature": 0,
            "logprobs": max(1, top_k),
            "echo": True,
        }
        if not self._singly:
            try:
                answer = self._wire.ask(ROUTES[False], body | {"prompt": list(texts)})
            except RefusedError:
                pass
            else:
                choices = answer.get("choices") or []
                by_index = {choice.get("index", n): choice for n, choice in enumerate(choices)}
                return [by_index.get(n, {}) for n in range(len(texts))]
        alone = [self._echoed_alone(body, text) for text in texts]
        self._singly = True  # each is taken: what was refused is the list
        return alone

    def _echoed_alone(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        try:
            return self._wire.first(self._wire.ask(ROUTES[False], body | {"prompt": text}))
        except RefusedError as error:
            raise RefusedError(
                f"A text of {len(text):,} characters is refused, perhaps as too long for the "
                f"server: {error}"
            ) from error

    def _scores(
        self, choice: dict[str, Any], prompt: str, text: str, top_k: int
    ) -> list[TokenScore]:
        """The continuation's part of one echoed text."""
        found = choice.get("logprobs") or {}
        tokens, values = found.get("tokens"), found.get("token_logprobs")
        if not tokens or not values or len(tokens) != len(values):
            raise self._no_logprobs()
        own = own_tokens(tokens, found.get("text_offset"), prompt, text)
        if not own or any(values[n] is None for n in own):
            raise BackendError(
                f"The server at {self._wire.url} does not return the tokens of {text!r} apart from "
                "the prompt's, so it cannot be scored; judge by sampled votes or a local model."
            )
        tops = found.get("top_logprobs") or [None] * len(tokens)
        return [
            TokenScore(
                token=tokens[n],
                logprob=values[n],
                top=tuple(list((tops[n] or {}).items())[:top_k]),
            )
            for n in own
        ]

    def _no_logprobs(self, said: str = "") -> BackendError:
        """`said`: its answer, where it was an error: some call an unknown model a missing route."""
        checks = f", or check the model's name (its answer: {said})" if said else ""
        return BackendError(
            f"The server at {self._wire.url} returned no log-probabilities for {self._model!r}; "
            "judge by sampled votes, serve it with vLLM, or use a local model (pocket or hf:PATH)"
            f"{checks}."
        )

"""What all tests share: settings on a temporary home, a scripted backend, a browser."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cai_app.records import Completion, ModelInfo, Prompt, Sampling, TokenScore
from cai_app.settings import Settings


class ScriptedStream:
    """Gives a text word by word, until it ends or is cancelled."""

    def __init__(self, text: str) -> None:
        self.pieces = text.split(" ")
        self.completion: Completion | None = None
        self.cancelled = False

    def __iter__(self) -> Iterator[str]:
        said = ""
        for piece in self.pieces:
            if self.cancelled:
                break
            said += f" {piece}"
            yield f" {piece}"
        finish = "cancelled" if self.cancelled else "stop"
        self.completion = Completion(text=said, tokens=len(said.split()), finish=finish)

    def cancel(self) -> None:
        self.cancelled = True


class ScriptedBackend:
    """Texts and choice probabilities in by queue, every call out by history."""

    def __init__(self, *texts: str, p_first: Sequence[float] = (), window: int = 2048) -> None:
        self.spec, self.window = "scripted", window
        self.texts, self.p_first = list(texts), list(p_first)
        self.history: list[tuple[Prompt, Sampling | None]] = []
        self.streams: list[ScriptedStream] = []

    def info(self) -> ModelInfo:
        return ModelInfo(spec=self.spec, state="ready", adapter="helpful")

    def generate(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> list[Completion]:
        found = [self.stream(p, s) for p, s in zip(prompts, sampling, strict=True)]
        return [s.completion for s in found if list(s) and s.completion]

    def stream(self, prompt: Prompt, sampling: Sampling) -> ScriptedStream:
        self.history.append((prompt, sampling))
        self.streams.append(ScriptedStream(self.texts.pop(0)))
        return self.streams[-1]

    def choice_logprobs(
        self, prompts: Sequence[Prompt], choices: Sequence[str]
    ) -> list[tuple[float, ...]]:
        self.history += [(prompt, None) for prompt in prompts]
        return [(math.log(p * 0.9), math.log((1 - p) * 0.9)) for p in self._next(len(prompts))]

    def _next(self, n: int) -> list[float]:
        return [self.p_first.pop(0) for _ in range(n)]

    def token_logprobs(
        self, prompts: Sequence[Prompt], continuations: Sequence[str], top_k: int = 0
    ) -> list[list[TokenScore]]:
        return [[TokenScore(token=text, logprob=-1.0)] for text in continuations]

    def score(self, texts: Sequence[str]) -> list[float]:
        return [float(len(text)) for text in texts]

    def dialogue(self, prompt: Prompt, response: str) -> str:
        return f"{prompt.text} {response.strip()}"

    def count_tokens(self, text: str | Prompt) -> int:
        return len((text if isinstance(text, str) else text.text).split())

    def context_window(self) -> int | None:
        return self.window

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return tuple(word for word in ("flibbertigibbet",) if word in text)

    def close(self) -> None:
        pass


# The longest files, the longest first: with a file to a process, one that begins late keeps one
# process at work while the other has nothing left to do.
LONGEST = (
    "browser/test_data.py",
    "test_jobs.py",
    "browser/test_browser.py",
    "browser/test_constitution_page.py",
    "test_training_runs.py",
    "test_reward_runs.py",
    "browser/test_train_page.py",
    "browser/test_rating_page.py",
    "test_app_kills.py",
    "test_pocket_principles.py",
    "test_pocket_skills.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the others as they are."""
    here = Path(__file__).parent
    place = {here / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def store(settings: Settings) -> Iterator[Any]:
    from cai_app.store import Store  # only tests of the store wait for DuckDB

    opened = Store(settings.home)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium for the browser tests of a module."""
    import chromium
    from playwright.sync_api import sync_playwright
    from stage import ARGUMENTS

    path = chromium.find()
    if path is None:
        pytest.skip(chromium.HOW)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        launched.close()

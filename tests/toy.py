"""A toy model for tests of runs: its texts follow from prompt and seed alone, and cost nothing."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import ScriptedBackend, ScriptedStream
from serve_backend import serve

from cai_app import jobs
from cai_app.files import read_rows
from cai_app.records import Completion, GenerateOptions, Prompt, Sampling
from cai_app.settings import Settings
from cai_app.workbench import generation

WORDS = ["the", "key", "lies", "under", "a", "pot", "and", "nobody", "would", "tell", "it"]


class ToyBackend(ScriptedBackend):
    """Writes a few words drawn from a hash of prompt and seed, after `delay` seconds."""

    def __init__(self, delay: float = 0.0) -> None:
        super().__init__()
        self.spec, self.delay, self.calls = "toy", delay, 0

    def generate(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> list[Completion]:
        self.calls += 1
        time.sleep(self.delay)
        return [write(one.text, how.seed) for one, how in zip(prompts, sampling, strict=True)]

    def stream(self, prompt: Prompt, sampling: Sampling) -> ScriptedStream:
        return ScriptedStream(write(prompt.text, sampling.seed).text.strip())


def write(prompt: str, seed: int) -> Completion:
    digest = hashlib.sha256(f"{seed} {prompt}".encode()).digest()
    text = " ".join(WORDS[byte % len(WORDS)] for byte in digest[: 4 + digest[0] % 6])
    return Completion(text=f" {text}", tokens=len(text.split()), finish="stop")


@contextmanager
def served(delay: float = 0.0) -> Iterator[str]:
    """The spec of a server that runs the toy model; a worker reaches it from its own process."""
    with serve(ToyBackend(delay)) as (url, _):
        yield f"openai:{url}#toy"


def asked(
    settings: Settings, spec: str, *, count: int = 10, device: int | None = 0, **options: Any
) -> jobs.NewRun:
    """A `generate` run of `count` prompts that takes the device, as a local model's would."""
    path = settings.home.parent / "prompts.jsonl"
    path.write_text("".join(f'{{"prompt": "Can I have {n} apples?"}}\n' for n in range(count)))
    chosen = {"backend": spec, "batch": 2, "few_shot": 0, "rounds": 1, **options}
    run = generation.prepare(GenerateOptions(**chosen), prompts=str(path), settings=settings)
    return run.model_copy(update={"device": device})


def rows(path: Path) -> list[dict[str, Any]]:
    """What a run wrote, without the run's own name."""
    return [plain(row) for row in read_rows(path / "outputs.jsonl")[0]]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    inner = {name: plain(row[name]) for name in ("a", "b") if isinstance(row.get(name), dict)}
    return {**row, **inner, "source": None}

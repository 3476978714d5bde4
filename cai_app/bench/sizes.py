"""How fast each shipped pocket size streams and learns: what decides which of them `pocket` is."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

from cai_app import files, prompts
from cai_app.backends import locate, pocket_specs
from cai_app.bench.plain import make_preference
from cai_app.bench.sides import Ours
from cai_app.bench.training import prepared
from cai_app.errors import BackendError
from cai_app.records import Sampling
from cai_app.settings import Settings

STREAMED, STREAM_TARGET = 200, 1.0  # tokens, seconds
ROLLOUTS, STEP_TARGET = 32, 1.5
_STEPS = 8


def names(settings: Settings) -> tuple[str, ...]:
    """The rows of every size that is there."""
    return tuple(name for spec in _specs(settings) for name in (_stream_row(spec), _step_row(spec)))


def _specs(settings: Settings) -> list[str]:
    return [spec for spec in pocket_specs(settings) if spec != "pocket"]


def _stream_row(spec: str) -> str:
    return f"{spec} streams {STREAMED} tokens"


def _step_row(spec: str) -> str:
    return f"{spec}: an RLOO step of {ROLLOUTS} rollouts"


def rows(settings: Settings) -> Iterator[tuple[str, float, float]]:
    """Row, seconds, and the most seconds that `pocket` may take."""
    for spec in _specs(settings):
        yield _stream_row(spec), streamed(f"{spec}@none", settings), STREAM_TARGET
        yield _step_row(spec), rloo_step(f"{spec}@none", settings), STEP_TARGET


def streamed(spec: str, settings: Settings) -> float:
    """Seconds for STREAMED tokens that one person watches, at the rate of a dozen answers."""
    ours = Ours(spec, settings)
    try:
        asked = [
            prompts.draft(f"Can you help me find {n} things for the party?") for n in range(13)
        ]
        tokens, seconds = 0, 0.0
        for number, prompt in enumerate(asked):
            begun = time.perf_counter()
            stream = ours.backend.stream(prompt, Sampling(seed=number, max_tokens=100))
            for _ in stream:
                pass
            if number:  # the first one warms up
                seconds += time.perf_counter() - begun
                assert stream.completion is not None, "a stream that has ended has a completion"
                tokens += stream.completion.tokens
        return STREAMED * seconds / tokens
    finally:
        ours.close()


def rloo_step(spec: str, settings: Settings) -> float:
    """Median seconds of a step, generation, scores and update, in a real run of a few steps."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        make_preference(locate(spec, settings).base, home / "adapters" / "pm")
        run = prepared(settings, home, "rl", f"backend={spec}", "start=none", "pm=pm",
                       "test_pm=none", f"batch={ROLLOUTS}", f"max_steps={_STEPS}",
                       "sample_every=0", "fixed=2")  # fmt: skip
        # A preference model of random weights may raise any of them; the run would pause.
        files.replace(run / "alarms.json", json.dumps(["truncated", "spread", "kl", "length"]))
        ran = subprocess.run(
            [sys.executable, "-m", "cai_app.work.rl", str(run)],
            cwd=settings.root, capture_output=True, text=True,
        )  # fmt: skip
        if ran.returncode:
            raise BackendError(f"rl on {spec} failed: {(ran.stderr or ran.stdout).strip()[-300:]}")
        logged, _ = files.read_rows(run / "metrics.jsonl")
        times = [row["time"] for row in logged if "reward" in row]
        if len(times) < _STEPS:
            raise BackendError(f"rl on {spec} ended after {len(times)} of {_STEPS} steps")
        return median(after - before for before, after in pairwise(times))

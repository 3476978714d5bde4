"""Random trees of prompts, branches, adapter switches and stops give what the plain way gives."""

import random
from collections.abc import Iterator

import pytest
import tiny

from cai_app import prompts
from cai_app.backends.huggingface import HuggingFaceBackend
from cai_app.bench.plain import Plain
from cai_app.bench.sides import Ours
from cai_app.records import Prompt, Sampling

pytestmark = pytest.mark.filterwarnings("ignore")
SPECS = ("pocket@none", "pocket@helpful", "pocket@sl-cai")
Sides = dict[str, tuple[Ours, Plain]]


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    found = {spec: (Ours(spec, tiny.home()), Plain(spec, tiny.home())) for spec in SPECS}
    yield found
    for ours, _ in found.values():
        ours.close()


def grown(rng: random.Random, known: list[tuple[str, ...]]) -> Prompt:
    """A conversation begun anew, or one that goes on from where an earlier one stood."""
    start = rng.choice(known)[: rng.randint(0, 2)] if known else ()
    at = rng.randrange(len(tiny.TEXT) - 60)
    segments = (*start, tiny.TEXT[at : at + rng.randint(5, 60)])
    known.append(segments)
    return tiny.prompt(*segments)


def whole(texts: list[str]) -> list[str]:
    """Without half a letter at the end: a random model writes many, the backend shows few."""
    return [text.rstrip("\ufffd") for text in texts]


def storm(sides: Sides, *, seed: int, steps: int, budget: int) -> None:
    rng = random.Random(seed)
    known: list[tuple[str, ...]] = []
    for step in range(steps):
        ours, plain = sides[rng.choice(SPECS)]
        assert isinstance(ours.backend, HuggingFaceBackend)
        ours.backend._engine().tree.budget = budget
        asked = [grown(rng, known) for _ in range(rng.randint(1, 6))]
        told = f"seed {seed}, step {step}"
        what = rng.randrange(4)
        if what == 0:
            assert ours.chances(asked) == pytest.approx(plain.chances(asked), abs=1e-4), told
        elif what == 1:
            made = [ours.write_one(asked[0], 12)]
            assert whole(made) == whole([plain.write_one(asked[0], 12)]), told
        elif what == 2:
            assert whole(ours.write(asked)) == whole(plain.write(asked)), told
        else:
            stream = ours.backend.stream(asked[0], Sampling(max_tokens=40, stop=prompts.STOP))
            next(iter(stream), None)  # and let go in the middle


def test_a_short_storm_gives_what_the_plain_way_gives(sides: Sides) -> None:
    storm(sides, seed=1, steps=8, budget=30_000)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("budget", [0, 30_000, 10**9])
@pytest.mark.parametrize("seed", range(2, 6))
def test_a_long_storm_gives_what_the_plain_way_gives(sides: Sides, seed: int, budget: int) -> None:
    storm(sides, seed=seed, steps=60, budget=budget)

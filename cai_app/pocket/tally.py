"""The cases of an evaluation and their outcomes; `estimates` says what they amount to.

Which cases there are depends on the seed alone, never on what a model answered: outcome i of a key
belongs to the same case for every model, so that models can be compared case by case.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from cai_app.backends.base import Backend
from cai_app.pocket.corpus import Corpus
from cai_app.pocket.documents import JUDGED_KINDS, Author
from cai_app.pocket.world import WITHHELD
from cai_app.prompts import STOP, Shots, few_shots
from cai_app.records import Completion, Prompt, Sampling
from cai_app.settings import ROOT, Settings

BATCH = 512  # prompts handed over at once: rows of like length then fill a forward pass
WITHHELD_SHARE = 0.25  # of the cases: reported apart, without a bar

T = TypeVar("T")


@dataclass
class Tally:
    """Outcomes by key, each with the act it belongs to."""

    rows: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    slopes: dict[str, list[tuple[str, float, float]]] = field(default_factory=dict)
    """(act, known, measured) by key: the slope of measured on known"""

    texts: dict[str, list[str]] = field(default_factory=dict)
    """Sentences by key: how many different ones there are is counted"""

    def add(self, key: str, act: str, value: bool | float) -> None:
        """Count one case."""
        self.rows.setdefault(key, []).append((act, float(value)))

    def take(self, other: "Tally") -> None:
        """Add another's outcomes after one's own."""
        for key, rows in other.rows.items():
            self.rows.setdefault(key, []).extend(rows)
        for key, slopes in other.slopes.items():
            self.slopes.setdefault(key, []).extend(slopes)
        for key, texts in other.texts.items():
            self.texts.setdefault(key, []).extend(texts)


@dataclass(frozen=True)
class Bench:
    """A model, a world, and how many cases a key gets."""

    backend: Backend
    corpus: Corpus
    cases: int = 1000
    seed: int = 0
    few_shot: int = 5

    def author(self, name: str) -> Author:
        """A generator of cases that training never draws from."""
        author = self.corpus.author(f"evaluate-{self.seed}-{name}")
        return replace(author, any_phrasing=True)

    def shots(self, kind: Literal["critique", "judge", "judge_cot"]) -> Shots:
        """The shipped few-shots, as the page puts them before a question."""
        return few_shots(kind, self.few_shot, Settings(home=ROOT / "data" / "local"))

    def complete(
        self, prompts: Sequence[Prompt], max_tokens: int = 120, stop: tuple[str, ...] = STOP
    ) -> list[Completion]:
        """Sample every prompt at temperature 1, each row by its own seed."""
        rows: list[Completion] = []
        for start in range(0, len(prompts), BATCH):
            batch = prompts[start : start + BATCH]
            sampling = [
                Sampling(seed=self.seed * 100_003 + start + i, max_tokens=max_tokens, stop=stop)
                for i in range(len(batch))
            ]
            rows += self.backend.generate(batch, sampling)
        return rows


@dataclass(frozen=True)
class Unseen:
    """What of a case training never saw: the combination, the act, or its kind's judgement."""

    suffix: str
    author: Author
    unseen: str
    kinds: tuple[str, ...] = JUDGED_KINDS


UNSEEN: dict[str, tuple[str, tuple[str, ...]]] = {
    "": ("scene", JUDGED_KINDS),
    "_new_act": ("act", JUDGED_KINDS),
    "_withheld": ("scene", WITHHELD),
}


def unseen(bench: Bench, part: str, suffix: str = "") -> Unseen:
    """Known acts in new combinations (""), new acts, or kinds that were never judged."""
    what, kinds = UNSEEN[suffix]
    return Unseen(suffix, bench.author(f"{part}-{suffix or '_scene'}"), what, kinds)


def cases(bench: Bench, sort: Unseen) -> int:
    """How many cases a key gets on this sort."""
    return max(1, round(bench.cases * (WITHHELD_SHARE if sort.kinds == WITHHELD else 1)))


def fill(count: int, draw: Callable[[], T], wanted: Callable[[T], bool]) -> Iterator[T]:
    """The first `count` wanted draws: a key about some cases only gets as many as the others."""
    while count:
        drawn = draw()
        if wanted(drawn):
            count -= 1
            yield drawn

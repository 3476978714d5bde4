"""How principles are worded in the corpus, and which aspect each wording asks about.

Wordings come from `wordings.yaml` (frames × phrases, a fifth of them held out by hash) and from
the shipped constitutions, whose first tag names the aspect. Constitutions listed in UNSEEN stay
out of the corpus altogether.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from cai_app.pocket.loading import read
from cai_app.pocket.replies import ASPECTS
from cai_app.pocket.world import held_out

UNSEEN = ("inverted",)
# General principles are the most common, as in the published sixteen.
SUPERVISED_SHARE = {"harm": 5, "illegal": 2, "privacy": 2.5, "respect": 2, "honesty": 2,
                    "family": 1, "preachy": 1, "evasive": 1, "brand": 0.4}  # fmt: skip
QUESTION_SHARE = {**SUPERVISED_SHARE, "helpful": 1.5}


@dataclass(frozen=True)
class Wording:
    """One principle as asked: the requests of the supervised stage, or the question."""

    aspect: str
    critique: str = ""
    revision: str = ""
    question: str = ""
    worse: bool = False


@dataclass(frozen=True)
class Wordings:
    """Every wording that training may see, and those it never does."""

    frames: dict[str, Any]
    shipped_supervised: dict[str, tuple[Wording, ...]]
    shipped_preference: dict[str, tuple[Wording, ...]]

    def supervised(self, rng: random.Random, *, unseen: bool = False) -> Wording:
        """A critique request with its revision request."""
        chosen = _draw(rng, SUPERVISED_SHARE)
        shipped = self.shipped_supervised.get(chosen, ())
        if shipped and not unseen and rng.random() < 0.5:
            return rng.choice(shipped)
        phrases = self.frames["aspects"][chosen]["bad"]
        return Wording(
            chosen,
            critique=_joined(rng, self.frames["critique_frames"], phrases, "bad", unseen),
            revision=_joined(rng, self.frames["revision_frames"], phrases, "bad", unseen),
        )

    def question(
        self,
        rng: random.Random,
        *,
        aspect: str | None = None,
        unseen: bool = False,
        worse: bool | None = None,
    ) -> Wording:
        """A comparison question; `worse` ones ask for the poorer response (two in five)."""
        chosen = aspect or _draw(rng, QUESTION_SHARE)
        flipped = rng.random() < 0.4 if worse is None else worse
        shipped = self.shipped_preference.get(chosen, ())
        if shipped and not flipped and not unseen and rng.random() < 0.5:
            return rng.choice(shipped)
        phrases = self.frames["aspects"][chosen]["worse" if flipped else "good"]
        text = _joined(rng, self.frames["question_frames"], phrases, "asks", unseen)
        return Wording(chosen, question=text, worse=flipped)


def _joined(
    rng: random.Random, frames: list[str], phrases: list[str], slot: str, unseen: bool
) -> str:
    while True:
        text = Template(rng.choice(frames)).substitute({slot: rng.choice(phrases)})
        if held_out("wording", text, 20) == unseen:
            return text


def _draw(rng: random.Random, shares: dict[str, float]) -> str:
    return rng.choices(list(shares), weights=list(shares.values()))[0]


def load(pocket: Path, constitutions: Path) -> Wordings:
    """Read the frames and the shipped constitutions' wordings."""
    supervised: dict[str, list[Wording]] = {}
    preference: dict[str, list[Wording]] = {}
    for path in sorted(constitutions.glob("*.yaml")):
        if path.stem in UNSEEN:
            continue
        document = read(path)
        for entry in document.get("supervised") or ():
            aspect = _aspect(entry, path)
            supervised.setdefault(aspect, []).append(
                Wording(aspect, entry["critique_request"], entry["revision_request"])
            )
        for entry in document.get("preference") or ():
            aspect = _aspect(entry, path)
            preference.setdefault(aspect, []).append(Wording(aspect, question=entry["question"]))
    return Wordings(
        frames=read(pocket / "wordings.yaml"),
        shipped_supervised={k: tuple(v) for k, v in supervised.items()},
        shipped_preference={k: tuple(v) for k, v in preference.items()},
    )


def _aspect(entry: dict[str, Any], path: Path) -> str:
    aspect = (entry.get("tags") or [""])[0]
    if aspect not in ASPECTS:
        raise ValueError(f"{path.name}: {entry['id']}: first tag {aspect!r} is not of {ASPECTS}")
    return str(aspect)

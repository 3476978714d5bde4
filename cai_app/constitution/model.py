"""A constitution: named principles for both stages (CAI 3.1, 4.1), hashed, and drawn from."""

import hashlib
import json
import random
import re
from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar

from pydantic import Field

from cai_app.errors import InputError
from cai_app.records import ConstitutionRef, PreferencePrinciple, Record, SupervisedPrinciple

Stage = Literal["supervised", "preference"]
Principle = SupervisedPrinciple | PreferencePrinciple
STAGES: tuple[Stage, ...] = ("supervised", "preference")
# What a principle says to the model, by stage; all else is about the principle.
TEXTS: dict[Stage, tuple[str, ...]] = {
    "supervised": ("critique_request", "revision_request"),
    "preference": ("question",),
}
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
HASH_LENGTH = 16


class _Drawable(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def enabled(self) -> bool: ...


P = TypeVar("P", bound=_Drawable)


class Constitution(Record):
    """Principles for the supervised stage and for the preference stage.

    `hazard` marks lessons about dangers: the page shows a warning with them.
    """

    name: str
    title: str
    description: str = ""
    hazard: bool = False
    supervised: tuple[SupervisedPrinciple, ...] = Field(default=())
    preference: tuple[PreferencePrinciple, ...] = Field(default=())

    @property
    def hash(self) -> str:
        """First 16 hex digits of SHA-256 over canonical JSON; layout and key order do not count."""
        # Defaults are left out, so a field added to the form later changes no old hash.
        data = self.model_dump(mode="json", exclude_defaults=True)
        canonical = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:HASH_LENGTH]

    @property
    def ref(self) -> ConstitutionRef:
        """Name and hash, as stored with every row."""
        return ConstitutionRef(name=self.name, hash=self.hash)

    def of(self, stage: Stage) -> tuple[Principle, ...]:
        """The principles of one stage."""
        return self.supervised if stage == "supervised" else self.preference


def drawable(principles: Sequence[P]) -> list[P]:
    """Those that can be drawn: switched on, with a weight above 0."""
    return [p for p in principles if p.enabled and p.weight > 0]


def pick(principles: Sequence[P], id: str, *, of: str) -> P:
    """The principle with this id, enabled or not; InputError lists the known ids."""
    for principle in principles:
        if principle.id == id:
            return principle
    known = ", ".join(p.id for p in principles) or "none"
    raise InputError(f"unknown principle '{id}' in constitution {of}; known: {known}")


def draw(principles: Sequence[P], rng: random.Random, *, of: str) -> P:
    """One enabled principle, by weight (CAI 3.1: independent, with replacement)."""
    able = drawable(principles)
    if not able:
        raise InputError(
            f"constitution {of} has no principle to draw for this: enable one, or give it a "
            "weight above 0"
        )
    return rng.choices(able, weights=[p.weight for p in able])[0]

"""What the store keeps: responses, comparisons, and labels about them.

Ids are hashes of what a row says, so making or reading a row twice gives the same row.
"""

import hashlib
import json
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, model_validator

from cai_app.errors import InputError
from cai_app.records.base import Record
from cai_app.records.method import ConstitutionRef, OrderVerdict, Side, Transcript

ID_LENGTH = 20  # hex digits: 80 bits, so that two of ten million rows never share one
LabelKind = Literal["preference", "refusal", "harm", "score"]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
# Kinds whose value is a probability.
_CHANCES = frozenset({"preference", "refusal"})
# Made once: making an encoder takes longer than a row does.
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
_OTHER: dict[Side, Side] = {"a": "b", "b": "a"}


def hashed(*parts: Any) -> str:
    """First 20 hex digits of SHA-256 over the parts as canonical JSON."""
    text = _json(parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:ID_LENGTH]


def _json(value: Any) -> str:
    """Canonical JSON; of texts, numbers and lists in half the encoder's time, which every imported
    row takes four times."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if value is None:
        return "null"
    if kind is int:
        return str(value)
    if kind is tuple or kind is list:
        return f"[{','.join(map(_json, value))}]"
    return _CANONICAL.encode(value)


def transcript_id(transcript: Transcript) -> str:
    """A chain's id: whatever is needed to replay it, and what came out."""
    return hashed("transcript", transcript.model_dump(mode="json", exclude_defaults=True))


class Row(Record):
    """Base of records with an id of their own: filled in if left out, checked if given."""

    id: str = ""

    def _content(self) -> tuple[Any, ...]:
        """What the id is a hash of."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _identify(self) -> "Row":
        expected = hashed(*self._content())
        if not self.id:
            object.__setattr__(self, "id", expected)
        elif self.id != expected:
            raise ValueError(f"id {self.id} does not fit the content, whose id is {expected}")
        return self


class Response(Row):
    """One response to a prompt.

    `model` is a backend's spec, None where unknown. `source` says where the row came from (a run,
    an imported file) and `finish` how the text ended, None where nobody knows: neither is part of
    what it is, so the id leaves them out.
    """

    prompt: str
    text: str
    model: str | None = None
    adapter: str | None = None
    seed: Seed | None = None
    source: str | None = None
    finish: Literal["stop", "length", "cancelled"] | None = None

    def _content(self) -> tuple[Any, ...]:
        return ("response", self.prompt, self.text, self.model, self.adapter, self.seed)


class Comparison(Row):
    """Two responses to one prompt. Build it with `of`, which orders the sides by a hash.

    The id does not depend on the order. `swap` shows the sides the other way round; labels in the
    store are about the order that `of` gives.
    """

    a: Response
    b: Response
    source: str | None = None

    @classmethod
    def of(cls, one: Response, other: Response, *, source: str | None = None) -> "Comparison":
        """The comparison of two responses in the stored order. Raises InputError where they are
        one and the same, or answer different prompts."""
        if one.prompt != other.prompt or one.id == other.id:
            same = "are one and the same" if one.id == other.id else "answer different prompts"
            raise InputError(f"responses {one.id} and {other.id} {same}; compare two others")
        # Both are checked, and so is what they have in common: this is what validating would give.
        first, second = sorted((one.id, other.id))
        id = hashed("comparison", one.prompt, [first, second])
        a, b = (other, one) if _rank(id, one.id) > _rank(id, other.id) else (one, other)
        return cls.model_construct(id=id, a=a, b=b, source=source)

    @model_validator(mode="after")
    def _check(self) -> "Comparison":
        if self.a.prompt != self.b.prompt:
            raise ValueError("a and b answer different prompts")
        if self.a.id == self.b.id:
            raise ValueError("a and b are one and the same response")
        return self

    def _content(self) -> tuple[Any, ...]:
        return ("comparison", self.a.prompt, sorted((self.a.id, self.b.id)))

    @property
    def prompt(self) -> str:
        """What both respond to."""
        return self.a.prompt

    @property
    def swapped(self) -> bool:
        """Whether the sides are the other way round than in the store."""
        return _rank(self.id, self.a.id) > _rank(self.id, self.b.id)

    def swap(self) -> "Comparison":
        """The same comparison with its sides exchanged."""
        return self.model_copy(update={"a": self.b, "b": self.a})

    def canonical(self) -> "Comparison":
        """The same comparison in the stored order."""
        return self.swap() if self.swapped else self


class Rater(Record):
    """Who or what labelled.

    A person, a reference rule or a preference model has a name. An AI rater is its backend,
    adapter hash, constitution, template hash, few-shots and chain of thought: change one of them
    and it is another rater.
    """

    kind: Literal["ai", "human", "reference", "preference_model"]
    name: str | None = None
    backend: str | None = None
    adapter_hash: str | None = None
    constitution: ConstitutionRef | None = None
    template_hash: str | None = None
    few_shot: int | None = None
    cot: bool | None = None

    @property
    def id(self) -> str:
        """A hash of all of it."""
        return _rater_id(self)

    @model_validator(mode="after")
    def _check(self) -> "Rater":
        if not (self.backend if self.kind == "ai" else self.name):
            missing = "backend" if self.kind == "ai" else "name"
            raise ValueError(f"a rater of kind {self.kind} needs a {missing}")
        return self


class Label(Row):
    """One answer of one rater about a response or a comparison.

    `value` is P(a is better) for `preference` (mean of the orders), a probability for `refusal`,
    0-4 facets for `harm`, a model's score for `score`; None with a reason where unscored. `orders`
    hold the raw p of every order asked, before any clamp. Without a run, the time tells one answer
    of a rater from the next; imported labels, whose time nobody knows, have none.
    """

    about: Literal["response", "comparison"]
    subject: str
    kind: LabelKind
    rater: Rater
    value: Annotated[float, Field(allow_inf_nan=False)] | None = None
    unscored_reason: str | None = None
    orders: tuple[OrderVerdict, ...] = ()
    principle: str | None = None
    question: str | None = None
    run: str | None = None
    seed: Seed | None = None
    time: AwareDatetime | None = None

    def _content(self) -> tuple[Any, ...]:
        moment = self.time.timestamp() if self.time and not self.run else None
        asked = (self.principle, self.question, self.run, self.seed, moment)
        return ("label", self.about, self.subject, self.kind, self.rater.id, *asked)

    @model_validator(mode="after")
    def _check(self) -> "Label":
        if (self.value is None) == (self.unscored_reason is None):
            raise ValueError("a label has a value, or else a reason why it is unscored")
        if self.kind in _CHANCES and self.value is not None and not 0 <= self.value <= 1:
            raise ValueError(f"value {self.value} of a {self.kind} label is no probability")
        if self.kind == "preference" and self.about != "comparison":
            raise ValueError("a preference is about a comparison")
        return self

    def swap(self) -> "Label":
        """The label as it reads for the swapped comparison."""
        if self.kind != "preference":
            return self
        orders = tuple(
            order.model_copy(update={"first": _OTHER[order.first], "p_a": _turned(order.p_a)})
            for order in self.orders
        )
        return self.model_copy(update={"value": _turned(self.value), "orders": orders})


def _rank(id: str, side: str) -> str:
    """`hashed` of two ids, which need no JSON encoder: their hex digits stand for themselves."""
    return hashlib.sha256(f'["{id}","{side}"]'.encode()).hexdigest()[:ID_LENGTH]


# A file of a hundred thousand labels has a handful of raters.
@lru_cache(maxsize=1024)
def _rater_id(rater: Rater) -> str:
    return hashed("rater", rater.model_dump(mode="json"))


def _turned(p: float | None) -> float | None:
    return None if p is None else 1.0 - p


# What the `type` of a line says that it holds, in a run's outputs and in other JSON lines.
TYPES: dict[str, type[Response | Comparison | Transcript | Label]] = {
    "response": Response,
    "comparison": Comparison,
    "transcript": Transcript,
    "label": Label,
}

"""Constitutions: named principles for both stages (CAI 3.1, 4.1), parsed, checked and hashed.

A constitution is a YAML file. Its hash covers what the file says, not how it is laid out, and goes
with every row made under it.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import Field, ValidationError

from cai_app import strict_yaml
from cai_app.errors import InputError
from cai_app.records import ConstitutionRef, PreferencePrinciple, Record, SupervisedPrinciple
from cai_app.settings import Settings

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
HASH_LENGTH = 16
# Tags of the dialogue form inside a principle would end the model's turn early.
_TAGS = ("Human:", "Assistant:", "CritiqueRequest:", "RevisionRequest:", "Critique:", "Revision:")


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


def _unfold(value: Any) -> Any:
    """A text is one paragraph: line breaks of the file do not count."""
    if isinstance(value, dict):
        return {key: _unfold(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unfold(inner) for inner in value]
    return re.sub(r"\s*\n\s*", " ", value).strip() if isinstance(value, str) else value


def parse(text: str, source: str) -> Constitution:
    """Read one constitution from YAML text; `source` names it in errors.

    Raises InputError naming source, line and principle: bad YAML, duplicate keys or ids, aliases,
    over 1 MB, unknown fields, wrong types, empty texts, dialogue tags inside a principle.
    """
    try:
        document = strict_yaml.read(text)
    except strict_yaml.YamlError as error:
        near = _id_near(text, error.line) if error.nested else None
        raise InputError(_located(source, error.line, near, str(error))) from error
    if not isinstance(document.data, dict):
        raise InputError(_located(source, 1, None, "expected fields such as name: and title:"))
    try:
        # JSON mode: strict about types, while lists may still become tuples.
        found = Constitution.model_validate_json(json.dumps(_unfold(document.data)), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = first["loc"]
        problem = _in_words(first["type"], first["msg"], place)
        line = document.line(place)
        raise InputError(_located(source, line, _id_at(document.data, place), problem)) from error
    for place, problem in _problems(found):
        line = document.line(place)
        raise InputError(_located(source, line, _id_at(document.data, place), problem))
    return found


def _located(source: str, line: int | None, principle: str | None, problem: str) -> str:
    where = [f"constitution {source}"]
    if line is not None:
        where.append(f"line {line}")
    if principle:
        where.append(f"principle {principle}")
    return f"{', '.join(where)}: {problem}"


def _id_near(text: str, line: int | None) -> str | None:
    """The last id written at or before a line: for YAML too broken to have principles yet."""
    if line is None:
        return None
    found = None
    for row in text.splitlines()[:line]:
        if match := re.match(r"\s*(?:-\s*)?id\s*:\s*[\"']?([^\s\"'#]+)", row):
            found = match.group(1)
    return f"'{found}'" if found else None


def _id_at(data: dict[str, Any], place: Sequence[str | int]) -> str | None:
    if len(place) < 2 or not isinstance(place[1], int):
        return None
    principle = data[str(place[0])][place[1]]
    name = principle.get("id") if isinstance(principle, dict) else None
    return f"'{name}'" if name is not None else f"number {place[1] + 1}"


def _in_words(kind: str, message: str, place: Sequence[str | int]) -> str:
    """A pydantic error as a sentence with the next step."""
    field = str(place[-1]) if place else "constitution"
    known = Constitution.model_fields
    if len(place) > 1:
        known = (
            SupervisedPrinciple if place[0] == "supervised" else PreferencePrinciple
        ).model_fields
    if kind == "extra_forbidden":
        return f"unknown field '{field}'; known: {', '.join(known)}"
    if kind == "missing":
        return f"field '{field}' is missing"
    if kind == "string_type":
        return f"field '{field}' must be text; put it in quotes"
    return f"field '{field}': {message[0].lower()}{message[1:]}"


def _problems(found: Constitution) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What types cannot say: (place, problem), worst first."""
    if not ID.fullmatch(found.name):
        yield ("name",), f"name '{found.name}' must be letters, digits, '-', '_' or '.'"
    if not found.title.strip():
        yield ("title",), "field 'title' is empty"
    if not found.supervised and not found.preference:
        yield (), "it has no principles; add some under supervised: or preference:"
    for stage in ("supervised", "preference"):
        first: dict[str, int] = {}
        for index, principle in enumerate(getattr(found, stage)):
            place = (stage, index)
            if not ID.fullmatch(principle.id):
                yield (*place, "id"), "an id is up to 64 letters, digits, '-', '_' or '.'"
            if first.setdefault(principle.id, index) != index:
                yield (*place, "id"), f"id '{principle.id}' appears twice under {stage}:"
            for field in {"critique_request", "revision_request", "question"}:
                if (text := getattr(principle, field, None)) is None:
                    continue
                if not text:
                    yield (*place, field), f"field '{field}' is empty"
                if tag := next((tag for tag in _TAGS if tag in text), None):
                    yield (*place, field), f"field '{field}' holds '{tag}'; leave the tag out"


def load(spec: str, settings: Settings) -> Constitution:
    """The constitution named by `NAME`, `NAME@HASH` (six hex digits or more), or a path.

    Raises InputError for an unknown name (listing the known), a hash that is not the current one,
    and everything that `parse` raises.
    """
    name, _, version = spec.strip().partition("@")
    known = sorted(path.stem for path in settings.constitutions.glob("*.yaml"))
    if name in known:
        found = _read(settings.constitutions / f"{name}.yaml")
        if version and not (len(version) >= 6 and found.hash.startswith(version.lower())):
            raise InputError(
                f"constitution {name} has no version {version}; the one here is {name}@{found.hash}"
            )
        return found
    path = Path(spec).expanduser()
    if spec.strip() and path.is_file():
        return _read(path)
    raise InputError(
        f"unknown constitution '{spec}': neither a file nor one of {', '.join(known) or 'none'}"
    )


def _read(path: Path) -> Constitution:
    return parse(strict_yaml.read_text(path, what="constitution"), path.name)


def list_all(settings: Settings) -> list[Constitution]:
    """All shipped constitutions, those without hazard first, `harmless` foremost."""
    found = [_read(path) for path in sorted(settings.constitutions.glob("*.yaml"))]
    return sorted(found, key=lambda c: (c.hazard, c.name != "harmless", c.name))


def pick(principles: Sequence[P], id: str, *, of: str) -> P:
    """The principle with this id, enabled or not; InputError lists the known ids."""
    for principle in principles:
        if principle.id == id:
            return principle
    known = ", ".join(p.id for p in principles) or "none"
    raise InputError(f"unknown principle '{id}' in constitution {of}; known: {known}")


def draw(principles: Sequence[P], rng: random.Random) -> P:
    """One enabled principle, by weight (CAI 3.1: independent, with replacement)."""
    able = [p for p in principles if p.enabled and p.weight > 0]
    if not able:
        raise InputError("no principle to draw from: enable one, or give it a weight above 0")
    return rng.choices(able, weights=[p.weight for p in able])[0]

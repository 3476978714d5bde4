"""Constitutions read from YAML: every error names source, line and principle."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from cai_app import strict_yaml
from cai_app.constitution.model import ID, STAGES, TEXTS, Constitution
from cai_app.errors import InputError
from cai_app.records import PreferencePrinciple, SupervisedPrinciple

Place = tuple[str | int, ...]
# Tags of the dialogue form inside a principle would end the model's turn early.
_TAGS = ("Human:", "Assistant:", "CritiqueRequest:", "RevisionRequest:", "Critique:", "Revision:")


def unfolded(value: Any) -> Any:
    """A text is one paragraph: line breaks of the file do not count."""
    if isinstance(value, dict):
        return {key: unfolded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [unfolded(inner) for inner in value]
    return re.sub(r"\s*\n\s*", " ", value).strip() if isinstance(value, str) else value


class ConstitutionError(InputError):
    """A constitution that cannot be used, and where: a line of its text, a place in its data."""

    def __init__(
        self, message: str, *, problem: str, line: int | None = None, place: Place = ()
    ) -> None:
        super().__init__(message)
        self.problem, self.line, self.place = problem, line, place


def parse(text: str, source: str) -> Constitution:
    """Read one constitution from YAML text; `source` names it in errors.

    Raises ConstitutionError naming source, line and principle: bad YAML, duplicate keys or ids,
    aliases, over 1 MB, unknown fields, wrong types, empty texts, dialogue tags inside a principle.
    """
    try:
        document = strict_yaml.read(text)
    except strict_yaml.YamlError as error:
        near = _id_near(text, error.line) if error.nested else None
        message = _located(source, error.line, near, str(error))
        raise ConstitutionError(message, problem=str(error), line=error.line) from error
    return from_data(document.data, source, line=document.line)


def from_data(
    data: Any, source: str, *, line: Callable[[Place], int] | None = None
) -> Constitution:
    """Read one constitution from plain data; `line` knows where in the text each value stands.

    Raises ConstitutionError as `parse` does.
    """

    def wrong(place: Place, problem: str) -> ConstitutionError:
        at = line(place) if line else None
        message = _located(source, at, _id_at(data, place), problem)
        return ConstitutionError(message, problem=problem, line=at, place=place)

    if not isinstance(data, dict):
        raise wrong((), "expected fields such as name: and title:")
    try:
        # JSON mode: strict about types, while lists may still become tuples.
        found = Constitution.model_validate_json(json.dumps(unfolded(data)), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = first["loc"]
        raise wrong(place, _in_words(first["type"], first["msg"], place)) from error
    for place, problem in problems(found):
        raise wrong(place, problem)
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


def _id_at(data: Any, place: Sequence[str | int]) -> str | None:
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


def problems(found: Constitution) -> Iterator[tuple[Place, str]]:
    """What types cannot say: (place, problem), worst first."""
    if not ID.fullmatch(found.name):
        yield ("name",), f"name '{found.name}' must be letters, digits, '-', '_' or '.'"
    if not found.title.strip():
        yield ("title",), "field 'title' is empty"
    if not found.supervised and not found.preference:
        yield (), "it has no principles; add some under supervised: or preference:"
    for stage in STAGES:
        first: dict[str, int] = {}
        for index, principle in enumerate(found.of(stage)):
            place = (stage, index)
            if not ID.fullmatch(principle.id):
                yield (*place, "id"), "an id is up to 64 letters, digits, '-', '_' or '.'"
            if first.setdefault(principle.id, index) != index:
                yield (*place, "id"), f"id '{principle.id}' appears twice under {stage}:"
            for field in TEXTS[stage]:
                text = getattr(principle, field)
                if not text:
                    yield (*place, field), f"field '{field}' is empty"
                if tag := next((tag for tag in _TAGS if tag in text), None):
                    yield (*place, field), f"field '{field}' holds '{tag}'; leave the tag out"

"""outputs.jsonl of a run, line by line: records, and what was wrong with the other lines."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from cai_app.records import TYPES

NAME = "outputs.jsonl"
REJECTED = "outputs.rejected.jsonl"


class Line(NamedTuple):
    """One line: its record, or why there is none. `torn` is a last line without its end."""

    number: int
    type: str
    record: Any
    reason: str | None
    raw: str
    torn: bool = False


def lines(path: Path) -> Iterator[Line]:
    """Every line that is not blank. A file that is not there has none."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, data in enumerate(file, start=1):
            if not data.endswith(b"\n"):
                yield Line(number, "", None, "the line is torn", _text(data), torn=True)
            elif data.strip():
                yield _line(number, data)


def _line(number: int, data: bytes) -> Line:
    try:
        row = json.loads(data)
    except (ValueError, RecursionError):
        return Line(number, "", None, "the line is no JSON", _text(data))
    kind = row.pop("type", None) if isinstance(row, dict) else None
    if kind not in TYPES:
        known = ", ".join(TYPES)
        return Line(number, "", None, f"type is {kind!r}; known are {known}", _text(data))
    try:
        # As JSON: types are taken strictly, and text that is no Unicode is refused.
        record = TYPES[kind].model_validate_json(json.dumps(row))
    except (ValidationError, ValueError) as error:
        return Line(number, kind, None, _problem(error), _text(data))
    return Line(number, kind, record, None, "")


def _problem(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").rstrip("\n")

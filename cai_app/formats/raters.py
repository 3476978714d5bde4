"""Raters in files: the whole record as JSON, or a name with its kind before a colon."""

import json
from typing import Any

from cai_app.errors import InputError
from cai_app.formats.base import Bad
from cai_app.records import Rater

KINDS = ("human", "ai", "reference", "preference_model")


def named_rater(text: str) -> Rater:
    """`KIND:NAME`, or a person's name alone. For an AI the name is its backend.

    Raises InputError for nothing.
    """
    kind, colon, name = text.partition(":")
    if not colon or kind not in KINDS:
        kind, name = "human", text
    if not name.strip():
        raise InputError(
            f"rater {text!r} has no name; write human:NAME, ai:BACKEND or another kind"
        )
    if kind == "ai":
        return Rater(kind="ai", backend=name.strip())
    return Rater.model_validate({"kind": kind, "name": name.strip()})


_READ: dict[str, Rater] = {}


def rater_of(value: Any, default: Rater) -> Rater:
    """The rater that a row names: as an object, as JSON, by name, or not at all."""
    if value is None or value == "":
        return default
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    if text not in _READ:
        _READ[text] = _parsed(text)
    return _READ[text]


def _parsed(text: str) -> Rater:
    if not text.startswith("{"):
        return named_rater(text)
    try:
        return Rater.model_validate_json(text)
    except ValueError as error:
        raise Bad(f"`rater` cannot be read: {error}".splitlines()[0]) from error


def rater_json(rater: Rater) -> dict[str, Any]:
    """A rater as an object that `rater_of` gives back."""
    return rater.model_dump(mode="json", exclude_none=True)

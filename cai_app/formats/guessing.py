"""What a file probably is, from its name and its first row; the person who imports it decides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cai_app.errors import InputError
from cai_app.formats.base import Bad
from cai_app.formats.delimited import header
from cai_app.formats.dialogue import ASSISTANT
from cai_app.formats.lines import Damaged, lines, parsed

_PARQUET = b"PAR1"
_LOOKED_AT = 20  # lines that may be broken before one that is not


def guess(path: Path) -> str:
    """A format's name. Raises InputError where there is no such file, or nothing in it."""
    suffixes = [one.lower() for one in path.suffixes]
    try:
        first = next(lines(path), b"")
    except Damaged as error:
        raise InputError(f"{path.name} cannot be read: {error}") from error
    if not first:
        raise InputError(f"{path.name} is empty; choose a file with rows")
    if first.startswith(_PARQUET) or ".parquet" in suffixes:
        return "parquet"
    if ".csv" in suffixes or ".tsv" in suffixes:
        return _table(path)
    row = _first_row(path)
    if row is not None:
        return _json(row)
    if first.lstrip().startswith(b"{"):
        return "icai" if ".json" in suffixes else "jsonl"
    return _table(path)


def _table(path: Path) -> str:
    return "xstest" if {"completion", "annotation_1"} <= set(header(path)) else "csv"


def _first_row(path: Path) -> Mapping[str, Any] | None:
    """The first line that is an object."""
    try:
        for number, line in enumerate(lines(path)):
            if number == _LOOKED_AT:
                return None
            try:
                return parsed(line)
            except Bad:
                continue
    except Damaged:
        return None
    return None


def _json(row: Mapping[str, Any]) -> str:
    if "annotators" in row and "comparisons" in row:
        return "icai"
    if {"corrects", "incorrects"} <= row.keys():
        return "cai-evals"
    if "sampled_answers" in row or "cst" in row:
        return "cai-samples"
    if {"chosen", "rejected"} <= row.keys():
        both = row["chosen"], row["rejected"]
        plain = "prompt" not in row and all(
            isinstance(text, str) and ASSISTANT in text for text in both
        )
        return "hh-rlhf" if plain else "trl"
    return "jsonl"

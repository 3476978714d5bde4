"""What all outside formats share: a row that was read, how to read, what is written."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import ValidationError

from cai_app.errors import InputError
from cai_app.records import Comparison, Label, Rater, Record, Response, Transcript

Kept = Response | Comparison | Transcript | Label
T = TypeVar("T")
Subject = Response | Comparison | Transcript


class ReadOptions(Record):
    """How a file is read.

    `source` is where its rows say they come from. `rater` gave the labels of a file that does not
    say who did, `model` wrote its responses; None takes the format's own default. `columns` maps a
    table's column to its name in the file, or to "" where the file has none of it.
    """

    source: str
    rater: Rater | None = None
    model: str | None = None
    columns: Mapping[str, str] = {}


class Row(NamedTuple):
    """One row of a file: its records, or the reason why it is kept aside.

    `number` counts lines (entries, in a JSON document) from 1; `raw` is what stood there.
    """

    number: int
    records: tuple[Kept, ...] = ()
    reason: str | None = None
    raw: str = ""


class Labelled(NamedTuple):
    """A row to write, with its labels."""

    subject: Subject
    labels: tuple[Label, ...] = ()


class Written(NamedTuple):
    """How many rows were written, and how many were left out for which reason."""

    rows: int
    left_out: dict[str, int]


class Format(Protocol):
    """One outside format. A file that is none of it raises InputError; a bad row does not."""

    def read(self, path: Path, options: ReadOptions) -> Iterator[Row]:
        """Every row of the file, good or bad, in its order."""
        ...

    def write(self, rows: Iterable[Labelled], path: Path) -> Written:
        """Write what the format can hold, and count the rest."""
        ...


class Bad(ValueError):
    """A row that cannot be used; the message is the reason that is kept beside it."""


def guarded(number: int, raw: str, make: Callable[[T], tuple[Kept, ...]], given: T) -> Row:
    """The row that `make` gives of what was read, or why it cannot."""
    try:
        records = make(given)
        if not _unbroken(given):
            for one in records:
                _check(one.model_dump(), "the row")
        return Row(number, records=records)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        return Row(number, reason=f"{place}: {said}" if place else said, raw=raw)
    except (Bad, InputError) as error:
        return Row(number, reason=str(error), raw=raw)
    except (TypeError, AttributeError, LookupError, RecursionError) as error:
        return Row(number, reason=f"a field has an unexpected shape ({error})", raw=raw)


def _unbroken(given: Any) -> bool:
    try:
        _check(given, "")
    except Bad:
        return False
    return True


def _check(value: Any, field: str) -> None:
    """Raises Bad where any text within cannot be written; fields that are not kept may be so."""
    if isinstance(value, str):
        checked(value, field)
    elif isinstance(value, Mapping):
        for name, one in value.items():
            _check(one, str(name))
    elif isinstance(value, list | tuple):
        for one in value:
            _check(one, field)


def text_of(row: Mapping[str, Any], field: str) -> str:
    """A field that must be text. Raises Bad where it is missing, of another type, or no Unicode."""
    if field not in row:
        raise Bad(f"`{field}` is missing")
    value = row[field]
    if not isinstance(value, str):
        raise Bad(f"`{field}` is {kind_of(value)}, but should be text")
    return checked(value, field)


def checked(value: str, field: str) -> str:
    """The text. Raises Bad for half a surrogate pair, which no file and no tokenizer takes."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        problem = f"`{field}` holds a broken character at position {error.start}"
        raise Bad(f"{problem} (half a surrogate pair)") from error
    return value


def kind_of(value: Any) -> str:
    """A JSON value's type in words."""
    names = {dict: "an object", list: "a list", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "text")


class Tally:
    """Counts what a writer wrote and left out."""

    def __init__(self) -> None:
        self.rows = 0
        self.left_out: dict[str, int] = {}

    def leave(self, reason: str, count: int = 1) -> None:
        """Count something that the format cannot hold."""
        self.left_out[reason] = self.left_out.get(reason, 0) + count

    def done(self) -> Written:
        """What came of it."""
        return Written(self.rows, self.left_out)

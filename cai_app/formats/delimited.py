"""Text by commas (.tsv: by tabs), record by record; what breaks off is told, not dropped."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cai_app.errors import InputError
from cai_app.formats.lines import Damaged, lines, new_file

Record = tuple[int, str, dict[str, str] | str]


def records(path: Path, *, needed: Sequence[str] = ()) -> Iterator[Record]:
    """Line number, raw text, and the fields by column or else what is wrong with the record.

    Raises InputError where the file has no header, or lacks a needed column.
    """
    csv.field_size_limit(sys.maxsize)
    text, taken, delimiter = _Text(path), 0, _delimiter(path)
    reader = csv.reader(text, strict=True, delimiter=delimiter)
    columns: list[str] | None = None
    while True:
        begun = text.number + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield begun, text.taken(), f"the record is no CSV ({error})"
            # What follows an open quote is one record to the parser: begin anew on the next line.
            reader = csv.reader(text, strict=True, delimiter=delimiter)
            continue
        raw = text.taken()
        if fields is None:
            break
        if not fields:
            continue
        if columns is None:
            columns = _header(fields, needed, path)
            continue
        taken += 1
        yield begun, raw, _record(columns, fields, raw)
    if columns is None:
        raise InputError(f"{path.name} is empty; the first line should name the columns")
    if text.damage:
        yield text.number + 1, "", f"{text.damage}; what follows is lost"


def header(path: Path) -> tuple[str, ...]:
    """The columns that the first line names."""
    found = next(csv.reader(_Text(path), delimiter=_delimiter(path)), None)
    return tuple(_header(found, (), path)) if found else ()


def _header(fields: list[str], needed: Sequence[str], path: Path) -> list[str]:
    names = [name.strip() for name in fields]
    missing = [name for name in needed if name not in names]
    if missing:
        raise InputError(
            f"{path.name} has no column {', '.join(missing)}; its columns are {', '.join(names)}"
        )
    return names


def _record(header: list[str], fields: list[str], raw: str) -> dict[str, str] | str:
    if len(fields) != len(header):
        return f"the record has {len(fields)} fields, but the header {len(header)}"
    try:
        raw.encode()
    except UnicodeEncodeError:
        return "the record is not UTF-8 text"
    return dict(zip(header, fields, strict=True))


class _Text:
    """Lines as text for the parser, which remembers what it has taken of them."""

    def __init__(self, path: Path) -> None:
        self.number = 0
        self.damage: str | None = None
        self._lines = lines(path)
        self._since: list[str] = []

    def __iter__(self) -> "_Text":
        return self

    def __next__(self) -> str:
        try:
            line = next(self._lines)
        except Damaged as error:
            self.damage = str(error)
            raise StopIteration from error
        self.number += 1
        # Bytes that are no UTF-8 become halves of surrogate pairs, and are found as such.
        text = line.decode("utf-8", "surrogateescape")
        if self.number == 1:  # before the parser sees it: a quote behind it would be no quote
            text = text.removeprefix("\ufeff")
        self._since.append(text)
        return text

    def taken(self) -> str:
        """What was read since the last call."""
        text, self._since = "".join(self._since), []
        return text


def written(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows under a header; a field that is None or missing is empty."""
    with (
        new_file(path) as file,
        io.TextIOWrapper(file, encoding="utf-8", newline="") as text,
    ):
        writer = csv.DictWriter(text, columns, restval="", delimiter=_delimiter(path))
        writer.writeheader()
        writer.writerows(rows)


def _delimiter(path: Path) -> str:
    return "\t" if ".tsv" in (suffix.lower() for suffix in path.suffixes) else ","

"""Comma-separated tables: the flat row, empty where there is nothing."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cai_app.formats import table
from cai_app.formats.base import Bad, Kept, Labelled, ReadOptions, Row, Tally, Written, guarded
from cai_app.formats.delimited import header, records, written

_NUMBERS = ("a_seed", "b_seed", "seed")
# Empty text is a text for these, if the column is there; for all others it is nothing.
_TEXTS = ("prompt", "a", "b", "chosen", "rejected")
# A response has no `b`: a table that mixes both kinds marks it with this.
NONE = "\\N"


class Csv:
    """The format."""

    def read(self, path: Path, options: ReadOptions) -> Iterator[Row]:
        """Rows as in `Format.read`."""
        texts = {table.column_of(name, options.columns) for name in _TEXTS}
        # A column that only bears such a name may hold anything.
        numbers = [name for name in _NUMBERS if table.column_of(name, options.columns) == name]

        def convert(row: dict[str, str]) -> tuple[Kept, ...]:
            filled: dict[str, Any] = {
                name: None if value == NONE else value
                for name, value in row.items()
                if value or name in texts
            }
            for name in numbers:
                if name in filled:
                    filled[name] = _whole(filled[name], name)
            return table.records_of(filled, options)

        for number, raw, row in records(path):
            if isinstance(row, str):
                yield Row(number, reason=row, raw=raw)
            else:
                yield guarded(number, raw, convert, row)

    def columns(self, path: Path) -> tuple[str, ...]:
        """The columns that the header names."""
        return header(path)

    def write(self, rows: Iterable[Labelled], path: Path) -> Written:
        """Comparisons and responses, a row for each label."""
        tally = Tally()
        made = (row for found in rows for row in table.rows_of(found, tally))
        written(path, table.COLUMNS, ({"b": NONE, **row} for row in table.flat(made)))
        return tally.done()


def _whole(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Bad(f"`{name}` is {text!r}, but should be a whole number") from None

"""Parquet tables: the flat row, raters and orders as JSON text."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from cai_app.errors import InputError
from cai_app.files import explained, unreadable
from cai_app.formats import table
from cai_app.formats.base import Kept, Labelled, ReadOptions, Row, Tally, Written, guarded

_BATCH = 5000
_TYPES = {"a_seed": "int64", "b_seed": "int64", "seed": "int64", "value": "float64"}


class Parquet:
    """The format."""

    def read(self, path: Path, options: ReadOptions) -> Iterator[Row]:
        """Rows as in `Format.read`, numbered from 1."""
        import pyarrow
        from pyarrow import parquet

        number = 0
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(_BATCH):
                    for row in batch.to_pylist():
                        number += 1
                        yield _row(number, row, options)
        except (FileNotFoundError, PermissionError) as error:
            raise unreadable(error, path) from error
        except (pyarrow.ArrowInvalid, OSError) as error:
            if not number:
                raise InputError(f"{path.name} is no Parquet file: {error}") from error
            yield Row(number + 1, reason=f"the file is cut or broken here ({error})")

    def columns(self, path: Path) -> tuple[str, ...]:
        """The columns of its schema."""
        from pyarrow import parquet

        return tuple(parquet.read_schema(path).names)

    def write(self, rows: Iterable[Labelled], path: Path) -> Written:
        """Comparisons and responses, a row for each label."""
        import pyarrow
        from pyarrow import parquet

        if path.suffix == ".gz":
            raise InputError("a Parquet file is packed within; name one without .gz")
        tally = Tally()
        schema = pyarrow.schema(
            [
                (name, getattr(pyarrow, _TYPES[name])() if name in _TYPES else pyarrow.string())
                for name in table.COLUMNS
            ]
        )
        made = table.flat(row for found in rows for row in table.rows_of(found, tally))
        try:
            with parquet.ParquetWriter(path, schema) as file:
                while batch := list(islice(made, _BATCH)):
                    file.write_table(pyarrow.Table.from_pylist(batch, schema))
        except OSError as error:
            raise explained(error, path) from error
        return tally.done()


def _row(number: int, row: dict[str, Any], options: ReadOptions) -> Row:
    def convert(given: dict[str, Any]) -> tuple[Kept, ...]:
        return table.records_of(given, options)

    return guarded(number, json.dumps(row, default=str), convert, row)

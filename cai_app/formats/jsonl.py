"""JSON lines: the flat row, or a whole record as a run writes it, told by its `type`.

The one format that holds everything, transcripts included.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cai_app.formats import table
from cai_app.formats.base import Bad, Kept, Labelled, ReadOptions, Row, Tally, Written
from cai_app.formats.lines import json_rows, lines, parsed, write_lines
from cai_app.records import TYPES, Transcript


class Jsonl:
    """The format."""

    def read(self, path: Path, options: ReadOptions) -> Iterator[Row]:
        """Rows as in `Format.read`."""

        def convert(row: dict[str, Any]) -> tuple[Kept, ...]:
            kind = TYPES.get(str(row.get("type")))
            if kind is None:
                return table.records_of(row, options)
            del row["type"]
            return (kind.model_validate_json(json.dumps(row)),)

        return json_rows(path, convert)

    def columns(self, path: Path) -> tuple[str, ...]:
        """The fields of the first line."""
        for line in lines(path):
            with contextlib.suppress(Bad):
                return tuple(parsed(line))
        return ()

    def write(self, rows: Iterable[Labelled], path: Path) -> Written:
        """Comparisons and responses, a row for each label; transcripts whole."""
        tally = Tally()
        write_lines(path, (row for found in rows for row in _rows(found, tally)))
        return tally.done()


def _rows(found: Labelled, tally: Tally) -> Iterator[dict[str, Any]]:
    if isinstance(found.subject, Transcript):
        tally.rows += 1
        yield {"type": "transcript", **found.subject.model_dump(mode="json")}
        return
    for row in table.rows_of(found, tally):
        yield {name: value for name, value in row.items() if value is not None}

"""HH-RLHF (2204.05862): JSON lines of two dialogues, `chosen` and `rejected`, gzipped or plain.

Whoever chose is a person: a row is a comparison with a preference of a human rater.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cai_app.errors import InputError
from cai_app.formats import dialogue
from cai_app.formats.base import Kept, Labelled, ReadOptions, Row, Tally, Written, text_of
from cai_app.formats.lines import json_rows, write_lines
from cai_app.formats.pairs import Pair, chosen_first, preferred
from cai_app.records import Rater

PEOPLE = Rater(kind="human", name="hh-rlhf")


class HhRlhf:
    """The format."""

    def read(self, path: Path, options: ReadOptions) -> Iterator[Row]:
        """Rows as in `Format.read`."""
        rater = options.rater or PEOPLE

        def convert(row: dict[str, Any]) -> tuple[Kept, ...]:
            prompt, chosen, rejected = dialogue.split_pair(
                text_of(row, "chosen"), text_of(row, "rejected")
            )
            pair = Pair(prompt, chosen, rejected, model=options.model, source=options.source)
            return preferred(pair, rater)

        return json_rows(path, convert)

    def write(self, rows: Iterable[Labelled], path: Path) -> Written:
        """Comparisons with a preference of one rater; a file of this form cannot say whose."""
        tally, raters = Tally(), set[str]()

        def made() -> Iterator[dict[str, Any]]:
            for found in rows:
                for label, chosen, rejected in chosen_first(found, tally):
                    raters.add(label.rater.id)
                    if len(raters) > 1:
                        raise InputError(
                            "these labels are of more than one rater, and a file in this format "
                            "cannot say whose; name one with --rater"
                        )
                    tally.rows += 1
                    yield {
                        "chosen": dialogue.joined(chosen),
                        "rejected": dialogue.joined(rejected),
                    }

        write_lines(path, made())
        return tally.done()

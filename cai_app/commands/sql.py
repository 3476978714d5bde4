"""`sql`: one SELECT on the store."""

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from cai_app.commands.output import only_json, parsed
from cai_app.workbench import Workbench

_WIDEST = 60  # characters of a value that is printed for people


@dataclass(frozen=True)
class Sql:
    """Ask the store: one SELECT, read-only, stopped after ten seconds.

    Tables: responses, comparisons, labels, raters, transcripts, constitutions, runs, outputs,
    lineage, queues, queue_rows, answers, reveals; views: latest_labels, latest_answers, ai_answers,
    human_answers. Files of HOME/exchange and HOME/runs can be read.
    """

    query: tyro.conf.Positional[str]
    """The SELECT"""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON value and nothing else: a list of row objects"""


def main(argv: list[str], workbench: Workbench) -> int:
    """Run the command."""
    asked = parsed(Sql, argv, "sql")
    with only_json(asked.json) as show:
        answer = workbench.store.sql(asked.query)
        if asked.json:
            show(answer.objects())
        else:
            print(_table([answer.columns, *answer.rows]))
            print(f"({len(answer.rows)} rows)")
    return 0


def _table(rows: list[tuple[Any, ...]]) -> str:
    """Rows in columns, the first one their names."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _cell(value: Any) -> str:
    text = " ".join(str("" if value is None else value).split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"

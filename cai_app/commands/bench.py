"""`bench`: how fast it is, and against what."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from cai_app.commands.output import only_json, parsed
from cai_app.settings import Settings

if TYPE_CHECKING:
    from cai_app.bench import Row


@dataclass(frozen=True)
class Bench:
    """Time the page and the model against plain transformers, and check that results are equal."""

    backend: str = "pocket"
    """pocket, pocket-s|m|l[@ADAPTER], hf:PATH-OR-ID[@ADAPTER]"""
    repeats: int = 5
    """Parts of a row; its numbers are medians"""
    only: str = ""
    """Measure only rows with this text in their name"""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], settings: Settings) -> int:
    """Run the command; rows appear as they are measured."""
    asked = parsed(Bench, argv, "bench")
    from cai_app.bench import run

    with only_json(asked.json) as show:
        rows = []
        for row in run(settings, backend=asked.backend, repeats=asked.repeats, only=asked.only):
            rows.append(row)
            if not asked.json:
                print(_line(row), flush=True)
        if asked.json:
            show([row.model_dump(mode="json") for row in rows])
    return 0


def _line(row: "Row") -> str:
    if row.ours_s is None:
        return f"{row.row:52} unscored"
    text = f"{row.row:52} {_time(row.ours_s)}"
    if row.theirs_mb is not None and row.peak_mb is not None:
        text += (
            f"  {row.peak_mb:.0f} MB, theirs {row.theirs_mb:.0f} MB in {_time(row.theirs_s or 0)}"
        )
        return f"{text} {row.ratio:5.2f} x, target {row.target:g} x" + (
            "" if row.holds else "  MISSED"
        )
    if row.ratio is None or row.theirs_s is None:
        text += f"  target {_time(row.target).strip()}"
    else:
        results = "equal" if row.equal else "DIFFERENT"
        if row.max_diff is not None:
            results += f" (P by at most {row.max_diff:.0e})"
        text += f"  plain {_time(row.theirs_s)}  {row.ratio:5.1f} x, target {row.target:g} x"
        text += f"  {results}"
    if row.peak_mb is not None:
        text += f"  {row.peak_mb:.0f} MB"
    return text + ("" if row.holds else "  MISSED")


def _time(seconds: float) -> str:
    return f"{seconds:8.2f} s " if seconds >= 10 else f"{seconds * 1000:8.1f} ms"

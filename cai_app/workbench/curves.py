"""The curves and samples of runs as they grow: no point is lost, and none comes twice.

A reader says how far it has read and what the last line it saw was. Where that line is no longer
there, as after a resume, which cuts the files back to a checkpoint, it is given everything anew.
"""

import hashlib
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cai_app import files
from cai_app.records import Record

MOST = 600  # points of a series that are sent at once
_MARKED = 512  # bytes before the offset that the mark is taken of
_NOT_SERIES = frozenset({"step", "time"})

Point = tuple[float, float | None]  # step, value; None where the value was no finite number


class Place(Record):
    """How far a reader has read, in bytes, and a hash of what stands before it."""

    offset: int = 0
    mark: str = ""


class Piece(Record):
    """What is new in a run's curves. `anew`: these are all points there are.

    A series goes on where its last step ended; a point at an earlier step replaces what was there
    from that step on.
    """

    anew: bool
    series: dict[str, tuple[Point, ...]]
    place: Place


class Sample(Record):
    """What the model answered to a fixed prompt at a step, with its flags and numbers."""

    step: int
    prompt: str
    text: str
    flags: tuple[str, ...] = ()
    numbers: dict[str, float] = {}


class Samples(Record):
    """Answers by step; step 0 is the start policy's. `grams` are the five-word runs that most of a
    step's answers share, each with the share that has it."""

    anew: bool
    rows: tuple[Sample, ...]
    place: Place
    grams: dict[int, tuple[tuple[str, float], ...]] = {}


def curves(run: Path, place: Place) -> Piece:
    """The points of metrics.jsonl that came after a place."""
    rows, begun, end = _rows(run / "metrics.jsonl", place)
    series: dict[str, list[Point]] = {}
    for row in rows:
        if not _is_number(row.get("step")):
            continue
        for name, value in row.items():
            if name not in _NOT_SERIES and _is_number(value):
                _put(series.setdefault(name, []), row["step"], value)
    return Piece(
        anew=begun == 0,
        series={name: tuple(thinned(points)) for name, points in series.items()},
        place=end,
    )


def samples(run: Path, place: Place) -> Samples:
    """The rows of samples.jsonl that came after a place."""
    rows, begun, end = _rows(run / "samples.jsonl", place)
    grams = {
        row["step"]: tuple((str(gram), float(share)) for gram, share in row["grams"])
        for row in rows
        if isinstance(row.get("step"), int) and isinstance(row.get("grams"), list)
    }
    return Samples(anew=begun == 0, rows=tuple(_samples(rows)), place=end, grams=grams)


def thinned(points: list[Point]) -> list[Point]:
    """At most MOST points, evenly taken, the last one always; none is made up."""
    if len(points) <= MOST:
        return points
    gap = (len(points) - 1) / (MOST - 1)
    return [points[round(n * gap)] for n in range(MOST)]


def _put(points: list[Point], step: float, value: float) -> None:
    while points and points[-1][0] >= step:
        points.pop()
    points.append((step, value if math.isfinite(value) else None))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rows(path: Path, place: Place) -> tuple[list[dict[str, Any]], int, Place]:
    """Rows after a place, the offset they were read from, and the place after them."""
    begun = place.offset if _mark(path, place.offset) == place.mark else 0
    rows, end = files.read_rows(path, begun)
    return rows, begun, Place(offset=end, mark=_mark(path, end))


def _mark(path: Path, offset: int) -> str:
    """A hash of the bytes before an offset; '' at the beginning, `short` where the file is."""
    if offset <= 0:
        return ""
    try:
        with path.open("rb") as file:
            file.seek(max(0, offset - _MARKED))
            before = file.read(min(offset, _MARKED))
    except FileNotFoundError:
        return "short"
    if len(before) < min(offset, _MARKED):
        return "short"
    return hashlib.sha256(before).hexdigest()[:16]


def _samples(rows: Iterable[dict[str, Any]]) -> Iterable[Sample]:
    known = {"step", "prompt", "text", "flags", "time"}
    for row in rows:
        if not (isinstance(row.get("step"), int) and isinstance(row.get("prompt"), str)):
            continue
        flags = row.get("flags")
        yield Sample(
            step=row["step"],
            prompt=row["prompt"],
            text=str(row.get("text", "")),
            flags=tuple(map(str, flags)) if isinstance(flags, list) else (),
            numbers={
                name: float(value)
                for name, value in row.items()
                if name not in known and _is_number(value) and math.isfinite(value)
            },
        )

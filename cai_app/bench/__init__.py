"""The ratios of `make bench`: this program against the plain way of doing the same.

Both ways do the same work on the same weights, in turn and in one process, and what they make is
compared: a ratio means nothing where the results differ.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from cai_app import prompts
from cai_app.bench import page, rows, sizes, training, volume
from cai_app.bench.cases import Case, table, timed
from cai_app.bench.memory import Peak
from cai_app.bench.plain import Plain, make_preference, weights_of
from cai_app.bench.sides import Ours
from cai_app.errors import InputError
from cai_app.records import Record
from cai_app.settings import Settings

__all__ = ["CLICK", "Case", "Row", "run", "table", "timed"]

# The largest difference of a probability that counts as equal: float32 on CPU, bf16 on a GPU.
SAME = {"cpu": 1e-4, "cuda": 5e-3}
CLICK = "first token after a click"


class Row(Record):
    """One measured row; None where there is nothing to compare with, or measuring failed.

    `ratio` = theirs / ours. `target` is the least ratio; in a row without theirs, the most seconds.
    `max_diff` is the largest difference between two probabilities. `peak_mb` is what the process
    held at most while ours ran (on a GPU: the device). In a row about memory it is what ours took
    above its imports, `theirs_mb` is the other way's, and the ratio is theirs to ours.
    """

    row: str
    ours_s: float | None
    theirs_s: float | None = None
    ratio: float | None = None
    target: float
    equal: bool | None = None
    max_diff: float | None = None
    peak_mb: float | None = None
    theirs_mb: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether target and equality hold; None where measuring failed."""
        if self.ours_s is None:
            return None
        fast = self.ours_s <= self.target if self.ratio is None else self.ratio >= self.target
        return fast and self.equal is not False


class Part(NamedTuple):
    """Rows that are measured together. `names` are what they begin with."""

    names: tuple[str, ...]
    measure: Callable[[], Iterator[Row]]


def run(
    settings: Settings, *, backend: str = "pocket", repeats: int = 5, only: str = ""
) -> Iterator[Row]:
    """Measure row by row; `only` rows whose name holds this text, whatever its case.

    Raises InputError for a backend whose weights are not on this machine, and where no row is left.
    """
    weights_of(backend, settings)
    cases = [one for one in table(settings, repeats) if _wanted(one.row, only)]
    click = [CLICK] if _wanted(CLICK, only) else []
    parts = [
        Part(("page answers", "page usable"), lambda: _page(settings)),
        Part(
            (*click, *(case.row for case in cases)),
            lambda: _model(settings, backend, cases, click=bool(click)),
        ),
        Part(rows.names(), lambda: (Row(row=r, ours_s=s, target=t) for r, s, t in rows.measure())),
        Part((volume.import_row(),), lambda: _import(settings)),
        Part((volume.label_row(),), lambda: _label(settings, backend)),
        Part(training.names(), lambda: _memory(settings)),
        Part(
            sizes.names(settings),
            lambda: (Row(row=r, ours_s=s, target=t) for r, s, t in sizes.rows(settings)),
        ),
    ]
    left = [part for part in parts if any(_wanted(name, only) for name in part.names)]
    if not left:
        known = [case.row for case in table(settings, repeats)]
        known = [*parts[0].names, CLICK, *known, *(name for p in parts[2:] for name in p.names)]
        raise InputError(f"no row has {only!r} in its name; rows: {'; '.join(known)}")
    for part in left:
        yield from (row for row in part.measure() if _wanted(row.row, only))


def _wanted(name: str, only: str) -> bool:
    return only.casefold() in name.casefold()


def _page(settings: Settings) -> Iterator[Row]:
    answers, usable = page.measure(settings)
    yield Row(row="page answers", ours_s=answers, target=5)
    yield Row(row="page usable", ours_s=usable, target=5)


def _import(settings: Settings) -> Iterator[Row]:
    yield Row(row=volume.import_row(), ours_s=volume.measure_import(settings), target=10)


def _label(settings: Settings, backend: str) -> Iterator[Row]:
    seconds = volume.measure_label(settings, backend)
    yield Row(row=volume.label_row(), ours_s=seconds, target=60)


def _memory(settings: Settings) -> Iterator[Row]:
    yield from (Row(**row) for row in training.rows(settings))


def _model(settings: Settings, spec: str, cases: list[Case], *, click: bool) -> Iterator[Row]:
    ours = Ours(spec, settings)
    device = (ours.backend.info().device or "cpu").partition(":")[0]
    try:
        if click:
            peak = Peak(device)
            first = timed(lambda: [ours.write_one(prompts.draft("Can you help me?"), 1)])
            yield Row(row=CLICK, ours_s=first.seconds, target=0.3, peak_mb=peak.read())
        if not cases:
            return
        plain = Plain(spec, settings)
        with tempfile.TemporaryDirectory() as folder:
            if any(case.scores for case in cases):
                adapter = make_preference(plain.folder, Path(folder))
                plain.prefer(adapter)
                ours.prefer(f"hf:{plain.folder}@{adapter}", settings)
            for case in cases:
                yield _compare(ours, plain, case, device)
    finally:
        ours.close()


def _compare(ours: Ours, plain: Plain, case: Case, device: str) -> Row:
    """Both sides in turn over the parts of a case, after one that warms up."""
    plain.rows = None
    mine, theirs, peaks = [], [], []
    for number, part in enumerate(case.inputs):
        peak = Peak(device)
        mine.append(case.measure(ours, part))
        peaks.append(peak.read())
        theirs.append(case.measure(plain, part))
        if not number:
            mine, theirs = [], []
    made, expected = ([item for one in side for item in one.made] for side in (mine, theirs))
    seconds, slower = (case.parts * median(one.seconds for one in side) for side in (mine, theirs))
    worst = _worst(made, expected)
    return Row(
        row=case.row,
        ours_s=seconds,
        theirs_s=slower,
        ratio=slower / seconds,
        target=case.target,
        equal=made == expected if worst is None else worst <= SAME[device],
        max_diff=worst,
        peak_mb=max(peaks),
    )


def _worst(made: list[Any], expected: list[Any]) -> float | None:
    """Largest difference of probabilities; None for texts."""
    if not all(isinstance(item, float) for item in made):
        return None
    return max(abs(a - b) for a, b in zip(made, expected, strict=True))

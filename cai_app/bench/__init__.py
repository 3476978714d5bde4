"""The ratios of `make bench`: this program against the plain way of doing the same.

Both ways do the same work on the same weights in one run, and what they make is compared: a ratio
means nothing where the results differ.
"""

import resource
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from cai_app import prompts
from cai_app.bench import page, rows, volume
from cai_app.bench.cases import Case, dialogues, table
from cai_app.bench.sides import Ours, Plain, Side, weights_of
from cai_app.records import Record
from cai_app.settings import Settings

# The largest difference of a probability that counts as equal: float32 on CPU, bf16 on a GPU.
SAME = {"cpu": 1e-3, "cuda": 2e-2}


class Row(Record):
    """One measured row; None where there is nothing to compare with, or measuring failed.

    `ratio` = theirs / ours. `target` is the least ratio; in a row without theirs, the most seconds.
    `max_diff` is the largest difference between two probabilities. `peak_mb` is the process's peak
    so far (on a GPU: the device's).
    """

    row: str
    ours_s: float | None
    theirs_s: float | None = None
    ratio: float | None = None
    target: float
    equal: bool | None = None
    max_diff: float | None = None
    peak_mb: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether target and equality hold; None where measuring failed."""
        if self.ours_s is None:
            return None
        fast = self.ours_s <= self.target if self.ratio is None else self.ratio >= self.target
        return fast and self.equal is not False


def run(settings: Settings, *, backend: str = "pocket", repeats: int = 5) -> Iterator[Row]:
    """Measure row by row; each number is a median over `repeats` dialogues, one more warms up.

    Raises InputError for a backend whose weights are not on this machine.
    """
    weights_of(backend, settings)
    texts, cases = dialogues(settings, repeats + 1), table(settings)
    answers, usable = page.measure(settings)
    yield Row(row="page answers", ours_s=answers, target=5)
    yield Row(row="page usable", ours_s=usable, target=5)
    for name, seconds, target in rows.measure():
        yield Row(row=name, ours_s=seconds, target=target)
    pairs = f"{volume.IMPORTED:,} pairs imported"
    yield Row(row=pairs, ours_s=volume.measure_import(settings), target=10)
    labels = f"{volume.LABELLED:,} pairs labelled, both orders"
    yield Row(row=labels, ours_s=volume.measure_label(settings, backend), target=60)
    ours = Ours(backend, settings)
    click = ours.first(prompts.draft(texts[0]))
    device = (ours.backend.info().device or "cpu").partition(":")[0]
    peak = _peak_mb(device)
    yield Row(row="first token after a click", ours_s=click.seconds, target=0.3, peak_mb=peak)
    measured = [(*_measure(ours, case, texts), _peak_mb(device)) for case in cases]
    ours.backend.close()  # a large model would not fit twice
    plain = Plain(backend, settings)
    for case, (seconds, made, peak) in zip(cases, measured, strict=True):
        theirs, expected = _measure(plain, case, texts)
        worst = _worst(made, expected)
        yield Row(
            row=case.row,
            ours_s=seconds,
            theirs_s=theirs,
            ratio=theirs / seconds,
            target=case.target,
            equal=made == expected if worst is None else worst <= SAME[device],
            max_diff=worst,
            peak_mb=peak,
        )


def _measure(side: Side, case: Case, texts: Sequence[str]) -> tuple[float, list[Any]]:
    """Median seconds, and everything made. The first text warms up: few-shots are read once."""
    case.measure(side, texts[0])
    done = [case.measure(side, text) for text in texts[1:]]
    return median(one.seconds for one in done), [item for one in done for item in one.made]


def _worst(made: Sequence[Any], expected: Sequence[Any]) -> float | None:
    """Largest difference of probabilities; None for texts."""
    if not all(isinstance(item, float) for item in made):
        return None
    return max(abs(a - b) for a, b in zip(made, expected, strict=True))


def _peak_mb(device: str) -> float:
    if device == "cuda":
        import torch

        return float(torch.cuda.max_memory_allocated() / 2**20)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

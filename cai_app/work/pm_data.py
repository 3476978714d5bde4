"""The pairs that a preference model learns from and is tested on, from a run's snapshot.

Labels come in inputs.rows.jsonl; on the pocket family, reference pairs in combinations that no
training saw are test pairs too. Whatever is left out is counted with its reason.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cai_app import files
from cai_app.backends import parse_spec
from cai_app.errors import InputError
from cai_app.pocket import tasks
from cai_app.records.rewards import PreferenceOptions
from cai_app.work.progress import Run
from cai_app.work.targets import Pair, half, held_out, mixed, target

log = logging.getLogger(__name__)

ROWS = "inputs.rows.jsonl"
MOST_TESTED = 200  # held-out pairs of a source
_UNSEEN = 200  # reference pairs in combinations that no training saw


class Data(NamedTuple):
    """What to learn (one list, or two halves), held-out pairs by source, and what was left out."""

    parts: tuple[list[Pair], ...]
    tests: dict[str, list[Pair]]
    left_out: dict[str, int]


def gather(run: Run, options: PreferenceOptions) -> Data:
    """Read the snapshot. Raises InputError where nothing is left to learn from."""
    rows, _ = files.read_rows(run.input(ROWS))
    left_out: Counter[str] = Counter()
    known: dict[str, list[Pair]] = {"ai": [], "helpful": [], "checked": []}
    for row in rows:
        if (pair := _pair(row, options, left_out)) is not None:
            known[pair.source].append(pair)
    kept = [
        [pair for pair in known[source] if not held_out(pair.prompt, options.held_out)]
        for source in ("ai", "helpful")
    ]
    chosen = mixed(kept[0], kept[1], options)
    if not chosen:
        raise InputError(_nothing(options, left_out, known))
    tests = {source: _tested(known[source], options) for source in ("ai", "helpful")}
    tests["checked"] = _tested(known["checked"], options)
    if seen := sum(not held_out(one.prompt, options.held_out) for one in known["checked"]):
        left_out["labels of people on prompts that are not held out"] = seen
    if parse_spec(options.backend).kind == "pocket":
        tests["reference_harmless"] = _reference("harm")
        tests["reference_helpful"] = _reference("helpful")
    parts: tuple[list[Pair], ...] = (chosen,)
    if options.split:
        parts = tuple([pair for pair in chosen if half(pair.prompt) == n] for n in (0, 1))
    found = {name: pairs for name, pairs in tests.items() if pairs}
    return Data(parts, found, dict(left_out))


def _pair(row: dict[str, Any], options: PreferenceOptions, left_out: Counter[str]) -> Pair | None:
    p = target(row, options)
    if p is None:
        left_out["unscored"] += 1
        return None
    if row["a"].strip() == row["b"].strip():
        left_out["same text"] += 1
        return None
    return Pair(row["id"], row["prompt"], row["a"], row["b"], p, row["kind"])


def _reference(aspect: str) -> list[Pair]:
    return [
        Pair(f"{aspect}-{n}", one.task.prompt, one.a, one.b, one.p, "reference")
        for n, one in enumerate(tasks.pairs(_UNSEEN, "test", aspect=aspect, unseen="scene"))
    ]


def _tested(pairs: Sequence[Pair], options: PreferenceOptions) -> list[Pair]:
    return [pair for pair in pairs if held_out(pair.prompt, options.held_out)][:MOST_TESTED]


def _nothing(
    options: PreferenceOptions, left_out: Counter[str], known: dict[str, list[Pair]]
) -> str:
    said = "".join(f", {n} {why}" for why, n in left_out.items())
    return (
        f"there are no pairs to learn for labels={options.labels}: {len(known['ai'])} AI and "
        f"{len(known['helpful'])} helpfulness pairs are scored{said}; label a run of pairs first "
        "(python -m cai_app label), or set labels=helpful"
    )


class Tokens(NamedTuple):
    """A pair as token rows, with its target."""

    a: tuple[int, ...]
    b: tuple[int, ...]
    p: float


def within(
    pairs: Iterable[Pair], most: int, tokens: Any, left_out: dict[str, int]
) -> tuple[list[Pair], list[Tokens]]:
    """Pairs whose two dialogues have at most so many tokens; the others are counted."""
    kept, found = [], []
    for pair in pairs:
        row = Tokens(tokens(pair.prompt, pair.a), tokens(pair.prompt, pair.b), pair.p)
        if max(len(row.a), len(row.b)) > most:
            left_out["too long"] = left_out.get("too long", 0) + 1
            continue
        kept.append(pair)
        found.append(row)
    return kept, found

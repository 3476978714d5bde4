"""What principles do to labels: the effect of an edit, and of each principle.

A pair's label under a constitution is the weighted mean of its principles' P(a): what a drawn
principle says on average. Both are generators of growing results; the last one is whole.
"""

import math
import time
from collections.abc import Iterator, Sequence

from cai_app.constitution import Constitution, drawable
from cai_app.errors import InputError
from cai_app.intervals import Ints, codes, mean, rate
from cai_app.judge.results import Ablation, Dropped, Effect, Progress, Shift
from cai_app.judge.scores import Pair, Scores
from cai_app.records import PreferencePrinciple

Principles = Sequence[PreferencePrinciple]
# Seconds between two results: intervals over all pairs cost more than a few known scores.
GAP = 0.25


def effect(
    scores: Scores, pairs: Sequence[Pair], old: Constitution, new: Constitution
) -> Iterator[Effect]:
    """Which labels flip from one constitution to another, and by how much P(a) moves."""
    before, after = able(old), able(new)
    asked = list(dict.fromkeys(one.question for one in (*before, *after)))
    rows: list[Shift] = []
    unscored: dict[str, str] = {}
    for batch, progress in judged(scores, pairs, asked):
        for pair in batch:
            p = [label(scores, pair, side, unscored) for side in (before, after)]
            if p[0] is not None and p[1] is not None:
                flipped = (p[0] > 0.5) != (p[1] > 0.5)
                rows.append(Shift(comparison=pair.id, prompt=pair.prompt, a=pair.a, b=pair.b,
                                  p_old=p[0], p_new=p[1], flipped=flipped))  # fmt: skip
        yield _effect(rows, unscored, progress)


def _effect(rows: Sequence[Shift], unscored: dict[str, str], progress: Progress) -> Effect:
    prompts = codes([row.prompt for row in rows])
    return Effect(
        progress=progress,
        n=len(rows),
        unscored=unscored,
        flips=sum(row.flipped for row in rows),
        flip_rate=rate([row.flipped for row in rows], prompts),
        shift=mean([abs(row.p_new - row.p_old) for row in rows], prompts),
        toward_a=mean([row.p_new - row.p_old for row in rows], prompts),
        rows=tuple(sorted(rows, key=lambda row: -abs(row.p_new - row.p_old))),
    )


def ablate(scores: Scores, pairs: Sequence[Pair], constitution: Constitution) -> Iterator[Ablation]:
    """What leaving out each principle, or all of a tag, does to the labels."""
    principles = able(constitution)
    groups = _groups(principles)
    seen: list[Pair] = []
    unscored: dict[str, str] = {}
    whole: list[float] = []
    for batch, progress in judged(scores, pairs, [one.question for one in principles]):
        for pair in batch:
            if (known := label(scores, pair, principles, unscored)) is not None:
                seen.append(pair)
                whole.append(known)
        prompts = codes([pair.prompt for pair in seen])
        dropped = [
            _dropped(name, left_out, principles, scores, seen, whole, prompts)
            for name, left_out in groups
        ]
        yield Ablation(
            progress=progress,
            n=len(seen),
            unscored=unscored,
            principles=tuple(sorted(dropped, key=lambda one: -(one.shift.value or 0.0))),
        )


def _groups(principles: Principles) -> list[tuple[str | None, tuple[PreferencePrinciple, ...]]]:
    """Each principle alone, then the principles of each tag that several share."""
    tags: dict[str, list[PreferencePrinciple]] = {}
    for one in principles:
        for tag in one.tags:
            tags.setdefault(tag, []).append(one)
    shared = [(tag, tuple(found)) for tag, found in tags.items() if len(found) > 1]
    return [*((None, (one,)) for one in principles), *shared]


def _dropped(
    tag: str | None,
    left_out: Principles,
    principles: Principles,
    scores: Scores,
    pairs: Sequence[Pair],
    whole: Sequence[float],
    prompts: Ints,
) -> Dropped:
    rest = [one for one in principles if one not in left_out]
    named = Dropped(
        tag=tag,
        ids=tuple(one.id for one in left_out),
        question=left_out[0].question if tag is None else "",
        tags=left_out[0].tags if tag is None else (tag,),
    )
    if not rest:
        return named.model_copy(update={"alone": True})
    # A pair is here because it was scored under every principle, so under the rest as well.
    without = [q for pair in pairs if (q := label(scores, pair, rest, {})) is not None]
    moved = [abs(p - q) for p, q in zip(whole, without, strict=True)]
    flips = [(p > 0.5) != (q > 0.5) for p, q in zip(whole, without, strict=True)]
    by_shift = sorted(range(len(moved)), key=lambda n: (-flips[n], -moved[n]))[:5]
    examples = tuple(
        Shift(comparison=pairs[n].id, prompt=pairs[n].prompt, a=pairs[n].a, b=pairs[n].b,
              p_old=whole[n], p_new=without[n], flipped=flips[n])
        for n in by_shift
    )  # fmt: skip
    return named.model_copy(
        update={
            "flips": sum(flips),
            "flip_rate": rate(flips, prompts),
            "shift": mean(moved, prompts),
            "examples": examples,
        }
    )


def able(constitution: Constitution) -> list[PreferencePrinciple]:
    """The principles that can be drawn. Raises InputError where there is none."""
    if found := drawable(constitution.preference):
        return found
    raise InputError(
        f"constitution {constitution.name} has no comparison principle that can be drawn; switch "
        "one on, or give it a weight above 0"
    )


def judged(
    scores: Scores, pairs: Sequence[Pair], questions: Sequence[str]
) -> Iterator[tuple[Sequence[Pair], Progress]]:
    """Pairs as they get scored under every question, and how far that is."""
    if not pairs:
        raise InputError("there are no comparisons to judge; choose a set that has some")
    ready: list[Pair] = []
    done, shown = 0, -math.inf
    for batch in scores.batches(pairs, len(questions)):
        scores.fill([(pair, question) for pair in batch for question in questions])
        done += len(batch)
        ready += batch
        if done == len(pairs) or time.monotonic() - shown >= GAP:
            yield ready, Progress(done=done, total=len(pairs), asked=scores.asked)
            ready, shown = [], time.monotonic()


def label(
    scores: Scores, pair: Pair, principles: Principles, unscored: dict[str, str]
) -> float | None:
    """The expected P(a) of a drawn principle; None, with the reason noted, where one is missing."""
    total = weighted = 0.0
    for one in principles:
        score = scores.get(pair, one.question)
        if not isinstance(score, float):
            unscored[pair.id] = f"{one.id}: {score}"
            return None
        total += one.weight
        weighted += one.weight * score
    return weighted / total

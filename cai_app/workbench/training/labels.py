"""Labels as preferences: AI harmlessness, human or reference helpfulness, or both.

Rows keep p as it was given; clamps, thresholds and mixing belong to whoever trains on them.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cai_app.errors import InputError
from cai_app.records import DpoOptions
from cai_app.workbench.training.gathering import ROWS, Gathered, Sources, drawn, lesson, lines

Row = dict[str, Any]
REFERENCE = "reference"


def ai_rows(
    sources: Sources, *, source: str, constitution: str, seed: int, limit: int | None
) -> tuple[list[Row], list[str]]:
    """Comparisons with AI labels: `prompt`, `a`, `b`, `p` (P(a better)), `p_a_first`, `p_b_first`,
    `kind`; and the constitutions that they were labelled under. Raises InputError saying what to
    do first where there are none."""
    from cai_app.store import training

    name = None if constitution == "any" else constitution.partition("@")[0]
    store = sources.store()
    found = training.preferences(store, kinds=("ai",), source=source or None, constitution=name)
    if not found:
        _, known = training.known(store)
        there = f"; there are labels under {', '.join(known)}" if known else ""
        of = f" of {source}" if source else ""
        raise InputError(
            f"there are no AI labels{of} under {constitution} in this home{there}. Make some "
            "first: python -m cai_app generate --prompts requests --limit 500; then python -m "
            f"cai_app label --source RUN --constitution {name or 'harmless'} with the run that "
            "it prints; or learn helpfulness alone: labels=helpful"
        )
    rows = [one.model_dump(exclude={"kind"}) | {"kind": "ai"} for one in found]
    versions = sorted({row["constitution"] for row in rows if row["constitution"]})
    return drawn(rows, seed=seed, key=lambda row: row["id"], limit=limit), versions


def helpful_rows(
    sources: Sources, *, source: str, seed: int, limit: int | None
) -> tuple[list[Row], str]:
    """Comparisons by helpfulness: the built-in ones by rule (`reference`), or those that people
    have labelled, of a source, a rater, or any (`human`); and who they are by, for the card."""
    if source == REFERENCE:
        built_in = lesson(sources.settings, "preferences")
        rows = [
            {**row, "id": f"reference-{n}", "kind": "helpful"} for n, row in enumerate(built_in)
        ]
        return drawn(rows, seed=seed, key=lambda row: row["id"], limit=limit), "reference rule"
    from cai_app.store import training

    named = None if source == "human" else source
    # What people answered to a question about a constitution says nothing of helpfulness.
    found = training.preferences(
        sources.store(), kinds=("human", "reference"), source=named, unasked=True
    )
    if not found:
        raise InputError(
            f"there are no human labels of {source!r} in this home beside answers of spot-checks; "
            "import some: python -m cai_app import hh-rlhf FILE; or take helpful=reference"
        )
    rows = [one.model_dump(exclude={"kind"}) | {"kind": "helpful"} for one in found]
    return drawn(rows, seed=seed, key=lambda row: row["id"], limit=limit), f"people ({source})"


def gather(options: DpoOptions, sources: Sources) -> Gathered:
    """Rows of `prompt`, `chosen`, `rejected`, `p`, `kind`; labels near even are set aside."""
    rows: list[Row] = []
    provenance: dict[str, str] = {}
    if options.labels in ("ai", "both"):
        found, versions = ai_rows(
            sources,
            source=options.source,
            constitution=options.constitution,
            seed=options.seed,
            limit=options.limit,
        )
        rows += found
        provenance["constitutions"] = ", ".join(versions)
        provenance["labels"] = options.source or "every AI label of the store"
    if options.labels in ("helpful", "both"):
        found, by = helpful_rows(
            sources, source=options.helpful, seed=options.seed, limit=options.limit
        )
        rows += found
        provenance["helpful"] = by
    clear = [row for row in rows if abs(row["p"] - 0.5) >= options.margin]
    even = len(rows) - len(clear)
    if not clear:
        raise InputError(f"all {even} labels are within margin {options.margin} of even; lower it")
    pairs = [_ordered(row) for row in clear]
    return Gathered(
        inputs={ROWS: lines(drawn(pairs, seed=options.seed, key=pair_key, limit=None))},
        rows=len(pairs),
        counts=dict(Counter(row["kind"] for row in pairs)),
        texts=[
            f"\n\nHuman: {row['prompt']}\n\nAssistant: {row[side]}"
            for row in pairs
            for side in ("chosen", "rejected")
        ],
        rejected={"its label is close to even": even} if even else {},
        provenance=provenance,
        passes=4 / 3,  # the policy learns, its reference reads
    )


def pair_key(row: Mapping[str, Any]) -> str:
    """What tells a pair from others, for the draw."""
    return f"{row['kind']} {row['prompt']} {row['chosen']} {row['rejected']}"


def _ordered(row: Row) -> Row:
    better, worse = ("a", "b") if row["p"] > 0.5 else ("b", "a")
    return {
        "prompt": row["prompt"],
        "chosen": row[better],
        "rejected": row[worse],
        "p": max(row["p"], 1 - row["p"]),
        "kind": row["kind"],
    }

"""Answers to learn (CAI 3.2): revisions of chains, helpful answers, or both; linted row by row."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from cai_app.critique.flags import flags_of
from cai_app.errors import InputError
from cai_app.records import SftOptions, Transcript
from cai_app.workbench.training.gathering import (
    REJECTED,
    ROWS,
    Gathered,
    Sources,
    drawn,
    lesson,
    lines,
)

Row = dict[str, Any]
REFERENCE = "reference"
# What a row must not show (method.md 2): a lint's flag, and what is said of it.
LINTS = {"tag_leak": "tags or a preface leak into it", "repetition": "it repeats itself"}


def gather(options: SftOptions, sources: Sources) -> Gathered:
    """Rows of `prompt`, `text`, `kind` and `source`. Raises InputError saying what to do first
    where there are none."""
    rows: list[Row] = []
    provenance: dict[str, str] = {}
    if options.data in ("revisions", "both"):
        found, versions = _revisions(options, sources)
        rows += found
        provenance["constitutions"] = ", ".join(versions)
        provenance["revisions"] = options.source or "every chain of the store"
    if options.data in ("helpful", "both"):
        rows += _helpful(options, sources)
        provenance["helpful"] = options.helpful
    kept, rejected = _linted(rows)
    reasons = Counter(row["reason"] for row in rejected)
    if not kept:
        raise InputError(f"no row passes the lints: {_said(reasons)}")
    kept = drawn(kept, seed=options.seed, key=_key, limit=None)
    inputs = {ROWS: lines(kept)} | ({REJECTED: lines(rejected)} if rejected else {})
    return Gathered(
        inputs=inputs,
        rows=len(kept),
        counts=dict(Counter(row["kind"] for row in kept)),
        texts=[f"\n\nHuman: {row['prompt']}\n\nAssistant: {row['text']}" for row in kept],
        rejected=dict(reasons),
        provenance=provenance,
    )


def _said(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} because {reason}" for reason, count in reasons.most_common())


def _key(row: Row) -> str:
    return f"{row['kind']} {row['prompt']} {row['text']} {row.get('round')}"


def _revisions(options: SftOptions, sources: Sources) -> tuple[list[Row], list[str]]:
    from cai_app.store import training

    name = None if options.constitution == "any" else options.constitution.partition("@")[0]
    store = sources.store()
    chains = training.chains(store, source=options.source or None, constitution=name)
    found, versions = [], set()
    for chain in chains:
        made = list(_rows_of(chain.transcript, options, chain.id))
        if made:
            ref = chain.transcript.constitution
            versions.add(f"{ref.name}@{ref.hash}")
        found += made
    if not found:
        known, _ = training.known(store)
        there = f"; there are chains under {', '.join(known)}" if known else ""
        of = f" of {options.source}" if options.source else ""
        raise InputError(
            f"there are no revisions{of} under {options.constitution} in this home{there}. Write "
            "some first: python -m cai_app generate --prompts requests --mode chains --limit 250 "
            f"--constitution {name or 'harmless'}; or learn helpful answers alone: data=helpful"
        )
    return drawn(found, seed=options.seed, key=_key, limit=options.limit), sorted(versions)


def _rows_of(chain: Transcript, options: SftOptions, id: str) -> Iterator[Row]:
    steps = [step for step in chain.steps if step.kind == "revision"]
    for step in steps if options.steps == "all" else steps[-1:]:
        yield {
            "prompt": chain.prompt,
            "text": step.text,
            "kind": "revision",
            "source": id,
            "round": step.round,
            "cut": step.finish not in (None, "stop"),
        }


def _helpful(options: SftOptions, sources: Sources) -> list[Row]:
    if options.helpful == REFERENCE:
        found = lesson(sources.settings, "answers")
    else:
        from cai_app.store import training

        found = [
            {"prompt": one.prompt, "text": one.text, "cut": one.finish not in (None, "stop")}
            for one in training.answers(sources.store(), options.helpful)
        ]
        if not found:
            raise InputError(
                f"there are no responses of {options.helpful!r} in this home; write some: "
                "python -m cai_app generate --prompts helpful; or take helpful=reference"
            )
    rows = [{**row, "kind": "helpful", "source": options.helpful} for row in found]
    return drawn(rows, seed=options.seed, key=_key, limit=options.helpful_limit)


def _linted(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    kept, rejected = [], []
    for row in rows:
        reason = problem(row)
        plain = {name: value for name, value in row.items() if name != "cut"}
        if reason is None:
            kept.append(plain)
        else:
            rejected.append({**plain, "reason": reason})
    return kept, rejected


def problem(row: Row) -> str | None:
    """Why an answer is not fit to be learned; None where it is."""
    if not str(row["text"]).strip():
        return "it is empty"
    if row.get("cut"):
        return "it was cut off"
    flags = flags_of(row["text"], kind="revision", before=None, unknown=False)
    return next((said for flag, said in LINTS.items() if flag in flags), None)

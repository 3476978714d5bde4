"""Comparisons to be judged: of a source, made of a run's chains, or left unscored by a run."""

from typing import TYPE_CHECKING, Any

from cai_app.errors import InputError
from cai_app.records import Comparison, Response, Transcript
from cai_app.store.comparisons import ComparisonFilter

if TYPE_CHECKING:
    from cai_app.store import Store

# A comparison as a worker reads it; `record` where the store does not have it yet.
Pair = dict[str, Any]
_NAMES = ("id", "prompt", "a", "b", "a_id", "b_id")
_PAIR = "SELECT id, prompt, a_text, b_text, a, b FROM comparisons"


def pairs(store: "Store", source: str, *, limit: int | None = None) -> list[Pair]:
    """Comparisons of a source or run, the oldest first; else the drafts of its chains against
    their last revisions. Raises InputError where there is neither."""
    with store.db.cursor() as cursor:
        where = store.comparisons.where(cursor, ComparisonFilter(source=source))
        found = cursor.execute(
            f"{_PAIR} WHERE {where.clause} ORDER BY seq LIMIT {_most(limit)}", where.values
        ).fetchall()
    rows = [dict(zip(_NAMES, row, strict=True)) for row in found]
    rows = rows or _of_chains(store, source, limit)
    if not rows:
        known = ", ".join(sources(store)) or "none yet; import a file, or generate pairs"
        raise InputError(f"source {source!r} has no comparisons and no chains; there are: {known}")
    return rows


def unscored(store: "Store", run: str) -> list[Pair]:
    """Comparisons that a run left unscored, or a response of which it did, and nobody has scored
    for that rater since."""
    with store.db.cursor() as cursor:
        found = cursor.execute(
            "WITH open AS (SELECT subject FROM latest_labels WHERE run = ? AND value IS NULL) "
            f"{_PAIR} WHERE id IN (FROM open) OR a IN (FROM open) OR b IN (FROM open) ORDER BY seq",
            [run],
        ).fetchall()
    return [dict(zip(_NAMES, row, strict=True)) for row in found]


def count_unscored(store: "Store", run: str) -> int:
    """How many of a run's subjects nobody has answered for that rater since; without a sort of all
    labels, as it is asked while somebody looks."""
    with store.db.cursor() as cursor:
        row = cursor.execute(
            "WITH open AS (SELECT subject, rater, kind, coalesce(time, added) AS t, seq "
            "FROM labels WHERE run = $run AND value IS NULL) "
            "SELECT count(DISTINCT subject) FROM open WHERE NOT EXISTS (SELECT 1 FROM labels l "
            "WHERE l.subject = open.subject AND l.rater = open.rater AND l.kind = open.kind "
            "AND l.run IS DISTINCT FROM $run "
            "AND (coalesce(l.time, l.added), l.seq) > (open.t, open.seq))",
            {"run": run},
        ).fetchone()
    assert row
    return int(row[0])


def sources(store: "Store", *, limit: int = 10) -> list[str]:
    """Where comparisons and chains come from, the newest first."""
    with store.db.cursor() as cursor:
        rows = cursor.execute(
            "SELECT source FROM (SELECT source, max(seq) AS newest FROM comparisons "
            "WHERE source IS NOT NULL GROUP BY source "
            "UNION ALL SELECT run, max(seq) FROM outputs WHERE type = 'transcript' GROUP BY run) "
            f"GROUP BY source ORDER BY max(newest) DESC LIMIT {limit}"
        ).fetchall()
    return [str(row[0]) for row in rows]


def _most(limit: int | None) -> int:
    return 2**62 if limit is None else limit


def _of_chains(store: "Store", source: str, limit: int | None) -> list[Pair]:
    with store.db.cursor() as cursor:
        found = cursor.execute(
            "SELECT t.transcript FROM transcripts t JOIN outputs o "
            "ON o.seq = t.seq AND o.type = 'transcript' WHERE o.run = ? ORDER BY t.seq "
            f"LIMIT {_most(limit)}",
            [source],
        ).fetchall()
    made = (
        _draft_against_revision(Transcript.model_validate_json(row[0]), source) for row in found
    )
    return [pair_of(one) for one in made if one is not None]


def _draft_against_revision(chain: Transcript, source: str) -> Comparison | None:
    """None where the chain has changed nothing."""
    steps = [step for step in chain.steps if step.kind != "critique"]
    if len(steps) < 2 or steps[0].text == steps[-1].text:
        return None
    fields: dict[str, Any] = {
        "prompt": chain.prompt,
        "model": chain.backend,
        "adapter": chain.adapter,
    }
    draft, revision = (
        Response(**fields, text=one.text, seed=chain.seed, source=source, finish=one.finish)
        for one in (steps[0], steps[-1])
    )
    return Comparison.of(draft, revision, source=source)


def pair_of(one: Comparison) -> Pair:
    """A comparison that the store does not have, as a worker reads it."""
    kept = one.canonical()
    record = kept.model_dump(mode="json", exclude_none=True)
    values = (kept.id, kept.prompt, kept.a.text, kept.b.text, kept.a.id, kept.b.id)
    return {**dict(zip(_NAMES, values, strict=True)), "record": record}

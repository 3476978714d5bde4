"""Who has answered what, and how much: the people and AI raters that an audit can choose from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from cai_app.records import AuditKind, Rater

if TYPE_CHECKING:
    from cai_app.store import Store


class Labelled(NamedTuple):
    """A rater with how many comparisons (or responses) they have an answer about."""

    rater: Rater
    comparisons: int


_RATERS: dict[AuditKind, str] = {
    # A preference model that has scored responses has a preference about the pairs of them.
    "preference": (
        "SELECT rater, sum(n) AS n FROM ("
        "SELECT rater, count(DISTINCT subject) AS n FROM labels "
        "WHERE kind = 'preference' AND value IS NOT NULL GROUP BY rater "
        "UNION ALL SELECT rater, count(*) FROM score_answers GROUP BY rater) "
        "GROUP BY rater ORDER BY n DESC, rater"
    ),
    "refusal": (
        "SELECT rater, count(DISTINCT subject) AS n FROM labels "
        "WHERE kind = 'refusal' AND value IS NOT NULL GROUP BY rater ORDER BY n DESC, rater"
    ),
}


def raters(store: "Store", kind: AuditKind = "preference") -> list[Labelled]:
    """Everybody with answers of a kind, those with the most first."""
    with store.db.cursor() as cursor:
        rows = cursor.execute(_RATERS[kind]).fetchall()
        found = store.labels.raters.read(cursor, [row[0] for row in rows])
    return [Labelled(found[id], int(n)) for id, n in rows]


def labels_of(store: "Store", rater: str) -> tuple[int, int]:
    """How many labels a rater has given, and the newest: changes with every new one."""
    with store.db.cursor() as cursor:
        row = cursor.execute(
            "SELECT count(*), coalesce(max(seq), 0) FROM labels WHERE rater = ?", [rater]
        ).fetchone()
    assert row
    return row[0], row[1]


def answered(store: "Store") -> dict[str, set[str]]:
    """Who has answered in which queue; what was taken back is no answer."""
    with store.db.cursor() as cursor:
        rows = cursor.execute("SELECT DISTINCT queue, rater FROM latest_answers").fetchall()
    found: dict[str, set[str]] = {}
    for queue, rater in rows:
        found.setdefault(queue, set()).add(rater)
    return found


def most_in_common(
    store: "Store", others: Sequence[str], people: Sequence[str], kind: AuditKind = "preference"
) -> str | None:
    """Of some raters, the one who shares most subjects with these people; None if nobody does."""
    scored = "UNION ALL SELECT rater, comparison FROM score_answers" * (kind == "preference")
    with store.db.cursor() as cursor:
        row = cursor.execute(
            "WITH said AS (SELECT rater, subject FROM labels WHERE kind = $kind "
            f"AND value IS NOT NULL {scored}) "
            "SELECT rater, count(DISTINCT subject) AS n FROM said "
            "WHERE list_contains($others, rater) AND subject IN "
            "(SELECT subject FROM said WHERE list_contains($people, rater)) "
            "GROUP BY rater ORDER BY n DESC, rater LIMIT 1",
            {"kind": kind, "others": list(others), "people": list(people)},
        ).fetchone()
    return str(row[0]) if row else None

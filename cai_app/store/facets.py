"""What a filter can be set to: the values that a column really has."""

from cai_app.store.connection import Connection, Cursor

_MOST = 200  # values offered; more are found by searching

_RUNS = "SELECT DISTINCT run FROM outputs WHERE type = '{}'"
# Filter by noun: the query for its values. The names are those of the noun's filter record.
_QUERIES: dict[str, dict[str, str]] = {
    "responses": {
        "source": f"{_RUNS.format('response')} UNION SELECT DISTINCT source FROM responses",
        "model": "SELECT DISTINCT model FROM responses",
        "adapter": "SELECT DISTINCT adapter FROM responses",
    },
    "comparisons": {
        "source": f"{_RUNS.format('comparison')} UNION SELECT DISTINCT source FROM comparisons",
        "model": "SELECT DISTINCT a_model FROM comparisons UNION "
        "SELECT DISTINCT b_model FROM comparisons",
        "rater_kind": "SELECT DISTINCT kind FROM raters",
    },
    "transcripts": {
        "source": _RUNS.format("transcript"),
        "backend": "SELECT DISTINCT backend FROM transcripts",
        "constitution": "SELECT DISTINCT constitution FROM transcripts",
    },
    "labels": {
        "kind": "SELECT DISTINCT kind FROM labels",
        "rater_kind": "SELECT DISTINCT kind FROM raters",
        "principle": "SELECT DISTINCT principle FROM labels",
        "run": "SELECT DISTINCT run FROM labels",
    },
}


class Facets:
    """Values by filter; asked again only when something has been written."""

    def __init__(self, db: Connection) -> None:
        self.db = db
        self._known: dict[str, tuple[int, dict[str, tuple[str, ...]]]] = {}

    def of(self, noun: str) -> dict[str, tuple[str, ...]]:
        """The values of each filter of a noun (`responses`, `labels`, …), runs newest first."""
        with self.db.cursor() as cursor:
            now = _written(cursor)
            kept = self._known.get(noun)
            if kept is not None and kept[0] == now:
                return kept[1]
            found = {name: _values(cursor, name, query) for name, query in _QUERIES[noun].items()}
        self._known[noun] = (now, found)
        return found


def _written(cursor: Cursor) -> int:
    """How many writes there have been: values of a noun come from other tables too."""
    row = cursor.execute("SELECT n FROM acknowledged").fetchone()
    assert row
    return int(row[0])


def _values(cursor: Cursor, name: str, query: str) -> tuple[str, ...]:
    # Ids of runs begin with their time.
    order = "DESC" if name in ("source", "run") else "ASC"
    rows = cursor.execute(
        f"SELECT v FROM ({query}) AS found(v) WHERE v IS NOT NULL ORDER BY v {order} LIMIT {_MOST}"
    ).fetchall()
    return tuple(row[0] for row in rows)

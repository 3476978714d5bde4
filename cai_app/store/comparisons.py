"""Comparisons: two responses to one prompt, sides ordered by a hash."""

from collections.abc import Iterable, Sequence
from typing import Any

from cai_app.records import Comparison, Record, Response
from cai_app.store.connection import Cursor
from cai_app.store.paging import Page, Where, newest
from cai_app.store.responses import FROM_RUN, Responses
from cai_app.store.table import Table


class ComparisonFilter(Record):
    """Which comparisons; None is any. `source` also takes a run; `model` is that of a side."""

    source: str | None = None
    model: str | None = None
    labelled: bool | None = None
    rater_kind: str | None = None


class Comparisons(Table[Comparison]):
    """The table `comparisons`; adding one adds its responses."""

    name = "comparisons"
    columns = ("id", "prompt", "a", "b", "source")

    def __init__(self, responses: Responses) -> None:
        super().__init__(responses.db)
        self.responses = responses

    def values(self, record: Comparison) -> tuple[Any, ...]:
        kept = record.canonical()
        return (kept.id, kept.prompt, kept.a.id, kept.b.id, kept.source)

    def stage(self, cursor: Cursor, records: Iterable[Comparison]) -> int:
        """Stage comparisons and both responses of each."""
        found = list(records)
        self.responses.stage(cursor, (side for one in found for side in (one.a, one.b)))
        return super().stage(cursor, found)

    def merge(self, cursor: Cursor) -> int:
        """Add the responses first; counts comparisons only."""
        self.responses.merge(cursor)
        return super().merge(cursor)

    def read(self, cursor: Cursor, ids: Sequence[str]) -> dict[str, Comparison]:
        """Comparisons by id, with their responses."""
        if not ids:
            return {}
        marks = ", ".join("?" * len(ids))
        rows = cursor.execute(
            f"SELECT id, a, b, source FROM comparisons WHERE id IN ({marks})", list(ids)
        ).fetchall()
        return {one.id: one for one in self._whole(cursor, rows)}

    def _whole(self, cursor: Cursor, rows: Sequence[Sequence[Any]]) -> list[Comparison]:
        """Comparisons from rows of id, a, b, source."""
        sides: dict[str, Response] = self.responses.read(
            cursor, sorted({id for row in rows for id in (row[1], row[2])})
        )
        return [
            Comparison.model_construct(id=id, a=sides[a], b=sides[b], source=source)
            for id, a, b, source in rows
        ]

    def where(self, wanted: ComparisonFilter, search: str = "") -> tuple[Where, bool]:
        """The conditions on `c`, and whether they need the sides `a` and `b` joined."""
        where = Where()
        if wanted.source is not None:
            from_run = FROM_RUN.format("c.id", "comparison")
            where.add(f"(c.source = ? OR {from_run})", wanted.source, wanted.source)
        if wanted.labelled is not None or wanted.rater_kind is not None:
            labels = "SELECT l.subject FROM labels l JOIN raters r ON r.id = l.rater"
            of = "r.kind = ?" if wanted.rater_kind is not None else "true"
            negated = "NOT " if wanted.labelled is False else ""
            values = [wanted.rater_kind] if wanted.rater_kind is not None else []
            where.add(f"c.id {negated}IN ({labels} WHERE {of})", *values)
        joined = bool(search.strip()) or wanted.model is not None
        if wanted.model is not None:
            where.add("(a.model = ? OR b.model = ?)", wanted.model, wanted.model)
        where.contains(("c.prompt", "a.text", "b.text"), search)
        return where, joined

    def page(
        self,
        wanted: ComparisonFilter | None = None,
        *,
        search: str = "",
        before: int | None = None,
        limit: int = 50,
    ) -> Page[Comparison]:
        """A page of comparisons, the newest first; `before` is the `next` of the page above."""
        where, joined = self.where(wanted or ComparisonFilter(), search)
        query = "SELECT c.seq, c.id, c.a, c.b, c.source FROM comparisons c"
        if joined:
            query += " JOIN responses a ON a.id = c.a JOIN responses b ON b.id = c.b"
        with self.db.cursor() as cursor:
            rows, following = newest(
                cursor, query, "c.seq",
                where=where, before=before, limit=limit, top=self.top(cursor),
            )  # fmt: skip
            found = self._whole(cursor, [row[1:] for row in rows])
        return Page(rows=tuple(found), next=following)

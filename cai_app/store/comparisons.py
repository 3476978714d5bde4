"""Comparisons: two responses to one prompt, sides ordered by a hash."""

from collections.abc import Iterable, Sequence
from typing import Any

from cai_app.records import Comparison, Record, Response
from cai_app.store.connection import Cursor
from cai_app.store.paging import Page, Where, newest
from cai_app.store.responses import Responses
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
    columns = (
        "id", "prompt", "a", "b", "a_text", "b_text", "a_model", "b_model", "source",
    )  # fmt: skip

    def __init__(self, responses: Responses) -> None:
        super().__init__(responses.db)
        self.responses = responses

    def values(self, record: Comparison) -> tuple[Any, ...]:
        kept = record.canonical()
        a, b = kept.a, kept.b
        return (kept.id, kept.prompt, a.id, b.id, a.text, b.text, a.model, b.model, kept.source)

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

    def where(self, cursor: Cursor, wanted: ComparisonFilter, search: str = "") -> Where:
        """The conditions of a filter and a search through prompts and both texts."""
        where = Where()
        where.from_source(cursor, "comparison", wanted.source)
        if wanted.model is not None:
            where.add("(a_model = {0} OR b_model = {0})", wanted.model)
        where.contains(("prompt", "a_text", "b_text"), search)
        if wanted.labelled is None and wanted.rater_kind is None:
            return where
        found, values = "SELECT l.subject FROM labels l", []
        if wanted.rater_kind is not None:
            found += " JOIN raters r ON r.id = l.rater WHERE r.kind = {}"
            values = [wanted.rater_kind]
        if wanted.labelled is False:
            # Those of the window that have one, left out: ten times as fast as an anti-join.
            window = "SELECT w.seq FROM comparisons w WHERE w.seq >= $lower AND w.seq < $upper"
            where.add(f"seq NOT IN ({window} AND w.id IN ({found}))", *values)
        else:
            where.add(f"id IN ({found})", *values)
        return where

    def page(
        self,
        wanted: ComparisonFilter | None = None,
        *,
        search: str = "",
        before: int | None = None,
        limit: int = 50,
    ) -> Page[Comparison]:
        """A page of comparisons, the newest first; `before` is the `next` of the page above."""
        with self.db.cursor() as cursor:
            rows, following = newest(
                cursor, "SELECT seq, id, a, b, source FROM comparisons",
                where=self.where(cursor, wanted or ComparisonFilter(), search),
                before=before, limit=limit, top=self.top(cursor),
            )  # fmt: skip
            found = self._whole(cursor, [row[1:] for row in rows])
        return Page(rows=tuple(found), next=following)

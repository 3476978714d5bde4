"""Responses: one text in answer to one prompt."""

from collections.abc import Sequence
from typing import Any

from cai_app.records import Record, Response
from cai_app.store.connection import Cursor
from cai_app.store.paging import Page, Where, newest
from cai_app.store.table import Table


class ResponseFilter(Record):
    """Which responses; None is any. `source` also takes the id of a run that made them."""

    source: str | None = None
    model: str | None = None
    adapter: str | None = None


class Responses(Table[Response]):
    """The table `responses`."""

    name = "responses"
    columns = ("id", "prompt", "text", "model", "adapter", "seed", "source", "finish")

    def values(self, record: Response) -> tuple[Any, ...]:
        one = record
        made = (one.id, one.prompt, one.text, one.model, one.adapter, one.seed, one.source)
        return (*made, one.finish)

    def record(self, values: Sequence[Any]) -> Response:
        # What is in the table was checked when it came in.
        return Response.model_construct(**dict(zip(self.columns, values, strict=True)))

    def where(self, cursor: Cursor, wanted: ResponseFilter, search: str = "") -> Where:
        """The conditions of a filter and a search through prompts and texts."""
        where = Where()
        where.from_source(cursor, "response", wanted.source)
        where.equal("model", wanted.model)
        where.equal("adapter", wanted.adapter)
        where.contains(("prompt", "text"), search)
        return where

    def page(
        self,
        wanted: ResponseFilter | None = None,
        *,
        search: str = "",
        before: int | None = None,
        limit: int = 50,
    ) -> Page[Response]:
        """A page of responses, the newest first; `before` is the `next` of the page above."""
        with self.db.cursor() as cursor:
            where = self.where(cursor, wanted or ResponseFilter(), search)
            rows, following = newest(
                cursor, f"SELECT seq, {', '.join(self.columns)} FROM responses", 
                where=where, before=before, limit=limit, top=self.top(cursor),
            )  # fmt: skip
        return Page(rows=tuple(self.record(row[1:]) for row in rows), next=following)

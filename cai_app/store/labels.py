"""Labels, never changed and never deleted, and the raters who gave them."""

from collections.abc import Iterable, Sequence
from typing import Any

from cai_app.records import ConstitutionRef, Label, OrderVerdict, Rater, Record
from cai_app.store.connection import Connection, Cursor
from cai_app.store.paging import Page, Where, newest
from cai_app.store.table import Table


class LabelFilter(Record):
    """Which labels; None is any."""

    about: str | None = None
    subject: str | None = None
    kind: str | None = None
    rater: str | None = None
    rater_kind: str | None = None
    principle: str | None = None
    run: str | None = None
    scored: bool | None = None


class Raters(Table[Rater]):
    """The table `raters`."""

    name = "raters"
    columns = (
        "id", "kind", "name", "backend", "adapter_hash", "constitution", "constitution_hash",
        "template_hash", "few_shot", "cot",
    )  # fmt: skip

    def values(self, record: Rater) -> tuple[Any, ...]:
        under = record.constitution
        return (
            record.id, record.kind, record.name, record.backend, record.adapter_hash,
            under.name if under else None, under.hash if under else None,
            record.template_hash, record.few_shot, record.cot,
        )  # fmt: skip

    def record(self, values: Sequence[Any]) -> Rater:
        named = dict(zip(self.columns, values, strict=True))
        del named["id"]
        name, hash = named.pop("constitution"), named.pop("constitution_hash")
        under = ConstitutionRef(name=name, hash=hash) if name is not None else None
        return Rater(constitution=under, **named)

    def all(self) -> list[Rater]:
        """Every rater, the first one first."""
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                f"SELECT {', '.join(self.columns)} FROM raters ORDER BY seq"
            ).fetchall()
        return [self.record(row) for row in rows]


class Labels(Table[Label]):
    """The table `labels`; adding one adds its rater."""

    name = "labels"
    columns = (
        "id", "about", "subject", "kind", "rater", "value", "unscored_reason", "orders",
        "principle", "question", "run", "seed", "time",
    )  # fmt: skip

    def __init__(self, db: Connection) -> None:
        super().__init__(db)
        self.raters = Raters(db)

    def values(self, record: Label) -> tuple[Any, ...]:
        orders = [order.model_dump(mode="json") for order in record.orders]
        return (
            record.id, record.about, record.subject, record.kind, record.rater.id, record.value,
            record.unscored_reason, orders, record.principle, record.question, record.run,
            record.seed, record.time,
        )  # fmt: skip

    def stage(self, cursor: Cursor, records: Iterable[Label]) -> int:
        """Stage labels, and each of their raters once."""
        raters: dict[Rater, None] = {}

        def heard() -> Iterable[Label]:
            for label in records:
                raters.setdefault(label.rater)
                yield label

        count = super().stage(cursor, heard())
        self.raters.stage(cursor, raters)
        return count

    def merge(self, cursor: Cursor) -> int:
        """Add the raters first; counts labels only."""
        self.raters.merge(cursor)
        return super().merge(cursor)

    def read(self, cursor: Cursor, ids: Sequence[str]) -> dict[str, Label]:
        """Labels by id."""
        if not ids:
            return {}
        marks = ", ".join("?" * len(ids))
        rows = cursor.execute(
            f"SELECT {', '.join(self.columns)} FROM labels WHERE id IN ({marks})", list(ids)
        ).fetchall()
        return {one.id: one for one in self.whole(cursor, rows)}

    def of(self, subject: str) -> list[Label]:
        """All labels of one response or comparison, the oldest first."""
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                f"SELECT {', '.join(self.columns)} FROM labels WHERE subject = ? ORDER BY seq",
                [subject],
            ).fetchall()
            return self.whole(cursor, rows)

    def whole(self, cursor: Cursor, rows: Sequence[Sequence[Any]]) -> list[Label]:
        """Labels from rows of `columns`, with their raters."""
        named = [dict(zip(self.columns, row, strict=True)) for row in rows]
        raters = self.raters.read(cursor, sorted({row["rater"] for row in named}))
        for row in named:
            row["rater"] = raters[row["rater"]]
            row["orders"] = tuple(OrderVerdict(**order) for order in row["orders"] or ())
        return [Label.model_construct(**row) for row in named]

    def where(self, cursor: Cursor, wanted: LabelFilter, search: str = "") -> Where:
        """The conditions of a filter and a search through questions and principles."""
        where = Where()
        for column in ("about", "subject", "kind", "rater", "principle"):
            where.equal(column, getattr(wanted, column))
        where.from_source(cursor, "label", wanted.run, column="run")
        if wanted.rater_kind is not None:
            kinds = "SELECT r.id FROM raters r WHERE r.kind = {}"
            where.add(f"rater IN ({kinds})", wanted.rater_kind)
        if wanted.scored is not None:
            where.add(f"value IS {'NOT ' if wanted.scored else ''}NULL")
        where.contains(("question", "principle", "subject"), search)
        return where

    def page(
        self,
        wanted: LabelFilter | None = None,
        *,
        search: str = "",
        before: int | None = None,
        limit: int = 50,
    ) -> Page[Label]:
        """A page of labels, the newest first; `before` is the `next` of the page above."""
        with self.db.cursor() as cursor:
            where = self.where(cursor, wanted or LabelFilter(), search)
            rows, following = newest(
                cursor, f"SELECT seq, {', '.join(self.columns)} FROM labels",
                where=where, before=before, limit=limit, top=self.top(cursor),
            )  # fmt: skip
            found = self.whole(cursor, [row[1:] for row in rows])
        return Page(rows=tuple(found), next=following)

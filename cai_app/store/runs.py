"""Runs whose outputs are in. How a run is doing stands in its directory, not here."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from cai_app.records import Record
from cai_app.store.table import Table


class IngestedRun(Record):
    """A run and what came of reading its outputs.

    `read` counts whole lines, `new` the rows that were not there yet, `duplicates` those that
    were, `rejected` the lines kept aside; `torn` says that a half-written last line was dropped.
    """

    id: str
    kind: str
    created: datetime | None = None
    ended: datetime | None = None
    config: str | None = Field(default=None, repr=False)
    read: int = 0
    new: int = 0
    duplicates: int = 0
    rejected: int = 0
    torn: bool = False


class Runs(Table[IngestedRun]):
    """The table `runs`."""

    name = "runs"
    columns = (
        "id", "kind", "created", "ended", "config", "read", "new", "duplicates", "rejected",
        "torn",
    )  # fmt: skip

    def values(self, record: IngestedRun) -> tuple[Any, ...]:
        return tuple(getattr(record, column) for column in self.columns)

    def record(self, values: Sequence[Any]) -> IngestedRun:
        return IngestedRun(**dict(zip(self.columns, values, strict=True)))

    def ids(self) -> set[str]:
        """Ids of the runs that are in."""
        with self.db.cursor() as cursor:
            return {row[0] for row in cursor.execute("SELECT id FROM runs").fetchall()}


def moment(seconds: float | None) -> datetime | None:
    """Seconds since 1970 as a time in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

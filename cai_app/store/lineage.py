"""Lineage: what was made from what, as edges between ids of runs, constitutions, files, models."""

from collections.abc import Iterable

from cai_app.records import Record
from cai_app.store.connection import Connection, Cursor


class Edge(Record):
    """`child` was made from `parent`; `relation` says how (`under`, `by`, `read`)."""

    child: str
    parent: str
    relation: str


class Lineage:
    """The table `lineage`."""

    def __init__(self, db: Connection) -> None:
        self.db = db

    def insert(self, cursor: Cursor, edges: Iterable[Edge]) -> None:
        """Within a transaction: add what is not there yet."""
        for edge in edges:
            cursor.execute(
                "INSERT INTO lineage (child, parent, relation) VALUES (?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                [edge.child, edge.parent, edge.relation],
            ).fetchall()

    def parents(self, child: str) -> list[Edge]:
        """What it was made from, at once."""
        return self._edges("child", child)

    def children(self, parent: str) -> list[Edge]:
        """What was made from it, at once."""
        return self._edges("parent", parent)

    def _edges(self, side: str, id: str) -> list[Edge]:
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                f"SELECT child, parent, relation FROM lineage WHERE {side} = ? "
                "ORDER BY relation, child, parent",
                [id],
            ).fetchall()
        return [Edge(child=row[0], parent=row[1], relation=row[2]) for row in rows]

"""The store: the one DuckDB file of a home, owned by this process. The one place with SQL."""

from pathlib import Path

from cai_app.store import audit, audit_raters, judging, training
from cai_app.store.comparisons import ComparisonFilter, Comparisons
from cai_app.store.connection import Connection
from cai_app.store.console import Answer, ask
from cai_app.store.constitutions import Constitutions
from cai_app.store.exchange import Found, TakenIn, Wanted, labelled, take_in
from cai_app.store.facets import Facets
from cai_app.store.ingest import ingest_finished
from cai_app.store.invites import Invites
from cai_app.store.labels import LabelFilter, Labels
from cai_app.store.lineage import Edge, Lineage
from cai_app.store.migrate import MIGRATIONS
from cai_app.store.paging import Page
from cai_app.store.queues import Queues
from cai_app.store.responses import ResponseFilter, Responses
from cai_app.store.runs import IngestedRun, Runs
from cai_app.store.tracing import RowType, Tracing
from cai_app.store.transcripts import TranscriptFilter, Transcripts

__all__ = [
    "Answer",
    "ComparisonFilter",
    "Edge",
    "Found",
    "IngestedRun",
    "LabelFilter",
    "MIGRATIONS",
    "Page",
    "ResponseFilter",
    "RowType",
    "Store",
    "TakenIn",
    "TranscriptFilter",
    "Wanted",
    "audit",
    "audit_raters",
    "ingest_finished",
    "judging",
    "labelled",
    "take_in",
    "training",
]


class Store:
    """One attribute per noun; every method may be called from any thread."""

    def __init__(self, home: Path, *, migrations: Path = MIGRATIONS) -> None:
        """Open the home's store, made if it is not there.

        Raises BusyError naming who holds it, StoreError where it is damaged, newer or read-only.
        """
        self.db = Connection(home, migrations=migrations)
        self.responses = Responses(self.db)
        self.comparisons = Comparisons(self.responses)
        self.labels = Labels(self.db)
        self.queues = Queues(self.db, self.labels)
        self.invites = Invites(self.db)
        self.transcripts = Transcripts(self.db)
        self.constitutions = Constitutions(self.db)
        self.runs = Runs(self.db)
        self.lineage = Lineage(self.db)
        self.tracing = Tracing(self.db)
        self.facets = Facets(self.db)

    def sql(self, query: str, *, limit: int | None = None, seconds: float = 10.0) -> Answer:
        """The console: one SELECT; see `console.ask`."""
        return ask(self.db, query, limit=limit, seconds=seconds)

    def backup(self, path: Path) -> None:
        """A copy that can be put in the store's place. Raises StoreError if it is there."""
        self.db.backup(path)

    def close(self) -> None:
        """Close the file and let others have it. Idempotent."""
        self.db.close()

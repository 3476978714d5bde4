"""What page and commands ask of an audit: the report, queues drawn, a person at one."""

from pathlib import Path

from cai_app import files
from cai_app.errors import InputError
from cai_app.records import AuditOptions, AuditReport, Blind, Comparison, Queue, Rater
from cai_app.settings import Settings
from cai_app.workbench.audit.choosing import choose_ai
from cai_app.workbench.audit.drawing import draw
from cai_app.workbench.audit.kept import Audits
from cai_app.workbench.audit.rating import Rating
from cai_app.workbench.home import Home
from cai_app.workbench.models import Opener


class Auditing(Home):
    """Audits and spot-checks of a home."""

    def __init__(self, settings: Settings, opener: Opener | None = None) -> None:
        super().__init__(settings, opener)
        self._audits = Audits()

    def audit(self, asked: AuditOptions) -> AuditReport:
        """An AI rater against people; see `audit.audit`."""
        return self._audits.audit(self.store, asked)

    def write_report(self, found: AuditReport, path: Path) -> None:
        """An audit as one HTML file; an older one in its place is replaced."""
        from cai_app.workbench.audit.page import page

        files.replace(path, page(self.store, found))

    def draw_queue(self, ai: str, wanted: Queue) -> Queue:
        """Draw a spot-check of what an AI rater has labelled; `wanted.ai` is filled in."""
        self._check_may_keep()
        rater = choose_ai(self.store, ai)
        return draw(self.store, rater, wanted.model_copy(update={"ai": rater.id}))

    def rating(self, queue: str, rater: str, *, blind: Blind) -> Rating:
        """A person at a queue, by its id or name; see `audit.Rating`."""
        self._check_may_keep()
        found = self.store.queues.find(queue)
        if found is None:
            raise InputError(f"there is no queue {queue!r}; draw one first")
        return Rating(self.store, found, Rater(kind="human", name=rater), blind=blind)

    def saw(self, rater: str, comparison: Comparison) -> None:
        """That a person has seen an AI judge this pair: it leaves that person's queues."""
        person = Rater(kind="human", name=rater)
        self.store.queues.reveal(person.id, [comparison.id])

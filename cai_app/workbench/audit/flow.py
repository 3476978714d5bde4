"""What page and commands ask of an audit: the report, queues drawn, a person at one."""

from cai_app.errors import InputError
from cai_app.records import AuditOptions, AuditReport, Blind, Comparison, Queue, Rater
from cai_app.settings import Settings
from cai_app.workbench.audit.inviting import Spotchecks
from cai_app.workbench.audit.kept import Audits
from cai_app.workbench.audit.rating import Rating
from cai_app.workbench.audit.reading import Cell
from cai_app.workbench.home import Home
from cai_app.workbench.models import Opener


class Auditing(Home):
    """Audits and spot-checks of a home."""

    def __init__(self, settings: Settings, opener: Opener | None = None) -> None:
        super().__init__(settings, opener)
        self._audits = Audits()
        self.spotchecks = Spotchecks(lambda: self.store, self._check_may_keep)

    def audit(self, asked: AuditOptions) -> AuditReport:
        """An AI rater against people; see `audit.audit`."""
        return self._audits.audit(self.store, asked)

    def audit_page(self, asked: AuditOptions) -> str:
        """An audit as one HTML file, as text."""
        return self._audits.page(self.store, asked)

    def audit_cell(self, asked: AuditOptions, ai: str, human: str, *, limit: int) -> Cell:
        """Answers of one cell of an audit's confusion table, to read."""
        return self._audits.cell(self.store, asked, ai, human, limit=limit)

    def audit_questions(self, asked: AuditOptions) -> list[str]:
        """What the audited rater was asked, the most frequent question first."""
        return self._audits.questions(self.store, asked)

    def draw_queue(self, ai: str, wanted: Queue) -> Queue:
        """Draw a spot-check of what an AI rater has labelled; `wanted.ai` is filled in."""
        return self.spotchecks.draw(ai, wanted)

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

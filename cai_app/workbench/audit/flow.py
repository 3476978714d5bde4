"""What page and commands ask of an audit: the report, its rows to read; and the spot-checks."""

from collections.abc import Sequence

from cai_app.records import AuditOptions, AuditReport
from cai_app.settings import Settings
from cai_app.workbench.audit.inviting import Spotchecks
from cai_app.workbench.audit.kept import Audits
from cai_app.workbench.audit.reading import Cell, Example
from cai_app.workbench.home import Home
from cai_app.workbench.models import Opener


class Auditing(Home):
    """Audits and spot-checks of a home."""

    def __init__(self, settings: Settings, opener: Opener | None = None) -> None:
        super().__init__(settings, opener)
        self._audits = Audits()
        self.spotchecks = Spotchecks(lambda: self.store, self._check_may_keep)

    def audit(self, asked: AuditOptions) -> AuditReport:
        """An AI rater against people; see `Audits.audit`."""
        return self._audits.audit(self.store, asked)

    def audit_page(self, asked: AuditOptions, *, reader: str | None = None) -> str:
        """An audit as one HTML file, as text. Pairs that it shows leave the queues of `reader`."""
        shown = self._audits.disagreements(self.store, asked)
        self._saw(reader, shown)
        return self._audits.page(self.store, asked, shown)

    def audit_cell(
        self, asked: AuditOptions, ai: str, human: str, *, limit: int, reader: str | None = None
    ) -> Cell:
        """Answers of one cell of an audit's confusion table, to read. What is shown leaves the
        queues of `reader`."""
        found = self._audits.cell(self.store, asked, ai, human, limit=limit)
        self._saw(reader, found.examples)
        return found

    def _saw(self, reader: str | None, shown: Sequence[Example]) -> None:
        if reader is not None and not self.read_only:
            pairs = [one.comparison for one in shown if one.b is not None]
            self.spotchecks.saw_answers(reader, pairs)

    def audit_questions(self, asked: AuditOptions) -> list[str]:
        """What the audited rater was asked, the most frequent question first."""
        return self._audits.questions(self.store, asked)

"""Audits kept for as long as they are true: what was computed for each version of the labels."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from cai_app.records import AuditOptions, AuditReport
from cai_app.workbench.audit import page, reading
from cai_app.workbench.audit.choosing import Chosen, choose
from cai_app.workbench.audit.matched import match, pooled
from cai_app.workbench.audit.report import Core, breakdown, computed, reported

if TYPE_CHECKING:
    from cai_app.store import Store


class _Made(NamedTuple):
    chosen: Chosen
    core: Core
    report: AuditReport


class Audits:
    """Reports by what was asked. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, dict[Any, Any]] = {}

    def audit(self, store: "Store", asked: AuditOptions) -> AuditReport:
        """As `report.audit`; computed once for each version of labels and answers."""
        return self._made(store, asked).report

    def cell(
        self, store: "Store", asked: AuditOptions, ai: str, human: str, *, limit: int = 20
    ) -> reading.Cell:
        """Answers of a cell of the confusion table, to read."""
        made = self._made(store, asked)
        return reading.cell(store, made.chosen, made.core, ai, human, limit=limit)

    def questions(self, store: "Store", asked: AuditOptions, *, most: int = 40) -> list[str]:
        """What the audited rater was asked, the most frequent question first."""
        made = self._made(store, asked.model_copy(update={"question": None, "slice": None}))
        counted = Counter(one for one in made.core.found.pool.question if one is not None)
        return [question for question, _ in counted.most_common(most)]

    def page(self, store: "Store", asked: AuditOptions) -> str:
        """The report as one HTML file."""
        made = self._made(store, asked)
        shown = reading.disagreements(store, made.chosen, made.core, limit=page.SHOWN)
        return page.page(store, made.report, shown)

    def _made(self, store: "Store", asked: AuditOptions) -> _Made:
        """What hangs on less is kept for longer: a new width, or another way to break down, costs
        nothing, and labels of people leave the AI's pool as it is."""
        from cai_app.store import audit

        with self._lock:
            version = store.queues.version()
            whom = (asked.kind, asked.ai, asked.human, asked.queue, version)
            chosen: Chosen = self._once("chosen", whom, 32, lambda: choose(store, asked))
            ai, queue = chosen.ai.id, chosen.queue.id if chosen.queue else None

            def read() -> Any:
                return pooled(audit.pool(store, ai, queue, chosen.kind))

            def matched() -> Any:
                latest = audit.labels_of(store, ai)
                pool = self._once("pool", (chosen.kind, ai, queue, latest), 2, read)
                return match(store, chosen, pool)

            def made() -> Core:
                return computed(store, asked, chosen, self._once("matched", whom, 4, matched))

            narrow = (None if breakdown(asked) else asked.slice, asked.question, asked.seed)
            core: Core = self._once("core", (whom, narrow), 4, made)

            def report() -> _Made:
                return _Made(chosen, core, reported(asked, chosen, core))

            return cast(_Made, self._once("made", (asked, version), 64, report))

    def _once(self, what: str, key: Any, most: int, make: Callable[[], Any]) -> Any:
        """A value, made if it is not kept; the oldest ones go where there are too many."""
        kept = self._kept.setdefault(what, {})
        if key not in kept:
            kept[key] = make()
        while len(kept) > most:
            del kept[next(iter(kept))]
        return kept[key]

"""Audits kept for as long as they are true: what was computed for each version of the labels."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from cai_app.records import AuditOptions, AuditReport
from cai_app.workbench.audit import page, reading
from cai_app.workbench.audit.choosing import Chosen, choose
from cai_app.workbench.audit.matched import Matched, Pool, match, pooled
from cai_app.workbench.audit.report import Core, breakdown, computed, reported

if TYPE_CHECKING:
    from cai_app.store import Store


class Audits:
    """Reports by what was asked. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, dict[Any, Any]] = {}

    def audit(self, store: "Store", asked: AuditOptions) -> AuditReport:
        """An AI rater against people; computed once for each version of labels and answers. Raises
        InputError where there is nobody to compare."""
        with self._lock:
            whom, chosen = self._chosen(store, asked)

            def report() -> AuditReport:
                return reported(asked, chosen, self._core(store, asked, whom, chosen))

            return cast(AuditReport, self._once("report", (asked, whom), 64, report))

    def cell(
        self, store: "Store", asked: AuditOptions, ai: str, human: str, *, limit: int = 20
    ) -> reading.Cell:
        """Answers of a cell of the confusion table, to read."""
        chosen, core = self._made(store, asked)
        return reading.cell(store, chosen, core, ai, human, limit=limit)

    def questions(self, store: "Store", asked: AuditOptions, *, most: int = 40) -> list[str]:
        """What the audited rater was asked, the most frequent question first."""

        def counted() -> list[str]:
            asked_of = self._matched(store, whom, chosen).pool.question
            times = Counter(one for one in asked_of if one is not None)
            return [question for question, _ in times.most_common(most)]

        with self._lock:
            whom, chosen = self._chosen(store, asked)
            return cast(list[str], self._once("questions", (whom, most), 8, counted))

    def disagreements(self, store: "Store", asked: AuditOptions) -> list[reading.Example]:
        """Some answers to read on which a person and the AI differ."""
        chosen, core = self._made(store, asked)
        return reading.disagreements(store, chosen, core, limit=page.SHOWN)

    def page(
        self, store: "Store", asked: AuditOptions, shown: Sequence[reading.Example] = ()
    ) -> str:
        """The report as one HTML file, with these answers to read."""
        return page.page(store, self.audit(store, asked), shown)

    def _made(self, store: "Store", asked: AuditOptions) -> tuple[Chosen, Core]:
        """Who is compared, and all that was computed of them."""
        with self._lock:
            whom, chosen = self._chosen(store, asked)
            return chosen, self._core(store, asked, whom, chosen)

    def _core(self, store: "Store", asked: AuditOptions, whom: Any, chosen: Chosen) -> Core:
        """What hangs on less is kept for longer: a new width, or another way to break down, costs
        nothing, and labels of people leave the AI's pool as it is."""

        def made() -> Core:
            return computed(store, asked, chosen, self._matched(store, whom, chosen))

        narrow = (None if breakdown(asked) else asked.slice, asked.question, asked.seed)
        return cast(Core, self._once("core", (whom, narrow), 4, made))

    def _chosen(self, store: "Store", asked: AuditOptions) -> tuple[Any, Chosen]:
        """Who is compared, and what that hangs on, the version of the labels among it."""
        whom = (asked.kind, asked.ai, asked.human, asked.queue, store.queues.version())
        return whom, self._once("chosen", whom, 32, lambda: choose(store, asked))

    def _matched(self, store: "Store", whom: Any, chosen: Chosen) -> Matched:
        from cai_app.store import audit, audit_raters

        ai, queue = chosen.ai.id, chosen.queue.id if chosen.queue else None

        def read() -> Pool:
            return pooled(audit.pool(store, ai, queue, chosen.kind))

        def matched() -> Matched:
            latest = audit_raters.labels_of(store, ai)
            pool = self._once("pool", (chosen.kind, ai, queue, latest), 2, read)
            return match(store, chosen, pool)

        return cast(Matched, self._once("matched", whom, 4, matched))

    def _once(self, what: str, key: Any, most: int, make: Callable[[], Any]) -> Any:
        """A value, made if it is not kept; the oldest ones go where there are too many."""
        kept = self._kept.setdefault(what, {})
        if key not in kept:
            kept[key] = make()
        while len(kept) > most:
            del kept[next(iter(kept))]
        return kept[key]

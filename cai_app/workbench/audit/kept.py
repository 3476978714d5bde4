"""Audits kept for as long as they are true: one report for each version of the labels."""

import threading
from typing import TYPE_CHECKING, TypeVar

from cai_app.records import AuditOptions, AuditReport
from cai_app.workbench.audit.choosing import choose
from cai_app.workbench.audit.matched import Pool, pooled
from cai_app.workbench.audit.report import audited

if TYPE_CHECKING:
    from cai_app.store import Store

V = TypeVar("V")
_REPORTS, _POOLS = 64, 2


class Audits:
    """Reports by what was asked, and pools by what the AI had said. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reports: dict[tuple[object, ...], AuditReport] = {}
        self._pools: dict[tuple[object, ...], Pool] = {}

    def audit(self, store: "Store", asked: AuditOptions) -> AuditReport:
        """As `report.audit`; computed once for each version of labels and answers."""
        with self._lock:
            key = (asked, store.queues.version())
            if key not in self._reports:
                chosen = choose(store, asked)
                queue = chosen.queue.id if chosen.queue else None
                pool = self._pool(store, chosen.ai.id, queue)
                _keep(self._reports, key, audited(store, asked, chosen, pool), _REPORTS)
            return self._reports[key]

    def _pool(self, store: "Store", ai: str, queue: str | None) -> Pool:
        from cai_app.store import audit

        key = (ai, queue, audit.labels_of(store, ai))
        if key not in self._pools:
            _keep(self._pools, key, pooled(audit.pool(store, ai, queue)), _POOLS)
        return self._pools[key]


def _keep(kept: dict[tuple[object, ...], V], key: tuple[object, ...], value: V, most: int) -> None:
    """Add a value, and drop the oldest where there are too many."""
    kept[key] = value
    while len(kept) > most:
        del kept[next(iter(kept))]

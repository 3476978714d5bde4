"""What every flow of the workbench stands on: settings, the store, models, constitutions."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cai_app import constitution as constitutions
from cai_app.backends.base import Backend
from cai_app.constitution import Constitution
from cai_app.errors import BusyError, CaiError, InputError
from cai_app.records import ModelInfo
from cai_app.settings import Settings
from cai_app.workbench.models import Models, Opener, specs_of

if TYPE_CHECKING:
    from cai_app.store import Store

log = logging.getLogger(__name__)

_PATIENCE = 5.0  # seconds for a store that another command holds to begin with


class Home:
    """A home with its store and models; each is opened when first asked for, and shared."""

    def __init__(self, settings: Settings, opener: Opener | None = None) -> None:
        self.settings = settings
        self._models = Models(settings, opener)
        self._store: Store | None = None
        self._opening = threading.Lock()
        # Of one command in a process of its own, not of the app: the store may be let go.
        self.alone = False

    @property
    def read_only(self) -> bool:
        """On a Space: look and run, keep nothing."""
        return self.settings.space

    @property
    def store(self) -> "Store":
        """The home's store, opened when first asked for and owned until `close`.

        Raises BusyError naming who holds it, StoreError where it cannot be used as it is.
        """
        # Only now: DuckDB takes longer to import than the page takes to show.
        from cai_app.store import Store

        with self._opening:
            if self._store is None:
                until = time.monotonic() + (_PATIENCE if self.alone else 0.0)
                while self._store is None:
                    try:
                        self._store = Store(self.settings.home)
                    except BusyError:
                        if time.monotonic() >= until:
                            raise
                        time.sleep(0.1)
                self._index(self._store)
            return self._store

    def let_go(self) -> None:
        """Leave the store to other commands while this one only follows a run."""
        if self.alone:
            self._close_store()

    def _close_store(self) -> None:
        with self._opening:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _index(self, store: "Store") -> None:
        """Keep every version of a constitution that is seen; a file that is wrong waits."""
        try:
            found = {one.hash: one for one in constitutions.every_version(self.settings)}
        except CaiError as error:
            log.warning("constitutions are not indexed: %s", error)
            return
        missing = found.keys() - store.constitutions.get(list(found)).keys()
        if missing:
            store.constitutions.add(found[hash] for hash in sorted(missing))

    def open(self, spec: str) -> Backend:
        """The backend of a spec, opened once; its verbs wait until the weights are loaded."""
        return self._models.open(spec)

    def prepare(self, spec: str) -> None:
        """Start loading a spec in the background; what goes wrong shows in `models` and `open`."""
        self._models.prepare(spec)

    def models(self) -> list[ModelInfo]:
        """The default first, then what else is here or was opened; waits for no weights."""
        return self._models.infos()

    def model_specs(self, *, scoring: bool = False) -> list[str]:
        """Every model with each adapter that fits it, as specs, the default first; preference
        models, which write nothing, only where they may be asked to score."""
        found = specs_of(self.models())
        return found if scoring else [spec for spec in found if self._models.writes(spec)]

    def chosen_model(self, spec: str, models: Sequence[ModelInfo]) -> ModelInfo:
        """What is known of a spec that somebody chose, with what `models` has just said: of what is
        offered all, of anything else that was typed only its name. Opens nothing."""
        known = next((one for one in models if one.spec == spec), None)
        if known is None and spec in specs_of(models):
            return self._models.described(spec)
        return known or ModelInfo(spec=spec)

    def constitution(self, spec: str) -> Constitution:
        """One constitution by `NAME`, `NAME@HASH` or path, as its file stands now."""
        return constitutions.load(spec, self.settings)

    def constitutions(self) -> list[Constitution]:
        """Shipped ones, `harmless` first and hazards last, then the user's own."""
        return constitutions.list_all(self.settings)

    def current_versions(self) -> dict[str, str]:
        """Hash by name of the constitutions as they stand now; empty where one cannot be read."""
        try:
            return {one.name: one.hash for one in self.constitutions()}
        except CaiError as error:
            log.warning("versions are not compared: %s", error)
            return {}

    def _check_may_keep(self) -> None:
        if self.read_only:
            raise InputError("this Space keeps nothing; copy it, or run it on your own machine")

    def close(self) -> None:
        """Close the store and every model that was opened."""
        self._close_store()
        self._models.close()

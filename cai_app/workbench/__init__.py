"""What the page and the commands both call: models, constitutions, chains, verdicts, rows, runs.

Each flow is a class in its own file that says what it adds to a home; here they come together.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from cai_app.errors import BusyError, CaiError, InputError
from cai_app.records import RunInfo
from cai_app.settings import Settings
from cai_app.workbench import ancestry, lineage
from cai_app.workbench.audit.flow import Auditing
from cai_app.workbench.constitution import Workshop
from cai_app.workbench.exchange import Exchange
from cai_app.workbench.labelling import Labelling
from cai_app.workbench.live import Live
from cai_app.workbench.models import Opener
from cai_app.workbench.runs import Runs
from cai_app.workbench.shapes import critique_json, judge_json, run_json
from cai_app.workbench.training.flow import Training

if TYPE_CHECKING:
    from cai_app.store import IngestedRun

__all__ = ["Workbench", "critique_json", "judge_json", "run_json"]

log = logging.getLogger(__name__)


class Workbench(Live, Exchange, Labelling, Training, Auditing):
    """Built once by whoever needs it; models are opened when first asked for, and shared."""

    def __init__(self, settings: Settings, *, opener: Opener | None = None) -> None:
        super().__init__(settings, opener)
        # Why finished runs could not be taken in the last time; '' where they could.
        self.trouble = ""
        self.runs = Runs(settings, ingest=self._take_in)
        self.workshop = Workshop(settings, self.open, lambda: self.store)

    def ingest(self) -> "list[IngestedRun]":
        """Take the outputs of finished runs into the store; what is in already stays as it is."""
        from cai_app.store import ingest_finished

        return ingest_finished(self.settings.home, self.store)

    def _take_in(self) -> bool:
        """`ingest` after a run, if it can be done now: its outputs are safe in its folder, so
        nobody is kept from going on. Whoever has the store, or opens it next, takes them in."""
        try:
            self.ingest()
        except CaiError as error:
            log.log(logging.INFO if isinstance(error, BusyError) else logging.ERROR, "%s", error)
            self.trouble = str(error)
        else:
            self.trouble = ""
        return not self.trouble

    def delete_run(self, id: str) -> RunInfo:
        """Remove a run that is not at work; how it was before. One that is done is taken into the
        store first. Raises InputError where its rows cannot be read, as they would be lost, and
        BusyError where somebody else has the store, or the run is at work."""
        info = self.runs.read(id)
        path = Path(info.path)
        if info.state == "done" and not (path / "outputs.jsonl").exists():
            self._take_in()  # like a training, it has no rows to lose
        elif info.state == "done":
            self.ingest()
            if path.name not in self.store.runs.ids():
                raise InputError(
                    f"run {path.name} stays: its rows could not be read into the store, as the "
                    f"log says, and would be lost; its folder is {path}"
                )
        return self.runs.delete(path.name)

    def lineage(self, id: str) -> lineage.Lineage:
        """What an id was made from and became. Raises InputError where nothing has it."""
        return lineage.trace(
            id, store=self.store, settings=self.settings, current=self.current_versions()
        )

    def ancestry(self, id: str) -> ancestry.Graph:
        """The whole way from constitutions to policies around an id; see `ancestry.graph`."""
        return ancestry.graph(
            id, settings=self.settings, current=self.current_versions(), store=self.store
        )

    def close(self) -> None:
        """Close the store and every model that was opened; runs go on."""
        self.runs.close()
        super().close()

"""Trainings of a home: planned, started, and what came of them side by side."""

from cai_app.records import RunInfo, TrainOptions
from cai_app.workbench import ladder, training
from cai_app.workbench.home import Home
from cai_app.workbench.runs import Runs
from cai_app.workbench.training.gathering import Sources


class Training(Home):
    """What the Train tab and the `train` command both call."""

    runs: Runs

    def train_plan(self, kind: str, options: TrainOptions) -> training.TrainPlan:
        """What a training would read, need and take, with its exact command and YAML."""
        return training.plan(kind, options, self._sources())

    def train_start(self, kind: str, options: TrainOptions, *, hold: bool = False) -> RunInfo:
        """Queue a training; `hold` only writes its directory, for a launcher to start."""
        return self.runs.start(training.prepare(kind, options, self._sources()), hold=hold)

    def train_options(self, run: str) -> tuple[str, TrainOptions]:
        """Kind and options of an earlier training, to fill a form with."""
        return training.from_run(self.settings, run)

    def climb(self, asked: ladder.Climb) -> ladder.Ladder:
        """One prompt answered at every stage of the method; see `ladder.climb`."""
        return ladder.climb(
            asked,
            settings=self.settings,
            trainings=self.runs.trainings(),
            open_backend=self.open,
        )

    def _sources(self) -> Sources:
        return Sources(self.settings, lambda: self.store)

"""How long a training is said to take, before it starts."""

from pathlib import Path

import made_runs
import pytest
import tiny

from cai_app import jobs
from cai_app.records import DistillOptions, RlOptions, SftOptions
from cai_app.settings import Settings
from cai_app.store import Store
from cai_app.workbench.training import pace, planning
from cai_app.workbench.training.gathering import Sources


@pytest.fixture
def sources(store: Store) -> Sources:
    return Sources(Settings(home=store.db.home, data=tiny.home().data), lambda: store)


def run_of(settings: Settings, options: RlOptions, *, gap: float, took: float) -> Path:
    """A finished RL run whose steps took `gap` seconds each, of `took` in all."""
    rows = [{"step": n, "time": 1e9 + gap * n, "reward": 1.0} for n in range(1, 21)]
    path = made_runs.made(settings, "rl", options=options.model_dump(mode="json"), rows=rows)
    begun = jobs.read(path).created
    status = jobs.queue.read_status(path)
    jobs.queue.write_status(path, status, started=begun, ended=begun + took)
    return path


def test_rl_is_estimated_by_what_it_writes_and_grows_with_its_steps(sources: Sources) -> None:
    def planned(steps: int) -> planning.TrainPlan:
        options = RlOptions.of({"start": "helpful", "max_steps": steps})
        return planning.plan("rl", options, sources)

    few, many = planned(30), planned(300)
    assert few.steps == 30 and few.rows == few.counts["responses"] == 960
    assert "rule of thumb" in few.seconds_from
    # Ten times the steps take longer nearly in proportion; looks and the end are the rest.
    assert 4 < (many.seconds - pace.LAUNCH) / (few.seconds - pace.LAUNCH) < 10


def test_distillation_is_estimated_by_all_the_answers_that_are_written_and_learned(
    settings: Settings, store: Store
) -> None:
    sources = Sources(settings, lambda: store)

    def planned(answers: int) -> planning.TrainPlan:
        options = DistillOptions.of({"prompts": "helpful", "answers": answers})
        return planning.plan("distill", options, sources)

    one, eight = planned(1), planned(8)
    assert eight.tokens == 8 * one.tokens and eight.rows == 8 * one.rows
    # Ten steps instead of two, and ten batches of answers that are written instead of two.
    assert 4 < (eight.seconds - pace.LAUNCH) / (one.seconds - pace.LAUNCH) < 6


def test_a_run_that_was_resumed_tells_no_pace(sources: Sources) -> None:
    options = planning.settle(RlOptions.of({"start": "helpful"}), sources.settings)
    path = run_of(sources.settings, options, gap=2.0, took=50.0)
    status = jobs.queue.read_status(path)
    jobs.queue.write_status(path, status, queued=status.created + 100)
    took, basis = pace.seconds("rl", options, sources.settings, steps=100, by_rule=7.0)
    assert took == 7.0 and "rule of thumb" in basis


def test_an_earlier_run_with_the_same_settings_gives_its_pace_and_what_it_took_beside_it(
    sources: Sources,
) -> None:
    options = planning.settle(RlOptions.of({"start": "helpful"}), sources.settings)
    run = run_of(sources.settings, options, gap=2.0, took=50.0)
    longer = options.model_copy(update={"max_steps": 100})
    took, basis = pace.seconds("rl", longer, sources.settings, steps=100, by_rule=1.0)
    assert took == pytest.approx(50 - 19 * 2 + 99 * 2) and basis == f"run {run.name}"


def test_runs_of_other_kinds_set_the_rule_right(sources: Sources) -> None:
    settings = sources.settings
    plan = planning.prepare("rl", RlOptions.of({"start": "helpful"}), sources)
    assert plan.expected > pace.LAUNCH
    held = made_runs.held(settings)
    info = jobs.start(settings, plan)
    held.release()
    path, begun = Path(info.path), info.created
    status = jobs.queue.read_status(path)
    jobs.queue.write_status(
        path, status, state="done", started=begun, ended=begun + 3 * plan.expected, done=150
    )
    other = planning.settle(SftOptions.of({"data": "helpful", "start": "none"}), settings)
    took, basis = pace.seconds("sft", other, settings, steps=10, by_rule=20.0)
    assert took == pytest.approx(60.0) and "1 earlier run on this machine" in basis

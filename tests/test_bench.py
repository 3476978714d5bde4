"""The bench compares like with like: both sides make the same, and a difference is seen."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny

from cai_app import bench
from cai_app.backends import pocket_specs
from cai_app.bench import page, rows, sizes, training, volume
from cai_app.bench.plain import Plain, make_preference, weights_of
from cai_app.bench.sides import Ours
from cai_app.errors import BackendError, InputError
from cai_app.records import Prompt, Sampling
from cai_app.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("bench")
    model = tiny.save_model(folder / "model")
    return f"hf:{model}@{tiny.save_adapter(model, folder / 'adapter', seed=1)}"


@pytest.fixture(scope="module")
def sides(spec: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ours, Plain]]:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    ours = Ours(spec, settings)
    yield ours, Plain(spec, settings)
    ours.backend.close()


def asked(n: int = 3) -> list[Prompt]:
    question = "\n\nHuman: Can you help me?\n\nAssistant:"
    return [tiny.prompt(question, f" Sure, {'by day ' * i}and" if i else " Yes") for i in range(n)]


def test_both_sides_write_the_same(sides: tuple[Ours, Plain]) -> None:
    ours, plain = (side.write(asked()) for side in sides)
    assert len(ours) == 3 and ours == plain


def test_both_sides_write_the_same_to_who_watches(sides: tuple[Ours, Plain]) -> None:
    ours, plain = (side.write_one(asked()[0]) for side in sides)
    assert ours and ours == plain


def test_both_sides_give_the_same_chances(sides: tuple[Ours, Plain]) -> None:
    sides[1].rows = None
    ours, plain = (side.chances(asked()) for side in sides)
    assert len(ours) == 6 and all(0 <= p <= 1 for p in ours)
    assert ours == pytest.approx(plain, abs=1e-4)
    assert sides[1].rows is not None  # the fastest was found


def test_both_sides_give_the_same_scores(sides: tuple[Ours, Plain], tmp_path: Path) -> None:
    ours, plain = sides
    adapter = make_preference(plain.folder, tmp_path)
    plain.prefer(adapter)
    ours.prefer(f"hf:{plain.folder}@{adapter}", Settings(home=tmp_path / "home"))
    texts = [tiny.TEXT[:n] for n in (40, 150, 90, 250)]
    found = ours.scores(texts, 1)
    assert max(found) - min(found) > 1e-3 and 0.01 < min(found) < max(found) < 0.99
    for size in (1, 3):
        assert plain.scores(texts, size) == pytest.approx(found, abs=1e-4)


def test_two_at_once_get_what_each_would_get_alone(sides: tuple[Ours, Plain]) -> None:
    first, second = asked(2)
    alone = sides[1].write([first]) + sides[1].write([second])
    assert sides[0].second(first, second).made == sides[1].second(first, second).made == alone


def test_the_adapter_is_not_left_out(
    spec: str, sides: tuple[Ours, Plain], settings: Settings
) -> None:
    bare = Plain(spec.partition("@")[0], settings)
    assert bare.chances(asked()) != pytest.approx(sides[1].chances(asked()), rel=1e-3)


def test_every_row_of_the_table_has_its_parts(settings: Settings) -> None:
    cases = bench.table(settings, 2)
    assert len({case.row for case in cases}) == len(cases) == 9
    assert all(len(case.inputs) == 3 for case in cases)
    assert [sum(map(len, case.inputs[1:])) for case in cases[:2]] == [200, 200]
    assert [sum(map(len, case.inputs[1:])) for case in cases[-2:]] == [1000, 1000]
    with pytest.raises(InputError, match="--repeats may be 39"):
        bench.table(settings, 40)


def test_a_row_holds_when_fast_enough_and_equal() -> None:
    row = bench.Row(row="x", ours_s=1, theirs_s=4, ratio=4, target=3, equal=True)
    assert row.holds
    assert not row.model_copy(update={"equal": False}).holds
    assert not row.model_copy(update={"ratio": 2.9}).holds
    assert bench.Row(row="page", ours_s=0.2, target=0.3).holds
    assert not bench.Row(row="page", ours_s=0.4, target=0.3).holds
    assert bench.Row(row="page", ours_s=None, target=0.3).holds is None


def test_every_row_carries_the_promised_fields(
    sides: tuple[Ours, Plain], spec: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(settings: Settings, repeats: int) -> list[bench.Case]:
        return [
            bench.Case(
                "chances",
                0,
                [asked(1), *[asked()] * repeats],
                lambda side, some: bench.timed(lambda: side.chances(some)),
            )
        ]

    monkeypatch.setattr(bench, "table", short)
    monkeypatch.setattr(page, "measure", lambda settings: (1.0, None))
    monkeypatch.setattr(rows, "measure", lambda: [("200 runs listed", 0.4, 0.3)])
    monkeypatch.setattr(sizes, "rows", lambda settings: [("pocket-m streams", 0.4, 1.0)])
    monkeypatch.setattr(training, "_watchable", lambda: True)
    took = {training.SFT: 100.0, training.RL: 130.0, training.TRL: 260.0}
    monkeypatch.setattr(
        training,
        "measure",
        lambda _: ((part, training.Taken(mb, 1.0)) for part, mb in took.items()),
    )
    monkeypatch.setattr(volume, "IMPORTED", 20)
    monkeypatch.setattr(volume, "LABELLED", 4)
    run = volume._run

    def ran(settings: Settings, home: str, *argv: str) -> dict[str, Any]:
        """Imports, but labels nothing: tests/test_label.py has a run of that command."""
        if argv[0] != "label":
            return run(settings, home, *argv)
        assert argv[1::2] == ("--pairs", "--backend") and argv[-1] == spec
        assert len(Path(argv[2]).read_text().splitlines()) == volume.LABELLED
        return {"metrics": {"labels": 4}, "started": 1.0, "ended": 3.5, "error": None}

    monkeypatch.setattr(volume, "_run", ran)
    found_rows = {row.row: row for row in bench.run(settings, backend=spec, repeats=1)}
    assert set(bench.Row.model_fields) == {
        "row", "ours_s", "theirs_s", "ratio", "target", "equal", "max_diff", "peak_mb",
        "theirs_mb",
    }  # fmt: skip
    assert found_rows["page usable"].ours_s is None
    assert found_rows["200 runs listed"].holds is False
    assert found_rows["pocket-m streams"].holds
    assert found_rows["20 pairs imported"].ours_s
    assert found_rows["4 pairs labelled, both orders"].ours_s == 2.5
    assert found_rows[bench.CLICK].peak_mb
    against_sft, against_trl = (found_rows[name] for name in training.names())
    assert against_sft.holds is False and against_sft.ratio == 100 / 130  # 1.3 times, not 1.25
    assert against_trl.holds and (against_trl.peak_mb, against_trl.theirs_mb) == (130, 260)
    found = found_rows["chances"]
    assert found.peak_mb
    assert found.equal and found.max_diff is not None and found.max_diff < 1e-4
    assert found.theirs_s and found.ours_s and found.ratio == found.theirs_s / found.ours_s


def test_one_row_is_measured_alone(
    spec: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object) -> None:
        raise AssertionError("was not asked for")

    for module in (page, rows, volume, training):
        name = "measure_label" if module is volume else "measure"
        monkeypatch.setattr(module, name, never)
    monkeypatch.setattr(volume, "measure_import", lambda settings: 2.0)
    (row,) = bench.run(settings, backend=spec, only="Imported")
    assert row.row == volume.import_row() and row.holds
    with pytest.raises(InputError, match="no row has 'wings' in its name; rows: page answers;"):
        list(bench.run(settings, backend=spec, only="wings"))


@pytest.mark.parametrize(("gpu", "status"), [(True, "/proc/self/status"), (False, "/nowhere")])
def test_the_peak_of_a_training_is_unscored_where_it_cannot_be_watched(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, gpu: bool, status: str
) -> None:
    def never(*args: object) -> None:
        raise AssertionError("measures the memory of something else")

    monkeypatch.setattr(training, "measure", never)
    monkeypatch.setattr(training, "STATUS", Path(status))
    monkeypatch.setattr(training.memory, "is_gpu", lambda device: gpu)
    found = [bench.Row(**row) for row in training.rows(settings)]
    assert [row.row for row in found] == list(training.names())
    assert [row.ours_s for row in found] == [row.holds for row in found] == [None, None]


def test_every_shipped_size_has_a_row_for_streaming_and_one_for_learning(
    settings: Settings,
) -> None:
    found = sizes.names(settings)
    assert "pocket-m streams 200 tokens" in found
    assert "pocket-m: an RLOO step of 32 rollouts" in found
    assert len(found) == 2 * len([spec for spec in pocket_specs(settings) if "-" in spec])


def test_what_a_row_of_labelling_counts_on_is_checked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"metrics": {"labels": 3}, "started": 1.0, "ended": 3.5, "error": "no room"}
    monkeypatch.setattr(volume, "LABELLED", 4)
    monkeypatch.setattr(volume, "_run", lambda *args: made)
    with pytest.raises(BackendError, match="did not label all 4 pairs: no room"):
        volume.measure_label(settings, "pocket")


def test_a_pace_is_that_of_a_dozen_streams_by_the_tokens_they_gave(
    spec: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock on which every stream takes a second."""
    streams: list[Any] = []

    def watched(spec: str, settings: Settings) -> Ours:
        ours = Ours(spec, settings)
        stream = ours.backend.stream

        def watch(prompt: Prompt, sampling: Sampling) -> Any:
            streams.append(stream(prompt, sampling))
            return streams[-1]

        monkeypatch.setattr(ours.backend, "stream", watch)
        return ours

    monkeypatch.setattr(sizes, "Ours", watched)
    monkeypatch.setattr(sizes, "time", SimpleNamespace(perf_counter=itertools.count().__next__))
    pace = sizes.streamed(spec, settings)
    tokens = [stream.completion.tokens for stream in streams]
    assert len(tokens) == 13 and min(tokens) > 0
    assert pace == sizes.STREAMED * 12 / sum(tokens[1:])  # the first one warms up


@pytest.mark.slow
def test_a_step_of_a_size_is_timed_in_a_real_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "_STEPS", 3)
    assert 0.01 < sizes.rloo_step("pocket-m@none", settings) < 60


def test_an_endpoint_has_nothing_to_compare(settings: Settings) -> None:
    with pytest.raises(InputError, match="has none here"):
        weights_of("openai:http://127.0.0.1:1/v1#m", settings)


def test_a_missing_adapter_is_named(settings: Settings, tmp_path: Path) -> None:
    model = tiny.save_model(tmp_path / "model")
    with pytest.raises(InputError, match="no adapter"):
        weights_of(f"hf:{model}@{tmp_path / 'nowhere'}", settings)

"""The bench compares like with like: both sides make the same, and a difference is seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny

from cai_app import bench
from cai_app.bench import page, rows, volume
from cai_app.bench.sides import Ours, Plain, weights_of
from cai_app.errors import InputError
from cai_app.records import Prompt
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
    ours, plain = (side.write(asked()).made for side in sides)
    assert len(ours) == 3 and ours == plain


def test_both_sides_begin_with_the_same_token(sides: tuple[Ours, Plain]) -> None:
    ours, plain = (side.first(asked()[0]).made for side in sides)
    assert ours == plain


def test_both_sides_give_the_same_chances(sides: tuple[Ours, Plain]) -> None:
    ours, plain = (side.chances(asked()).made for side in sides)
    assert len(ours) == 6 and all(0 <= p <= 1 for p in ours)
    assert ours == pytest.approx(plain, rel=1e-3)


def test_two_at_once_get_what_each_would_get_alone(sides: tuple[Ours, Plain]) -> None:
    first, second = asked(2)
    alone = sides[1].write([first]).made + sides[1].write([second]).made
    assert sides[0].second(first, second).made == sides[1].second(first, second).made == alone


def test_the_adapter_is_not_left_out(
    spec: str, sides: tuple[Ours, Plain], settings: Settings
) -> None:
    bare = Plain(spec.partition("@")[0], settings)
    assert bare.chances(asked()).made != pytest.approx(sides[1].chances(asked()).made, rel=1e-3)


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
    def short(settings: Settings) -> list[bench.Case]:
        return [bench.Case("chances", 0, lambda side, text: side.chances(asked()))]

    monkeypatch.setattr(bench, "table", short)
    monkeypatch.setattr(page, "measure", lambda settings: (1.0, None))
    monkeypatch.setattr(rows, "measure", lambda: [("1 row: newest", 0.4, 0.3)])
    monkeypatch.setattr(volume, "IMPORTED", 20)
    monkeypatch.setattr(volume, "LABELLED", 4)
    found_rows = {row.row: row for row in bench.run(settings, backend=spec, repeats=1)}
    assert set(bench.Row.model_fields) == {
        "row", "ours_s", "theirs_s", "ratio", "target", "equal", "max_diff", "peak_mb",
    }  # fmt: skip
    assert found_rows["page usable"].ours_s is None
    assert found_rows["1 row: newest"].holds is False
    assert all(
        found_rows[row].ours_s for row in ("20 pairs imported", "4 pairs labelled, both orders")
    )
    found = found_rows["chances"]
    assert found.equal and found.max_diff is not None and found.max_diff < 1e-3
    assert found.theirs_s and found.ours_s and found.ratio == found.theirs_s / found.ours_s


def test_an_endpoint_has_nothing_to_compare(settings: Settings) -> None:
    with pytest.raises(InputError, match="has none here"):
        weights_of("openai:http://127.0.0.1:1/v1#m", settings)


def test_a_missing_adapter_is_named(settings: Settings, tmp_path: Path) -> None:
    model = tiny.save_model(tmp_path / "model")
    with pytest.raises(InputError, match="no adapter"):
        weights_of(f"hf:{model}@{tmp_path / 'nowhere'}", settings)

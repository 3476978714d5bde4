"""What ships: adapters of the shipped base and no other, small, and nobody's own labels."""

import json
import shutil
from pathlib import Path

import pytest
import tiny

from cai_app.backends import adapter_hash, trained
from cai_app.backends.folders import adapter_hash as hash_of
from cai_app.backends.folders import pocket_default
from cai_app.commands import results
from cai_app.errors import InputError
from cai_app.formats import ReadOptions, find
from cai_app.pocket import labeller
from cai_app.records import Label
from cai_app.settings import ROOT, Settings
from cai_app.workbench import ladder

DATA = ROOT / "data"
ADAPTERS = sorted((DATA / "pocket" / "adapters").glob("*/*/adapter_config.json"))


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_a_shipped_adapter_is_of_the_shipped_base(path: Path) -> None:
    folder = path.parent
    base = DATA / "pocket" / folder.parent.name
    assert trained.stated_base(folder) == trained.base_hash(base), (
        f"{folder.name} was trained on other weights; make it again: make results"
    )
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "made by `python -m cai_app" in card
    facts = trained.facts(folder)
    if facts:
        assert facts["adapter_hash"] == hash_of(folder)
        assert "/tmp" not in card + json.dumps(facts) and "--home" not in card


def test_what_ships_of_results_is_small() -> None:
    files = [*(DATA / "pocket" / "adapters").rglob("*"), DATA / results.DEMO]
    assert sum(file.stat().st_size for file in files if file.is_file()) <= 8 * 2**20


@pytest.mark.skipif(not (DATA / results.DEMO).exists(), reason="make results has not been run")
def test_the_demo_holds_no_label_of_a_person() -> None:
    rows = list(find("parquet").read(DATA / results.DEMO, ReadOptions(source="demo")))
    labels = [one for row in rows for one in row.records if isinstance(one, Label)]
    assert labels and {one.rater.kind for one in labels} == {"ai"}
    assert not any(row.reason for row in rows)


def test_a_copy_has_no_path_of_the_machine_and_its_own_hash(tmp_path: Path) -> None:
    source, target = tmp_path / "runs" / "x" / "adapter", tmp_path / "data" / "pm"
    shutil.copytree(tiny.home().data / "pocket" / "adapters" / "m" / "pm", source)
    known = hash_of(source)
    command = f"python -m cai_app --home {tmp_path} train preference --set a=1"
    facts = {"adapter_hash": known, "command": command, "scale": {"std": 1.0}}
    (source / trained.FACTS).write_text(json.dumps(facts))
    (source / "README.md").write_text(
        f"---\n---\n# PM\n\n- adapter: {known}\n- labels: {tmp_path}/runs/x/rows.jsonl\n"
        f"- made by `{command}`\n\n## Data\n"
    )
    results._copy(source, source, target, "pm")
    card = (target / "README.md").read_text()
    assert str(tmp_path) not in card + (target / trained.FACTS).read_text()
    assert "made by `python -m cai_app train preference --set a=1`" in card
    assert "- labels: rows.jsonl" in card and "# pocket · pm" in card
    assert trained.facts(target)["adapter_hash"] == hash_of(target)


class Measured:
    """Stands for a model whose scores are known; counts how often it is opened."""

    def __init__(self, judging: float) -> None:
        self.judging, self.opened = judging, 0

    def __call__(self) -> "Measured":
        self.opened += 1
        return self

    def close(self) -> None:
        pass


def test_a_labeller_that_fell_by_over_five_points_is_refused_with_the_numbers_and_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny.home().data / "pocket"
    adapter = tmp_path / "sl-cai"
    shutil.copytree(data / "adapters" / "m" / "sl-cai", adapter)
    monkeypatch.setattr(
        labeller, "measure", lambda model: {"judging": model.judging, "critiques": 0.9}
    )
    fallen, base = Measured(0.80), Measured(0.97)
    for _ in range(2):
        said = labeller.check(adapter, data / "m", fallen, base)
        assert said is not None
        assert "judging 80.0% against the base's 97.0% (n=200)" in said
        assert "critiques" not in said
    assert (fallen.opened, base.opened) == (1, 1)
    # Other weights under the same name are measured again.
    shutil.copy(
        data / "adapters" / "m" / "rl-cai" / "adapter_model.safetensors",
        adapter / "adapter_model.safetensors",
    )
    assert labeller.check(adapter, data / "m", Measured(0.93), base) is None
    assert base.opened == 2


def test_a_label_run_by_a_fallen_labeller_fails_with_the_numbers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cai_app.work import label

    class Asked:
        def __init__(self, home: Settings) -> None:
            self.settings = home

    monkeypatch.setattr(labeller, "check", lambda *given: "adapter helpful is refused: 80 %")
    shipped = Asked(settings)
    with pytest.raises(InputError, match="refused: 80 %"):
        label.check_labeller(shipped, "pocket")  # type: ignore[arg-type]
    label.check_labeller(shipped, "pocket@none")  # type: ignore[arg-type]
    # A model that is not of this world is nobody's to judge here.
    label.check_labeller(Asked(tiny.home()), "pocket@helpful")  # type: ignore[arg-type]
    assert pocket_default(DATA) and adapter_hash("pocket", settings)


def test_the_slider_climbs_the_shipped_checkpoints_in_an_empty_home(settings: Settings) -> None:
    shipped = sorted((DATA / "pocket" / "adapters" / "m").glob("rl-*"))
    places = ladder._places("pocket-m", settings, (), "")
    assert [one.rung.adapter for one in places if one.rung.step] == [one.name for one in shipped]
    assert len(shipped) >= 3 and all(one.rung.here for one in places)

"""The demo data: a newcomer's first rows, asked for and never put there unasked."""

import json

import pytest

from cai_app.commands import exchange
from cai_app.commands.output import Usage
from cai_app.errors import InputError
from cai_app.settings import ROOT, Settings
from cai_app.workbench import Workbench
from components.demo import load_demo

SHIPPED = (ROOT / "data" / "demo.parquet").exists()


@pytest.mark.skipif(not SHIPPED, reason="make results has not been run")
def test_one_click_fills_an_empty_home_with_rows_marked_as_demo(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    workbench = Workbench(settings)
    try:
        assert workbench.store.comparisons.count() == 0
        found = load_demo(workbench, {}, "")
        assert found["added"] > 500 and not found["rejected"] and found["source"] == "demo"
        assert workbench.spotchecks.sources() == ["demo"]
        # A spot-check can be drawn of it, and the command finds nothing more to add.
        ((_, _, labelled),) = workbench.spotchecks.raters()
        assert 500 < labelled <= found["added"]
        assert exchange.main_import(["demo", "--json"], workbench) == 0
        assert json.loads(capsys.readouterr().out)["added"] == 0
    finally:
        workbench.close()


def test_a_copy_without_a_demo_says_how_to_make_one(settings: Settings) -> None:
    bare = Workbench(settings.model_copy(update={"data": settings.home / "data"}))
    try:
        with pytest.raises(InputError, match="make results"):
            bare.import_demo()
        with pytest.raises(Usage, match="needs the PATH"):
            exchange.main_import(["jsonl"], bare)
    finally:
        bare.close()

"""Settings: where the home is, and that the environment is read only when asked."""

from pathlib import Path

import pytest

from cai_app.errors import InputError
from cai_app.settings import ROOT, Settings


def test_the_default_home_lies_under_data_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAI_HOME", raising=False)
    assert Settings.from_environment().home == ROOT / "data" / "local"


def test_the_option_beats_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAI_HOME", str(tmp_path / "environment"))
    assert Settings.from_environment().home == tmp_path / "environment"
    assert Settings.from_environment(tmp_path / "option").home == tmp_path / "option"


def test_a_relative_home_is_the_callers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment(Path("mine")).home == tmp_path / "mine"


def test_a_space_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    assert Settings.from_environment().space
    monkeypatch.delenv("SPACE_ID")
    assert not Settings.from_environment().space


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        Settings.from_environment(tmp_path / "file")

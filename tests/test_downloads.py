"""Files that wait to be downloaded."""

import os
import time
from pathlib import Path

import pytest

from components import downloads


def test_a_download_of_yesterday_makes_room_and_one_of_today_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old, young = downloads.folder(), downloads.folder()
    (old / "adapter.zip").write_text("x")
    (tmp_path / "somebody-elses").mkdir()
    long_ago = time.time() - downloads.KEPT - 60
    for path in (old, tmp_path / "somebody-elses"):
        os.utime(path, (long_ago, long_ago))
    new = downloads.folder()
    assert sorted(tmp_path.iterdir()) == sorted([young, new, tmp_path / "somebody-elses"])

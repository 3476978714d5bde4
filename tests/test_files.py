"""Files that survive a kill: replacing, appending, reading what is whole, locks."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cai_app import files
from cai_app.errors import InputError


def test_a_line_still_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\nnot json\n{"step": 2}\n{"st')
    rows, offset = files.read_rows(path)
    assert [row["step"] for row in rows] == [1, 2]
    with path.open("a") as file:
        file.write('ep": 3}\n')
    assert files.read_rows(path, offset)[0] == [{"step": 3}]
    assert files.read_rows(tmp_path / "none", 7) == ([], 7)


def test_appending_tells_the_size_that_a_checkpoint_needs(tmp_path: Path) -> None:
    path = tmp_path / "outputs.jsonl"
    files.append(path, [{"text": "ä"}])
    assert files.append(path, [{"n": 1}, {"n": 2}]) == path.stat().st_size
    assert files.read_rows(path)[0] == [{"text": "ä"}, {"n": 1}, {"n": 2}]


def test_a_full_disk_leaves_the_old_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "status.json"
    files.replace(path, "old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(files.DiskFullError, match="the disk is full: .*status.json"):
        files.replace(path, "new")
    assert [found.name for found in tmp_path.iterdir()] == ["status.json"]
    assert path.read_text() == "old"


def test_lines_written_one_at_a_time_are_there_when_all_went_well(tmp_path: Path) -> None:
    path = tmp_path / "rejected.jsonl"
    with files.growing(path) as write:
        write({"raw": "\ud800 ä"})
        assert not path.exists()
    assert files.read_rows(path)[0] == [{"raw": "\ud800 ä"}]
    with files.growing(path):
        pass  # nothing to say: the earlier file stays
    with pytest.raises(ZeroDivisionError), files.growing(tmp_path / "other") as write:
        write({"raw": str(1 // 0)})
    assert [found.name for found in tmp_path.iterdir()] == ["rejected.jsonl"]


def test_a_disk_that_fills_while_lines_are_written_is_told_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(files.DiskFullError, match="rejected.jsonl"),
        files.growing(tmp_path / "rejected.jsonl") as write,
    ):
        write({"line": 1})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_place_that_refuses_is_told_with_a_next_step(number: int, tmp_path: Path) -> None:
    said = str(files.explained(OSError(number, os.strerror(number)), tmp_path))
    assert str(tmp_path) in said and "--home" in said
    assert isinstance(files.explained(OSError(number, "x"), tmp_path), InputError)


def test_a_lock_has_one_holder_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "device-0.lock"
    assert files.holder_of(path) is None
    with files.Lock(path) as first, files.Lock(path) as second:
        assert first.take("run 1")
        assert not second.take("run 2")
        assert files.holder_of(path) == "run 1"
        first.release()
        assert files.holder_of(path) is None
        assert second.take("run 2")
    assert files.holder_of(path) is None


def test_a_lock_is_free_when_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    code = (
        "import sys, time; from pathlib import Path; from cai_app import files;"
        "lock = files.Lock(Path(sys.argv[1])); print(lock.take('it'), flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout and holder.stdout.readline() == "True\n"
    assert files.holder_of(path) == "it"
    holder.kill()
    holder.wait()
    assert files.holder_of(path) is None


def test_the_tail_begins_at_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("one\ntwo\nthree\n")
    assert files.read_tail(path, 8) == "three\n"
    assert files.read_tail(path) == "one\ntwo\nthree\n"
    assert files.read_tail(tmp_path / "none") == ""

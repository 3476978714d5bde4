"""`generate` and `runs`: one JSON value, errors in one line, exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_runs
import pytest
import toy
from test_store_ingest import RUN, finished, pair

from cai_app import files
from cai_app.commands import main
from cai_app.commands.following import follow
from cai_app.records import RunInfo
from cai_app.settings import Settings
from cai_app.store import Store
from cai_app.workbench import Workbench

FIELDS = {"run", "kind", "state", "error", "outputs", "metrics"}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    def run(*argv: str) -> tuple[int, str, str]:
        try:
            code = main(["--home", str(tmp_path / "home"), *argv])
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_generate_follows_its_run_and_prints_it(call: Any) -> None:
    with toy.served() as spec:
        options = ["--prompts", "red-team", "--limit", "3", "--backend", spec, "--json"]
        code, out, _ = call("generate", *options)
    found = json.loads(out)
    assert code == 0 and set(found) >= FIELDS
    assert (found["kind"], found["state"], found["error"]) == ("generate", "done", None)
    assert found["metrics"]["comparisons"] == 3
    assert Path(found["outputs"][0]).read_text().count("\n") == 9
    code, out, _ = call("runs", "list", "--json")
    assert [run["run"] for run in json.loads(out)] == [found["run"]]
    code, out, _ = call("runs", "show", found["run"][-6:], "--json")
    assert json.loads(out)["run"] == found["run"]
    code, out, _ = call("runs", "logs", found["run"])
    assert "3 of 3 prompts" in out
    code, out, _ = call("runs", "delete", found["run"], "--json")
    assert code == 0 and not Path(found["path"]).exists()


def test_rows_of_a_finished_run_are_taken_in_before_it_is_deleted(
    call: Any, tmp_path: Path
) -> None:
    folder = finished(tmp_path / "home", pair(1))
    code, out, _ = call("runs", "delete", RUN, "--json")
    assert (code, json.loads(out)["run"]) == (0, RUN) and not folder.exists()
    _, out, _ = call("sql", "SELECT count(*) AS n FROM comparisons", "--json")
    assert json.loads(out) == [{"n": 1}]


def test_a_finished_run_whose_rows_cannot_be_had_is_not_deleted(
    call: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cai_app.workbench.home._PATIENCE", 0.1)
    folder = finished(settings.home, pair(1))
    store = Store(settings.home)
    code, out, err = call("runs", "delete", RUN, "--json")
    store.close()
    assert (code, out) == (1, "") and "in use by process" in err and folder.exists()
    (folder / "outputs.jsonl").unlink()
    (folder / "outputs.jsonl").mkdir()
    code, out, err = call("runs", "delete", RUN, "--json")
    assert (code, out) == (1, "") and f"its folder is {folder}" in err and folder.exists()


def test_a_training_is_deleted_whoever_has_the_store(
    call: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cai_app.workbench.home._PATIENCE", 0.1)
    path = made_runs.made(settings, "sft", adapter=True)
    store = Store(settings.home)
    code, _, _ = call("runs", "delete", path.name, "--json")
    store.close()
    assert code == 0 and not path.exists()


def test_a_failed_run_is_printed_with_its_error_and_exits_with_one(call: Any) -> None:
    options = ["--prompts", "helpful", "--limit", "1", "--backend", "openai:http://127.0.0.1:9#x"]
    code, out, err = call("generate", *options, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["state"] == "failed" and "cannot be reached" in found["error"]
    assert len(err.strip().splitlines()) == 1


def test_a_dry_run_prints_what_it_would_take_and_starts_nothing(call: Any, tmp_path: Path) -> None:
    options = ["--prompts", "helpful", "--limit", "5", "--mode", "chains", "--rounds", "2"]
    code, out, _ = call(
        "generate", *options, "--backend", "openai:http://127.0.0.1:9#x", "--dry-run", "--json"
    )
    found = json.loads(out)
    assert code == 0
    assert (found["prompts"], found["completions"]) == (5, 25)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["generate", "--prompts", "nowhere.jsonl"],
        ["generate", "--prompts", "helpful", "--backend", "nonsense"],
        ["generate", "--prompts", "helpful", "--rounds", "9"],
        ["generate", "--prompts", "helpful", "--limit", "0"],
        ["runs", "show", "nothing"],
        ["runs", "stop", "nothing"],
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_one(argv: list[str], call: Any) -> None:
    code, out, err = call(*argv, "--json")
    assert (code, out) == (1, "")
    assert err.startswith("error: ") and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("argv", [["runs"], ["runs", "dance"], ["generate"]])
def test_wrong_usage_exits_with_two(argv: list[str], call: Any) -> None:
    assert call(*argv)[0] == 2


def test_others_may_have_the_store_while_a_run_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """But not the app's, which is everybody's."""
    workbench = Workbench(Settings.from_environment(tmp_path))
    times = {"created": 0, "queued": 0, "updated": 0}
    info = RunInfo(id="r", kind="label", state="done", path=str(tmp_path), **times)
    holders: list[str | None] = []

    def followed(_: str) -> Iterator[RunInfo]:
        holders.append(files.holder_of(tmp_path / "store.lock"))
        yield info

    monkeypatch.setattr(workbench.runs, "follow", followed)
    for alone in (True, False):
        workbench.alone = alone
        workbench.ingest()
        assert follow(workbench, info, show=None, detach=False) == 0
    workbench.close()
    assert holders[0] is None and holders[1] is not None

"""A command with the app up, and with the app down: the same words, the same exit codes."""

import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_store_ingest import RUN, finished, pair

from cai_app import commands
from cai_app.commands.serving import serve_commands
from cai_app.errors import BusyError
from cai_app.records import Response
from cai_app.settings import Settings
from cai_app.workbench import Workbench, forward

COUNT = ["sql", "SELECT count(*) AS n FROM responses", "--json"]


class App:
    """An app that serves nothing but commands, in this process."""

    def __init__(self, home: Path) -> None:
        import uvicorn
        from fastapi import FastAPI

        served = FastAPI()
        self.workbench = Workbench(Settings(home=home))
        self.server = uvicorn.Server(uvicorn.Config(served, port=0, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.announced = serve_commands(served, self.workbench, url=f"http://127.0.0.1:{port}/")

    def close(self) -> None:
        self.announced.withdraw()
        self.server.should_exit = True
        self.thread.join(10)
        self.workbench.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    running = App(tmp_path)
    yield running
    running.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    def call(*argv: str) -> tuple[int, str, str]:
        try:
            code = commands.main(["--home", str(tmp_path), *argv])
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_a_command_is_answered_by_the_app_that_has_the_store(app: App, run: Any) -> None:
    app.workbench.store.responses.add([Response(prompt="p", text="t")])
    code, out, err = run(*COUNT)
    assert (code, json.loads(out), err) == (0, [{"n": 1}], "")


@pytest.mark.parametrize(
    "argv", [COUNT, ["sql", "DROP TABLE runs", "--json"], ["sql"], [*COUNT, "x"]]
)
def test_answers_are_the_same_with_the_app_up_and_down(
    run: Any, argv: list[str], tmp_path: Path
) -> None:
    down = run(*argv)
    running = App(tmp_path)
    try:
        assert run(*argv) == down
    finally:
        running.close()


def test_a_finished_run_is_deleted_once_the_app_has_its_rows(
    app: App, run: Any, tmp_path: Path
) -> None:
    assert app.workbench.store.comparisons.count() == 0
    folder = finished(tmp_path, pair(1))
    code, out, _ = run("runs", "delete", RUN, "--json")
    assert (code, json.loads(out)["run"]) == (0, RUN) and not folder.exists()
    assert app.workbench.store.comparisons.count() == 1


def test_what_is_printed_reaches_its_own_caller_only(app: App, tmp_path: Path) -> None:
    """Two commands at once in one process, and the process's own output."""
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        pieces = serving_pieces(app, ["sql", f"SELECT {number} AS n", "--json"], tmp_path)
        answers[number] = json.loads("".join(piece.get("out", "") for piece in pieces))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: [{"n": number}] for number in range(6)}


def serving_pieces(app: App, argv: list[str], folder: Path) -> list[dict[str, Any]]:
    from cai_app.commands.serving import _run

    return [json.loads(line) for line in _run(argv, folder, app.workbench) if line.strip()]


def test_relative_paths_are_the_callers(
    app: App, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    code, out, _ = run("backup", "copy.duckdb", "--json")
    assert code == 0
    assert json.loads(out)["path"] == str(tmp_path / "there" / "copy.duckdb")
    assert (tmp_path / "there" / "copy.duckdb").is_file()


def test_a_constitution_and_prompts_by_relative_path_are_the_callers(
    app: App, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    text = (Path(__file__).parent.parent / "constitutions" / "privacy.yaml").read_text()
    (there / "own.yaml").write_text(text)
    (there / "asks.jsonl").write_text('{"prompt": "Can you help me?"}\n')
    monkeypatch.chdir("/")  # the app stands elsewhere
    label = ["label", "--pairs", "pairs", "--constitution", "own.yaml", "--dry-run", "--json"]
    remote = ["--backend", "openai:http://127.0.0.1:9/v1#none"]
    assert serving_pieces(app, [*label, *remote], there)[-1] == {"code": 0}
    trained = ["train", "distill", "--set", "prompts=asks.jsonl", "answers=1", "--dry-run"]
    assert serving_pieces(app, [*trained, "--json"], there)[-1] == {"code": 0}


def test_only_the_owner_may_read_the_token_and_only_it_opens(app: App, tmp_path: Path) -> None:
    import httpx

    path = tmp_path / "app.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said = json.loads(path.read_text())
    assert set(said) == {"url", "token", "pid"} and said["pid"] == os.getpid()
    body = {"argv": COUNT, "cwd": "/"}
    url = said["url"].rstrip("/") + forward.ROUTE
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer é".encode()}):
        assert httpx.post(url, json=body, headers=headers).status_code == 401
    good = {"Authorization": f"Bearer {said['token']}"}
    assert httpx.post(url, content=b"nonsense", headers=good).status_code == 400
    assert httpx.post(url, json=body, headers=good).status_code == 200


def test_a_stale_app_json_is_ignored(app: App, run: Any, tmp_path: Path) -> None:
    left = (tmp_path / "app.json").read_text()
    app.close()
    assert not (tmp_path / "app.json").exists()
    (tmp_path / "app.json").write_text(left)
    assert forward.call(tmp_path, COUNT) is None
    assert run(*COUNT)[0] == 0


def test_a_stranger_on_the_port_is_no_app_of_ours(tmp_path: Path) -> None:
    import http.server

    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    announced = forward.Announcement(tmp_path)
    assert announced.publish(f"http://127.0.0.1:{server.server_port}/")
    assert forward.call(tmp_path, COUNT) is None
    server.shutdown()
    server.server_close()
    assert forward.call(tmp_path, COUNT) is None, "nobody listens any more"
    announced.withdraw()


def test_the_second_app_on_a_home_leaves_the_first_one_its_commands(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    second = forward.Announcement(tmp_path)
    before = (tmp_path / "app.json").read_text()
    assert not second.publish("http://127.0.0.1:1/")
    second.withdraw()
    assert (tmp_path / "app.json").read_text() == before
    assert "another app runs" in caplog.text


def test_an_app_that_ends_on_the_way_is_told(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cai_app.commands.serving._run", lambda *_: iter(['{"out": "half"}\n', "\n"])
    )
    with pytest.raises(BusyError, match="ended before the command did"):
        forward.call(tmp_path, COUNT)


def test_a_caller_who_leaves_ends_the_command_at_its_next_print(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cai_app.commands.serving import _run

    at_work = {thread for thread in threading.enumerate() if thread.name.startswith("command")}
    ended: list[list[str]] = []

    def talks(argv: list[str], workbench: Workbench) -> int:
        try:
            while True:
                print("still here")
                time.sleep(0.01)
        except BrokenPipeError:
            ended.append(argv)
            raise

    monkeypatch.setitem(commands.STORE_COMMANDS, "sql", (talks, ""))
    pieces = _run(["sql", "SELECT 1"], tmp_path, app.workbench)
    assert any("still here" in piece for piece in pieces)
    (left,) = {one for one in threading.enumerate() if one.name.startswith("command")} - at_work
    pieces.close()  # type: ignore[attr-defined]
    left.join(10)
    assert not left.is_alive() and ended == [["SELECT 1"]]


def test_the_address_of_an_app_on_all_interfaces_is_this_machine(tmp_path: Path) -> None:
    announced = forward.Announcement(tmp_path)
    announced.publish("http://0.0.0.0:7860/")
    assert json.loads((tmp_path / "app.json").read_text())["url"] == "http://127.0.0.1:7860/"
    announced.withdraw()

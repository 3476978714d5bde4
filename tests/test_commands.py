"""The command line: JSON on standard output alone, one line on errors, exit codes."""

import io
import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from conftest import ScriptedBackend

from cai_app.commands import main
from cai_app.errors import BackendError
from cai_app.records import ModelInfo
from cai_app.settings import Settings
from cai_app.workbench import models

ASK = ["--prompt", "Can you help me?"]
PAIR = [*ASK, "--a", "Sure.", "--b", "You could ask."]


class Result:
    """Exit code and what was printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    def call(*argv: str) -> Result:
        try:
            code = main(["--home", str(tmp_path), *argv])
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return call


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> ScriptedBackend:
    backend = ScriptedBackend("Sure, do it.", "Bad.", "You could ask.", p_first=[0.3, 0.9])

    def opener(spec: str, _: Settings) -> ScriptedBackend:
        if spec == "down":
            raise BackendError("the endpoint is down;\nstart it")
        backend.spec = spec
        return backend

    monkeypatch.setattr(models, "open_backend", opener)
    return backend


def test_critique_prints_one_json_value(run: Any, scripted: ScriptedBackend) -> None:
    found = run("critique", *ASK, "--seed", "3", "--json")
    assert found.code == 0
    assert found.json["draft"] == "Sure, do it."
    assert found.json["revision"] == "You could ask."
    assert (found.json["backend"], found.json["adapter"]) == ("pocket", "helpful")
    assert found.json["constitution"]["name"] == "harmless"


def test_critique_prints_the_chain_as_it_is_written(run: Any, scripted: ScriptedBackend) -> None:
    found = run("critique", *ASK, "--principle", "harm-wise")
    assert found.out.startswith("--- draft")
    assert "--- revision 1, harm-wise: " in found.out


def test_critique_hands_its_options_on(run: Any, scripted: ScriptedBackend) -> None:
    options = ["--direct", "--few-shot", "0", "--temperature", "0", "--max-tokens", "9"]
    found = run("critique", *ASK, *options, "--json")
    assert found.json["rounds"][0]["critique"] is None
    sampling = scripted.history[0][1]
    assert sampling is not None
    assert (sampling.temperature, sampling.max_tokens) == (0, 9)


def test_judge_prints_one_json_value(run: Any, scripted: ScriptedBackend) -> None:
    found = run("judge", *PAIR, "--json")
    assert found.json["p_a"] == pytest.approx(0.2)
    assert [order["first"] for order in found.json["orders"]] == ["a", "b"]


def test_judge_reasons_and_clamps(run: Any, scripted: ScriptedBackend) -> None:
    found = run("judge", *PAIR, "--cot", "--clamp", "0.4", "0.6", "--json")
    assert found.json["p_a"] == pytest.approx(0.4)
    assert "Sure, do it." in found.json["rationale"]


def test_judge_prints_for_people(run: Any, scripted: ScriptedBackend) -> None:
    found = run("judge", *PAIR)
    assert "P(a is better) = 0.200" in found.out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["critique", "--prompt", ""], "the prompt is empty"),
        (["critique", *ASK, "--backend", "down"], "the endpoint is down; start it"),
        (["critique", *ASK, "--constitution", "nope"], "unknown constitution 'nope'"),
        (["critique", *ASK, "--principle", "nope"], "unknown principle 'nope'"),
        (["critique", *ASK, "--rounds", "5"], "rounds is 5, but it should be less than"),
        (["critique", "--prompt", "word " * 4000], "shorten the prompt"),
        (["critique", *ASK, "--few-shot", "9"], "few-shot 9 is out of range"),
        (["judge", *ASK, "--a", "", "--b", "x"], "response A is empty"),
        (["judge", *PAIR, "--clamp", "0.6", "0.4"], "clamp is "),
        (["constitution", "show", "nope"], "unknown constitution 'nope'"),
    ],
)
def test_an_error_is_one_line_and_exit_1(
    run: Any, scripted: ScriptedBackend, argv: list[str], message: str
) -> None:
    found = run(*argv, "--json")
    assert (found.code, found.out) == (1, "")
    assert message in found.err
    assert found.err.count("\n") == 1 and found.err.endswith("\n")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nope"],
        ["--nope", "models"],
        ["critique"],
        ["critique", *ASK, "--nope"],
        ["critique", *ASK, "--rounds", "many"],
        ["judge", *PAIR, "--clamp", "0.4"],
        ["constitution"],
        ["constitution", "nope"],
        ["constitution", "show"],
    ],
)
def test_wrong_usage_exits_2_with_nothing_on_standard_output(run: Any, argv: list[str]) -> None:
    found = run(*argv)
    assert (found.code, found.out) == (2, "")
    assert found.err


@pytest.mark.parametrize("argv", [["--help"], ["critique", "--help"], ["constitution", "--help"]])
def test_help_exits_0(run: Any, argv: list[str]) -> None:
    found = run(*argv)
    assert found.code == 0
    assert "usage" in found.out.lower()


def test_models_lists_without_loading(run: Any) -> None:
    fields = ["spec", "parameters", "device", "quantization", "state", "adapters"]
    fields += ["adapter", "note"]
    for row in run("models", "--json").json:
        assert list(row) == fields


def test_a_damaged_model_is_listed_with_what_is_wrong(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = ModelInfo(spec="pocket-s", state="failed", note="model.safetensors is damaged")
    monkeypatch.setattr("cai_app.workbench.Workbench.models", lambda _: [damaged])
    assert run("models").out.split() == f"pocket-s failed: {damaged.note}".split()
    assert run("models", "--json").json[0]["note"] == damaged.note


def test_constitutions_are_listed_and_shown(run: Any) -> None:
    rows = run("constitution", "list", "--json").json
    assert rows[0]["name"] == "harmless"
    shown = run("constitution", "show", f"harmless@{rows[0]['hash']}", "--json").json
    assert shown["hash"] == rows[0]["hash"]
    assert len(shown["supervised"]) == 16
    assert "harmless@" in run("constitution", "list").out
    assert "critique:" in run("constitution", "show", "harmless").out


def test_validate_takes_a_path_of_the_caller(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(
        "name: mine\ntitle: Mine\npreference:\n  - id: a\n    question: Which?\n"
    )
    assert run("constitution", "validate", "mine.yaml", "--json").json["valid"] is True
    Path("mine.yaml").write_text("name: mine\ntitle: Mine\npreference:\n  - id: a\n")
    found = run("constitution", "validate", "mine.yaml", "--json")
    assert (found.code, found.out) == (1, "")
    assert "line 4, principle 'a': field 'question' is missing" in found.err


def test_pocket_is_handed_its_arguments(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard: list[tuple[list[str], Path]] = []
    recipe = types.ModuleType("cai_app.pocket.cli")
    recipe.main = lambda argv, settings: (  # type: ignore[attr-defined]
        heard.append((argv, settings.home)) or 3
    )
    monkeypatch.setitem(sys.modules, "cai_app.pocket.cli", recipe)
    monkeypatch.setattr("cai_app.pocket.cli", recipe, raising=False)
    assert run("pocket", "train", "--size", "s").code == 3
    assert heard == [(["train", "--size", "s"], tmp_path)]


def test_words_that_are_no_text_are_refused_in_one_line(run: Any) -> None:
    found = run("critique", "--prompt", "half \udcff", "--json")
    assert (found.code, found.out) == (1, "")
    assert found.err == "error: 'half \\udcff' is not UTF-8 text; write it as UTF-8\n"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (OSError(28, "No space left on device", "x.txt"), "No space left on device: 'x.txt'"),
        (KeyError("a\nb"), "KeyError: 'a\\nb' (test_commands.py, line "),
    ],
)
def test_a_fault_of_the_program_is_one_line_too(
    run: Any, monkeypatch: pytest.MonkeyPatch, fault: Exception, message: str
) -> None:
    def models(_: Any) -> None:
        raise fault

    monkeypatch.setattr("cai_app.workbench.Workbench.models", models)
    found = run("models", "--json")
    assert (found.code, found.out) == (1, "")
    assert message in found.err and found.err.count("\n") == 1


def test_help_needs_no_store(run: Any, tmp_path: Path) -> None:
    found = run("sql", "--help")
    assert found.code == 0 and "Ask the store" in found.out
    assert not list(tmp_path.iterdir())


def test_json_survives_a_terminal_that_knows_fewer_characters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    assert main(["--home", str(tmp_path), "sql", "SELECT 'é…😀' AS a", "--json"]) == 0
    sys.stdout.flush()
    assert json.loads(raw.getvalue()) == [{"a": "é…😀"}]


def test_ctrl_c_while_it_starts_is_one_word() -> None:
    """The very first moment, when the commands are not imported yet."""
    script = (
        "import builtins, runpy, sys\n"
        "real = builtins.__import__\n"
        "def late(name, *rest, **named):\n"
        "    if name == 'cai_app.commands': raise KeyboardInterrupt\n"
        "    return real(name, *rest, **named)\n"
        "builtins.__import__ = late\n"
        "runpy.run_module('cai_app.__main__', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "stopped\n")


def test_help_does_not_import_torch() -> None:
    script = (
        "import sys; from cai_app.commands import main; main(['--help']); "
        "sys.exit(bool({'torch', 'transformers', 'duckdb', 'gradio'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr

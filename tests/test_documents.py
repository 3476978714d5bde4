"""The documents say what is true: printed tree, commands, Makefile, no paths of one machine."""

import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from conftest import LONGEST

from cai_app import commands
from cai_app.commands import (
    COMMANDS,
    STORE_COMMANDS,
    constitution,
    evaluate,
    measuring,
    runs,
    spotcheck,
)
from cai_app.errors import InputError
from cai_app.pocket import cli
from cai_app.records import RunState
from cai_app.workbench.training import KINDS

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/benchmarks.md",
    "docs/commands.md",
)


def verbs(union: Any) -> tuple[str, ...]:
    """The names of the sub-commands among which tyro chooses."""
    return tuple(get_args(one)[1].name for one in get_args(union))


SUBCOMMANDS: dict[str, tuple[str, ...]] = {
    "constitution": (*constitution.FORMS, *measuring.FORMS),
    "evaluate": tuple(evaluate.FORMS),
    "pocket": verbs(cli.Command),
    "runs": tuple(runs.FORMS),
    "spotcheck": verbs(spotcheck.Asked),
    "train": tuple(KINDS),
}
HELP = (
    "",
    *COMMANDS,
    *STORE_COMMANDS,
    *(f"{name} {verb}" for name in SUBCOMMANDS for verb in SUBCOMMANDS[name]),
)
# A path of somebody's machine: /work/…, /opt/…, /home/…, /root/…, /Users/…; not a part of another.
MACHINE_PATH = re.compile(r"(?<![\w./~:-])/(?:work|opt|home|root|Users)/\w")


def tracked() -> list[str]:
    """Every tracked path; the test is skipped where the source is not a git checkout."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).exists()]


# Asks for help as `python -m cai_app` does, but many times in one process: a process for each would
# spend nearly all its time on imports.
ALL_HELP = """
import contextlib, io, json, sys
from cai_app import commands
found = {}
for line in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = commands.main([*line.split(), "--help"])
        except SystemExit as end:
            code = end.code
    found[line] = code or 0, out.getvalue(), err.getvalue()
print(json.dumps(found))
"""


@functools.cache
def helped() -> dict[str, tuple[int, str, str]]:
    """Exit code, standard output and standard error of each command's `--help`."""
    command = [sys.executable, "-c", ALL_HELP, *HELP]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


def printed_lines() -> list[tuple[str, str]]:
    """Path and phrase of each line of the README's tree; two spaces of indent are one folder."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## The tree\n.*?```\n(.*?)```", text, re.DOTALL)
    assert block, "README.md has no printed tree under `## The tree`"
    folders: list[str] = []
    lines = []
    for line in block[1].splitlines():
        indent, name, phrase = re.fullmatch(r"( *)(\S+)\s*(.*)", line).groups()  # type: ignore[union-attr]
        del folders[len(indent) // 2 :]
        lines.append(("".join(folders) + name, phrase))
        if name.endswith("/"):
            folders.append(name)
    return lines


def worth_printing(files: list[str]) -> set[str]:
    """Top-level entries, and every module of the program; folders end in a slash, dotfiles go
    without saying, and `__init__.py` is told by its folder's line."""
    shown = set()
    for file in files:
        parts = file.split("/")
        if parts[0].startswith("."):
            continue
        deep = parts[0] in {"cai_app", "components"}
        folders = parts[:-1] if deep else parts[:-1][:1]
        shown |= {"/".join(folders[: n + 1]) + "/" for n in range(len(folders))}
        if len(parts) == 1 or (deep and parts[-1] != "__init__.py"):
            shown.add(file)
    return shown


def test_the_readme_prints_the_tree_as_it_is() -> None:
    real, tree = worth_printing(tracked()), [path for path, _ in printed_lines()]
    assert not real - set(tree), f"missing in README's tree: {sorted(real - set(tree))}"
    gone = {path for path in tree if not (ROOT / path).exists()}
    assert not gone, f"in README's tree, but not there: {sorted(gone)}"
    twice = {path for path in tree if tree.count(path) > 1}
    assert not twice, f"twice in README's tree: {sorted(twice)}"


def test_every_line_of_the_tree_has_a_phrase() -> None:
    assert not [path for path, phrase in printed_lines() if not phrase]


@pytest.mark.parametrize("command", HELP)
def test_every_command_answers_help(command: str) -> None:
    code, out, err = helped()[command]
    assert code == 0, err
    assert "usage" in out.lower()
    assert command in out, "of another command"


def test_the_program_itself_answers_help() -> None:
    command = [sys.executable, "-m", "cai_app", "--help"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == helped()[""][1]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_commands_that_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"python -m cai_app(?: --home \S+)? ([a-z]+)", text))
    assert named <= {*COMMANDS, *STORE_COMMANDS}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_make_targets_that_exist(document: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = (ROOT / document).read_text(encoding="utf-8")
    assert set(re.findall(r"\bmake ([a-z][\w-]+)(?=[`\s]*(?:\n|#| {2}|`))", text)) <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text)
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_files_that_begin_first_are_there() -> None:
    assert not [name for name in LONGEST if not (ROOT / "tests" / name).exists()]


def told(heading: str) -> list[str]:
    """The first column of the table under a heading of docs/commands.md."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    under = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert under, f"docs/commands.md has no heading {heading!r}"
    cells = re.findall(r"^\| `?(\w+)`? \|", under[1], re.MULTILINE)
    return cells[1:]


def test_the_states_of_a_run_are_told_as_they_are() -> None:
    assert told("States of a run") == list(get_args(RunState))


def test_the_exit_codes_are_told_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(how: BaseException | None) -> int:
        def command(argv: list[str], settings: Any) -> int:
            if how:
                raise how
            return 0

        monkeypatch.setitem(COMMANDS, "models", (command, ""))
        return commands.main(["models"])

    codes = [ends(how) for how in (None, InputError("x"), OSError("x"), KeyboardInterrupt())]
    assert codes == [0, 1, 1, 130]
    assert commands.main(["nonsense"]) == commands.main(["--nonsense"]) == 2
    with pytest.raises(SystemExit) as wrong:
        commands.main(["runs", "list", "--nonsense"])
    assert wrong.value.code == 2
    assert told("Exit codes") == ["0", "1", "2", "130"]


def test_the_commands_that_go_to_a_running_app_are_told_as_they_are() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    found = re.search(r"A command that needs the store \((.*?)\)", text, re.DOTALL)
    assert found and re.findall(r"`(\w+)`", found[1]) == list(STORE_COMMANDS)


def test_no_tracked_text_names_a_path_of_one_machine() -> None:
    found = []
    for name in tracked():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name}: {match[0]}" for match in MACHINE_PATH.finditer(text)]
    assert not found, "\n".join(found)


def test_the_readme_pins_the_toolkit_that_is_installed() -> None:
    """A Space installs `sdk_version`, everyone else requirements.txt: they must be the same."""
    version = re.search(r"^sdk_version: (\S+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert version and f"gradio=={version[1]}\n" in (ROOT / "requirements.txt").read_text()

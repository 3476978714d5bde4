"""The documents say what is true: printed tree, commands, Makefile, no paths of one machine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cai_app.commands import COMMANDS, STORE_COMMANDS

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
SUBCOMMANDS = {
    "pocket": ("corpus", "pairs", "train", "evaluate"),
    "constitution": (
        "list",
        "show",
        "validate",
        "lint",
        "diff",
        "import",
        "export",
        "effect",
        "ablate",
        "invert",
        "conflicts",
    ),
    "spotcheck": ("draw", "list", "invite", "revoke"),
    "runs": ("list", "show", "logs", "stop", "kill", "resume", "delete"),
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


def printed_tree() -> dict[str, str]:
    """Path and phrase of each line of the README's tree; two spaces of indent are one folder."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## The tree\n.*?```\n(.*?)```", text, re.DOTALL)
    assert block, "README.md has no printed tree under `## The tree`"
    folders: list[str] = []
    tree = {}
    for line in block[1].splitlines():
        indent, name, phrase = re.fullmatch(r"( *)(\S+)\s*(.*)", line).groups()  # type: ignore[union-attr]
        del folders[len(indent) // 2 :]
        tree["".join(folders) + name] = phrase
        if name.endswith("/"):
            folders.append(name)
    return tree


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
    real, tree = worth_printing(tracked()), printed_tree()
    assert not real - set(tree), f"missing in README's tree: {sorted(real - set(tree))}"
    gone = {path for path in tree if not (ROOT / path).exists()}
    assert not gone, f"in README's tree, but not there: {sorted(gone)}"


def test_every_line_of_the_tree_has_a_phrase() -> None:
    assert not [path for path, phrase in printed_tree().items() if not phrase]


@pytest.mark.parametrize("command", HELP)
def test_every_command_answers_help(command: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "cai_app", *command.split(), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert "usage" in ran.stdout.lower()


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

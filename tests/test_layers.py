"""Imports go one way. Read from the syntax trees, so a deferred import counts like any other.

app -> commands (to serve them) -> workbench; app -> components -> workbench
  -> store, jobs, spotcheck, critique, judge, agreement, formats
  -> backends, prompts, constitution -> records, errors, settings, files, strict_yaml, intervals
work, pocket, bench -> the last three groups without store and jobs; bench measures those too,
  and work asks pocket for its world and its reference rule
"""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

BASE = {"records", "errors", "settings", "files", "strict_yaml", "intervals"}
MODEL = BASE | {"backends", "prompts", "constitution"}
DOMAIN = {"critique", "judge", "agreement", "spotcheck", "formats"}
FILES = {"store", "jobs"}
# `bench`, `work` and `pocket` are programs: `commands` starts them, nothing else imports them.
PROGRAMS = {"bench", "work", "pocket"}
UPPER = MODEL | DOMAIN | FILES | {"workbench"}

MAY_IMPORT: dict[str, set[str]] = {
    "app": UPPER | {"components", "commands"},
    "components": UPPER,
    "__main__": BASE | {"commands"},
    "commands": UPPER | PROGRAMS,
    "workbench": MODEL | DOMAIN | FILES,
    **dict.fromkeys(DOMAIN | FILES, MODEL),
    "pocket": MODEL | DOMAIN,
    # The toy world's requests and its reference rule are what runs on pocket are measured by.
    "work": MODEL | DOMAIN | {"pocket"},
    "bench": MODEL | DOMAIN | FILES,
    **dict.fromkeys(MODEL - BASE, BASE),
    # Within the lowest group: settings are a record, and all may raise errors.
    **dict.fromkeys(("settings", "files", "strict_yaml"), {"records", "errors"}),
    "records": {"errors"},
    **dict.fromkeys(("errors", "intervals"), set[str]()),
}

HOMES = {
    "gradio": {"app", "components"},
    "duckdb": {"store"},
    **dict.fromkeys(
        ("torch", "transformers", "peft", "trl", "bitsandbytes"),
        {"backends", "work", "bench", "pocket"},
    ),
}


class Import(NamedTuple):
    """One imported dotted name, and where."""

    file: str
    line: int
    unit: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.name}"


def unit_of(dotted: str) -> str:
    """The part of the design a dotted module name belongs to: a tab, a package, a module."""
    parts = dotted.split(".")
    if parts[0] == "cai_app":
        return parts[1] if len(parts) > 1 else ""
    return parts[0]


def modules() -> dict[Path, str]:
    """Every module of the program with its dotted name."""
    paths = [*ROOT.glob("app.py"), *ROOT.glob("cai_app/**/*.py"), *ROOT.glob("components/**/*.py")]
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    return {path: name.removesuffix(".__init__") for path, name in names.items()}


@functools.cache
def imports() -> tuple[Import, ...]:
    """Every import in every module; `from package import name` gives `package.name`."""
    return tuple(_imports())


def _imports() -> Iterator[Import]:
    for path, dotted in sorted(modules().items()):
        package = dotted if path.name == "__init__.py" else dotted.rpartition(".")[0]
        file = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in imported(node, package):
                yield Import(file, node.lineno, unit_of(dotted), name)


def imported(node: ast.AST, package: str) -> list[str]:
    """The dotted names one statement imports, relative ones resolved."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) + 1 - node.level]
        base = ".".join([*above, node.module or ""] if node.level else [node.module or ""])
        return [f"{base.rstrip('.')}.{alias.name}" for alias in node.names]
    return []


def ours(name: str) -> bool:
    """Whether a dotted name lies in this repository."""
    return name.split(".")[0] in {"app", "cai_app", "components"}


def test_every_module_has_a_place_in_the_layers_and_no_place_is_empty() -> None:
    strangers = {unit_of(name) for name in modules().values()} - set(MAY_IMPORT) - {""}
    assert not strangers, f"not in the layers: {strangers}; add to the design first"
    empty = set(MAY_IMPORT) - {unit_of(name) for name in modules().values()}
    assert not empty, f"in the layers, but not there: {empty}"


def test_imports_go_one_way() -> None:
    wrong = [
        str(found)
        for found in imports()
        if ours(found.name)
        and (target := unit_of(found.name)) not in {"", found.unit}
        and target not in MAY_IMPORT.get(found.unit, set())
    ]
    assert not wrong, "\n".join(wrong)


def test_tabs_do_not_import_each_other() -> None:
    """A package in components/ is a tab; a plain module there is shared and knows no tab."""
    tabs = {path.parent.name for path in ROOT.glob("components/*/__init__.py")}
    wrong = [
        str(found)
        for found in imports()
        if found.unit == "components"
        and found.name.startswith("components.")
        and found.name.split(".")[1] in tabs - {found.file.split("/")[1]}
    ]
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_stay_in_their_homes() -> None:
    wrong = [
        str(found)
        for found in imports()
        if found.unit not in HOMES.get(found.name.split(".")[0], {found.unit})
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", ["cai_app.workbench", "cai_app.commands", "cai_app.backends"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*(set({sorted(HOMES)!r}) & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert not ran.stdout.split(), f"import {module} loads {ran.stdout}"


@pytest.mark.parametrize(
    ("statement", "package", "expected"),
    [
        ("import torch.nn", "cai_app", ["torch.nn"]),
        ("from cai_app import judge, errors", "cai_app", ["cai_app.judge", "cai_app.errors"]),
        ("from . import cache", "cai_app.backends", ["cai_app.backends.cache"]),
        ("from ..errors import InputError", "cai_app.backends", ["cai_app.errors.InputError"]),
    ],
)
def test_imports_are_read_right(statement: str, package: str, expected: list[str]) -> None:
    assert imported(ast.parse(statement).body[0], package) == expected


def test_what_is_imported_is_pinned() -> None:
    named = {"yaml": "pyyaml", "diff_match_patch": "diff-match-patch"}
    pinned = {
        line.split("==")[0].lower()
        for path in ROOT.glob("requirements*.txt")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    outside = {found.name.split(".")[0] for found in imports() if not ours(found.name)}
    outside -= sys.stdlib_module_names
    assert {named.get(name, name) for name in outside} <= pinned

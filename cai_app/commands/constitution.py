"""`constitution list|show|validate|lint|diff|import|export`; measuring is in `measuring`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from cai_app import files, strict_yaml
from cai_app.commands import measuring, printing
from cai_app.commands.output import Usage, chosen, from_caller, only_json, parsed
from cai_app.constitution import Constitution, Edit, versions
from cai_app.constitution.changes import changes
from cai_app.constitution.forms import Form, write_form
from cai_app.constitution.lint import lint
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from cai_app.workbench.words import word_diff

Json = Annotated[bool, tyro.conf.FlagCreatePairsOff]
One = tyro.conf.Positional[str]


@dataclass(frozen=True)
class List:
    """List the constitutions that are here."""

    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Show:
    """Show one constitution with all its principles, and its versions."""

    constitution: One
    """NAME, NAME@HASH or a path"""
    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Validate:
    """Check a constitution; the first error is named by line and principle."""

    constitution: One
    """NAME, NAME@HASH or a path"""
    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Lint:
    """What is worth a second look, with the reason and the words."""

    constitution: One
    """NAME, NAME@HASH or a path"""
    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Diff:
    """What changed between two constitutions, by principle and word."""

    old: One
    """NAME, NAME@HASH or a path"""
    new: One
    """NAME, NAME@HASH or a path"""
    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Import:
    """Save a constitution from a file: our YAML, the paper's JSON files, a recipe's JSON."""

    files: tyro.conf.Positional[tuple[Path, ...]] = field(default=())
    """One file, or the paper's two"""
    name: str | None = None
    """Name to save it under (the file's own)"""
    parent: str | None = None
    """Hash of the version that it goes on from, where the name is taken"""
    message: str = ""
    """Why, for the log"""
    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Export:
    """Write a constitution to a file, and say what the form cannot hold."""

    constitution: One
    """NAME, NAME@HASH or a path"""
    path: tyro.conf.Positional[Path]
    """The file to write; one that is there is replaced"""
    form: Literal["yaml", "critiques", "comparisons", "recipe"] = "yaml"
    """yaml, the paper's critiques or comparisons, or a Hugging Face recipe"""
    json: Json = False
    """Print one JSON value and nothing else"""


FORMS: dict[str, Any] = {
    "list": List, "show": Show, "validate": Validate, "lint": Lint, "diff": Diff,
    "import": Import, "export": Export,
}  # fmt: skip


def main(argv: list[str], settings: Settings) -> int:
    """Run the sub-command that the first argument names."""
    form = chosen("constitution", argv, {**FORMS, **measuring.FORMS})
    if form is None:
        return 0
    if argv[0] in measuring.FORMS:
        return measuring.main(argv, settings)
    asked: Any = parsed(form, argv[1:], f"constitution {argv[0]}")
    workbench = Workbench(settings)
    try:
        with only_json(asked.json) as show:
            value = _ANSWERS[type(asked)](workbench, asked)
            show(value) if asked.json else _PRINTERS[type(asked)](value)
    finally:
        workbench.close()
    return 0


def _list(workbench: Workbench, asked: List) -> list[dict[str, Any]]:
    return [_summary(workbench, one) for one in workbench.constitutions()]


def _show(workbench: Workbench, asked: Show) -> dict[str, Any]:
    one = workbench.constitution(asked.constitution)
    history = workbench.workshop.history(one.name)
    versions = [version.model_dump(mode="json") for version in history]
    return {**one.model_dump(mode="json"), "hash": one.hash, "versions": versions}


def _validate(workbench: Workbench, asked: Validate) -> dict[str, Any]:
    return {"valid": True, **_summary(workbench, workbench.constitution(asked.constitution))}


def _lint(workbench: Workbench, asked: Lint) -> dict[str, Any]:
    one = workbench.constitution(asked.constitution)
    found = [finding.model_dump(mode="json") for finding in lint(one)]
    return {"name": one.name, "hash": one.hash, "findings": found}


def _diff(workbench: Workbench, asked: Diff) -> dict[str, Any]:
    old, new = (workbench.constitution(spec) for spec in (asked.old, asked.new))
    rows = [
        {
            **change.model_dump(mode="json", exclude={"fields"}),
            "fields": [
                {**one.model_dump(), "words": word_diff(one.before, one.after)}
                for one in change.fields
            ],
        }
        for change in changes(old, new)
    ]
    return {"old": old.ref.model_dump(), "new": new.ref.model_dump(), "changes": rows}


def _import(workbench: Workbench, asked: Import) -> dict[str, Any]:
    if not asked.files:
        raise Usage("constitution import: name a file, or the paper's two")
    paths = [from_caller(path) for path in asked.files]
    texts = [(path.name, strict_yaml.read_text(path, what="constitution")) for path in paths]
    found = workbench.workshop.read_files(texts, name=asked.name)
    known = versions(workbench.settings)
    edit = Edit(
        parent=known.find(found.constitution.name, asked.parent).hash if asked.parent else None,
        message=asked.message or f"imported from {', '.join(path.name for path in paths)}",
        action="import",
        origin=", ".join(path.name for path in paths),
    )
    version = workbench.workshop.save(found.constitution, edit)
    return {
        **_summary(workbench, found.constitution),
        "version": version.model_dump(mode="json"),
        "form": found.form,
        "left_out": list(found.left_out),
    }


def _export(workbench: Workbench, asked: Export) -> dict[str, Any]:
    one = workbench.constitution(asked.constitution)
    form: Form = asked.form
    made = write_form(one, form)
    path = from_caller(asked.path)
    files.replace(path, made.text)
    return {
        **one.ref.model_dump(), "path": str(path), "form": form, "left_out": list(made.left_out)
    }  # fmt: skip


def _summary(workbench: Workbench, one: Constitution) -> dict[str, Any]:
    return {
        "name": one.name,
        "hash": one.hash,
        "title": one.title,
        "description": one.description,
        "hazard": one.hazard,
        "shipped": workbench.workshop.is_shipped(one.name),
        "supervised": len(one.supervised),
        "preference": len(one.preference),
    }


_ANSWERS: dict[type, Any] = {
    List: _list, Show: _show, Validate: _validate, Lint: _lint, Diff: _diff, Import: _import,
    Export: _export,
}  # fmt: skip
_PRINTERS: dict[type, Any] = {
    List: printing.print_list, Show: printing.print_one, Lint: printing.print_lint,
    Diff: printing.print_diff,
    Validate: lambda one: print(f"valid: {printing.line(one)}"),
    Import: printing.print_written, Export: printing.print_written,
}  # fmt: skip

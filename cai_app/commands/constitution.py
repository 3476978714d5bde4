"""`constitution list|show|validate`."""

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from cai_app.commands.output import Usage, only_json, parsed
from cai_app.constitution import Constitution
from cai_app.settings import Settings
from cai_app.workbench import Workbench

Json = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class List:
    """List the constitutions that are here."""

    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Show:
    """Show one constitution with all its principles."""

    constitution: tyro.conf.Positional[str]
    """NAME, NAME@HASH or a path"""
    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Validate:
    """Check a constitution; the first error is named by line and principle."""

    constitution: tyro.conf.Positional[str]
    """NAME, NAME@HASH or a path"""
    json: Json = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], settings: Settings) -> int:
    """Run the sub-command that the first argument names."""
    forms = {"list": List, "show": Show, "validate": Validate}
    if not argv or argv[0] not in forms:
        if argv and argv[0] in ("-h", "--help"):
            print("usage: python -m cai_app constitution list|show|validate …")
            return 0
        raise Usage(f"constitution {argv[0] if argv else ''}: choose one of {', '.join(forms)}")
    asked = parsed(forms[argv[0]], argv[1:], f"constitution {argv[0]}")
    workbench = Workbench(settings)
    with only_json(asked.json) as show:
        if isinstance(asked, List):
            found = workbench.constitutions()
            show([_summary(one) for one in found]) if asked.json else _print_list(found)
            return 0
        one = workbench.constitution(asked.constitution)
        if isinstance(asked, Show):
            show({**one.model_dump(mode="json"), "hash": one.hash}) if asked.json else _print(one)
        elif asked.json:
            show({"valid": True, **_summary(one)})
        else:
            print(f"{one.name}@{one.hash} is valid: {_counts(one)}")
    return 0


def _summary(one: Constitution) -> dict[str, Any]:
    return {
        "name": one.name,
        "hash": one.hash,
        "title": one.title,
        "description": one.description,
        "hazard": one.hazard,
        "supervised": len(one.supervised),
        "preference": len(one.preference),
    }


def _counts(one: Constitution) -> str:
    return f"{len(one.supervised)} supervised, {len(one.preference)} preference principles"


def _print_list(found: list[Constitution]) -> None:
    for one in found:
        hazard = "  (hazard: for lessons about dangers)" if one.hazard else ""
        print(f"{one.name}@{one.hash}  {_counts(one)}{hazard}")


def _print(one: Constitution) -> None:
    print(f"{one.title} ({one.name}@{one.hash}){' - HAZARD' if one.hazard else ''}")
    print(one.description)
    for principle in one.supervised:
        print(f"\n{principle.id} [{', '.join(principle.tags)}]")
        print(f"  critique: {principle.critique_request}\n  revision: {principle.revision_request}")
    for question in one.preference:
        print(f"\n{question.id} [{', '.join(question.tags)}]\n  question: {question.question}")

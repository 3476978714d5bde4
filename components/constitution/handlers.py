"""What the editor asks for: open, check, save, compare versions, restore, drafts, other forms."""

from datetime import UTC, datetime
from typing import Any

from cai_app.constitution import (
    ConflictError,
    Constitution,
    ConstitutionError,
    Edit,
    Version,
    from_data,
    parse,
    to_yaml,
)
from cai_app.constitution.changes import changes, summary
from cai_app.constitution.drafts import Draft
from cai_app.constitution.forms import WHAT, read_form, write_form
from cai_app.constitution.lint import lint
from cai_app.errors import InputError
from cai_app.workbench import Workbench
from cai_app.workbench.words import word_diff
from components.replies import optional, text

HERE = "the editor"
DEFAULT = "harmless"


def open_constitution(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """A constitution to edit, with its versions; `spec` may name a version."""
    found = _load(workbench, text(asked, "spec") or DEFAULT)
    return {**_opened(workbench, found), "known": _known(workbench)}


def begin(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """What a page begins with: what there is to open, this tab's draft, and other tabs' drafts."""
    drafts = [] if workbench.read_only else workbench.workshop.drafts.all()
    tab = text(asked, "tab")
    own = next((one for one in drafts if one.tab == tab), None)
    others = [one.model_dump(mode="json") for one in drafts if one.tab != tab][:3]
    return {
        "known": _known(workbench),
        "draft": own.model_dump(mode="json") if own else None,
        "others": others,
        "read_only": workbench.read_only,
        "forms": WHAT,
    }


def check(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Cards as YAML, or YAML as cards: both sides, findings, or the error with its line."""
    try:
        found = _from_cards(asked) if "document" in asked else parse(text(asked, "yaml"), HERE)
    except ConstitutionError as error:
        place = list(error.place)
        told = {"problem": error.problem, "line": error.line, "place": place}
        return {"error": told, "findings": _loose(asked)}
    return _checked(found)


def save(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """A new version; where somebody saved first, theirs to choose from, and nothing is changed."""
    found = _from_cards(asked)
    opened = text(asked, "spec").partition("@")[0]
    parent = optional(asked, "parent")
    edit = Edit(parent=parent, author=who, message=text(asked, "message")[:500])
    if opened and opened != found.name:
        # Under another name: a new line of versions, or on top of the one chosen in a conflict.
        edit = edit.model_copy(
            update={
                "parent": optional(asked, "over"),
                "action": "fork",
                "origin": f"{opened}@{parent}" if parent else opened,
            }
        )
    try:
        version = workbench.workshop.save(found, edit)
    except ConflictError as conflict:
        return {"conflict": _conflict(workbench, found, conflict)}
    if tab := text(asked, "tab"):
        workbench.workshop.drafts.drop(tab)
    return {**_opened(workbench, found), "version": _version(version), "known": _known(workbench)}


def compare(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """What changed from a version to the cards, or to another version, word by word."""
    old = _load(workbench, text(asked, "old"))
    new = _from_cards(asked) if "document" in asked else _load(workbench, text(asked, "new"))
    return _changed(old, new)


def restore(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """An older version in force again; a conflict where somebody saved in between."""
    name, hash = text(asked, "name"), text(asked, "hash")
    edit = Edit(parent=optional(asked, "parent"), author=who, message=f"back to {hash[:6]}")
    try:
        workbench.workshop.restore(name, hash, edit)
    except ConflictError as conflict:
        return {"conflict": _conflict(workbench, _load(workbench, f"{name}@{hash}"), conflict)}
    return {**_opened(workbench, _load(workbench, name)), "known": _known(workbench)}


def keep_draft(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Keep the tab's edits on the server, as they are."""
    document = asked.get("document")
    draft = Draft(
        tab=text(asked, "tab"),
        spec=text(asked, "spec"),
        parent=optional(asked, "parent"),
        time=datetime.now(UTC),
        document=document if isinstance(document, dict) else {},
        yaml=optional(asked, "yaml"),
    )
    workbench.workshop.drafts.keep(draft)
    return {"time": draft.time.isoformat()}


def drop_draft(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Forget a tab's edits."""
    workbench.workshop.drafts.drop(text(asked, "tab"))
    return {}


def read_file(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """A file in any known form as cards, and what of it is left out. Nothing is saved."""
    found = read_form(text(asked, "text"), text(asked, "name")[:200] or "the file")
    return {**_checked(found.constitution), "form": found.form, "left_out": list(found.left_out)}


def write_file(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """The cards in a form, and what it cannot hold."""
    form = asked.get("form")
    if form not in WHAT:
        raise InputError(f"There is no form {form}; choose one of {', '.join(WHAT)}")
    made = write_form(_from_cards(asked), form)
    return {"text": made.text, "left_out": list(made.left_out)}


def oppose(workbench: Workbench, asked: dict[str, Any], who: str) -> list[dict[str, Any]]:
    """The opposite of every comparison question, to be read before it is used."""
    return [one.model_dump() for one in workbench.workshop.negations(_from_cards(asked))]


def _load(workbench: Workbench, spec: str) -> Constitution:
    """By name only: the page opens what is in the list, not files of this machine."""
    name = spec.partition("@")[0]
    if name not in {one["name"] for one in _known(workbench)}:
        raise InputError(f"There is no constitution {name}. Reload the list.")
    return workbench.constitution(spec)


def _from_cards(asked: dict[str, Any]) -> Constitution:
    return from_data(asked.get("document"), HERE)


def _opened(workbench: Workbench, found: Constitution) -> dict[str, Any]:
    history = workbench.workshop.history(found.name)
    return {
        **_checked(found),
        "shipped": workbench.workshop.is_shipped(found.name),
        "current": history[-1].hash if history else found.hash,
        "versions": [_version(one) for one in reversed(history)],
    }


def _checked(found: Constitution) -> dict[str, Any]:
    return {
        "document": found.model_dump(mode="json"),
        "yaml": to_yaml(found),
        "hash": found.hash,
        "findings": [one.model_dump(mode="json") for one in lint(found)],
    }


def _loose(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What lint finds in cards that cannot be used yet: the errors, each at its field."""
    try:
        found = Constitution.model_validate(asked.get("document"))
    except ValueError:
        return []
    return [one.model_dump(mode="json") for one in lint(found)]


def _known(workbench: Workbench) -> list[dict[str, Any]]:
    """What can be opened."""
    return [
        {
            "name": one.name,
            "title": one.title,
            "hazard": one.hazard,
            "hash": one.hash,
            "shipped": workbench.workshop.is_shipped(one.name),
        }
        for one in workbench.constitutions()
    ]


def _version(version: Version) -> dict[str, Any]:
    return version.model_dump(mode="json")


def _conflict(workbench: Workbench, mine: Constitution, error: ConflictError) -> dict[str, Any]:
    """Theirs, and what mine changes about it."""
    theirs = error.theirs
    if theirs is None:  # the name had a version, and its log is gone
        raise InputError(str(error)) from error
    now = workbench.constitution(mine.name)
    return {"theirs": _version(theirs), **_changed(now, mine)}


def _changed(old: Constitution, new: Constitution) -> dict[str, Any]:
    found = changes(old, new)
    rows = [
        {
            **one.model_dump(exclude={"fields"}),
            "fields": [
                {"field": field.field, "words": word_diff(field.before, field.after)}
                for field in one.fields
            ],
        }
        for one in found
    ]
    return {"changes": rows, "summary": summary(found), "old": old.hash, "new": new.hash}

"""Constitutions in other people's files: the paper's published JSON, the recipe's JSON, our YAML.

A form that cannot hold all of a constitution says what it leaves out; what it holds comes back
letter for letter.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from cai_app.constitution.model import STAGES, Constitution
from cai_app.constitution.parsing import from_data, parse, unfolded
from cai_app.constitution.writing import to_yaml
from cai_app.errors import InputError
from cai_app.records import PreferencePrinciple, Record, SupervisedPrinciple

Form = Literal["yaml", "critiques", "comparisons", "recipe"]
WHAT: dict[Form, str] = {
    "yaml": "our YAML",
    "critiques": "the paper's CritiqueRevisionInstructions.json",
    "comparisons": "the paper's RLMadisonInstructions.json",
    "recipe": 'a Hugging Face recipe, {"constitutions": [{"critic", "revision"}]}',
}
# How the published files write a principle (CAI 3.1, 4.1): the prompt's own tags are part of it.
_CRITIQUE = ("\n\nCritiqueRequest: ", "\n\nCritique:")
_REVISION = ("\n\nRevisionRequest: ", "\n\nRevision:")
_QUESTION = ("\n", " Options:")


class Imported(Record):
    """A constitution from a file, in which form it was, and what of the file is not in it."""

    constitution: Constitution
    form: Form
    left_out: tuple[str, ...] = ()


class Exported(Record):
    """A constitution as text, and what of it the form cannot hold."""

    text: str
    form: Form
    left_out: tuple[str, ...] = ()


def read_form(text: str, source: str, *, name: str | None = None) -> Imported:
    """A constitution from text in any of the forms; `name` replaces or gives its name.

    Raises InputError naming source and place for text in none of them.
    """
    if not text.lstrip().startswith(("{", "[")):
        found = parse(text, source)
        remarks = sum(line.lstrip().startswith("#") for line in text.splitlines())
        told = f"{remarks} lines of remarks (#); a note belongs in `note`"
        left_out = (told,) if remarks else ()
        return Imported(constitution=_named(found, name), form="yaml", left_out=left_out)
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InputError(f"constitution {source}: not JSON ({error}); check the file") from error
    form, entries, left = _entries(data, source)
    if not form:
        found = from_data(data, source)
        return Imported(constitution=_named(found, name), form="yaml")
    title = f"Imported from {source}"
    made = {"name": name or _name_from(source), "title": title, **entries}
    changed = [text for text in _texts(made) if unfolded(text) != text]
    if changed:
        left = (*left, f"line breaks or outer spaces of {len(changed)} texts, the first "
                f"{changed[0][:60]!r}")  # fmt: skip
    return Imported(constitution=from_data(made, source), form=form, left_out=left)


def merge(parts: Sequence[Imported], name: str | None = None) -> Imported:
    """Several files as one constitution, such as the paper's two.

    Raises InputError where two of them fill the same set.
    """
    first = parts[0]
    sets: dict[str, Any] = {}
    for part in parts:
        for stage in STAGES:
            if found := part.constitution.of(stage):
                if stage in sets:
                    raise InputError(f"two files give {stage} principles; import one at a time")
                sets[stage] = found
    base = _named(first.constitution, name)
    left = tuple(text for part in parts for text in part.left_out)
    made = base.model_copy(update=sets)
    return Imported(constitution=made, form=first.form, left_out=left)


def write_form(constitution: Constitution, form: Form) -> Exported:
    """The constitution in a form. Raises InputError where nothing of it would be left."""
    if form == "yaml":
        return Exported(text=to_yaml(constitution), form=form)
    write, stage, held = _WRITERS[form]
    principles = constitution.supervised if stage == "supervised" else constitution.preference
    if not principles:
        raise InputError(
            f"constitution {constitution.name} has no {stage} principles, and {WHAT[form]} holds "
            "nothing else; choose another form"
        )
    text = json.dumps(write(principles), ensure_ascii=form != "recipe")
    left = tuple(_lost(constitution, stage, held))
    return Exported(text=text, form=form, left_out=left)


def _critiques(principles: Sequence[SupervisedPrinciple]) -> dict[str, Any]:
    return {
        one.id: {
            "prompt": [one.critique_request.join(_CRITIQUE)],
            "edit_request": one.revision_request.join(_REVISION),
        }
        for one in principles
    }


def _comparisons(principles: Sequence[PreferencePrinciple]) -> list[str]:
    return [one.question.join(_QUESTION) for one in principles]


def _recipe(principles: Sequence[SupervisedPrinciple]) -> dict[str, Any]:
    rows = [{"critic": one.critique_request, "revision": one.revision_request}
            for one in principles]  # fmt: skip
    return {"constitutions": rows}


_WRITERS: Mapping[Form, tuple[Callable[[Any], Any], str, bool]] = {
    # What writes it, the set it holds, and whether it holds ids.
    "critiques": (_critiques, "supervised", True),
    "comparisons": (_comparisons, "preference", False),
    "recipe": (_recipe, "supervised", False),
}


def _lost(constitution: Constitution, stage: str, ids: bool) -> Iterator[str]:
    """What a JSON form leaves out, in words."""
    yield "name, title and description"
    if constitution.hazard:
        yield "the mark as a hazard"
    other = constitution.preference if stage == "supervised" else constitution.supervised
    if other:
        yield f"the {len(other)} principles of the other set"
    principles: Sequence[Any] = (
        constitution.supervised if stage == "supervised" else constitution.preference
    )
    if not ids:
        yield "ids"
    for field, default in (("tags", ()), ("weight", 1.0), ("note", "")):
        having = [one.id for one in principles if getattr(one, field) != default]
        if having:
            yield f"{field} of {', '.join(having)}"
    if off := [one.id for one in principles if not one.enabled]:
        yield f"that {', '.join(off)} {'is' if len(off) == 1 else 'are'} off: they read as on"


def _entries(data: Any, source: str) -> tuple[Form | None, dict[str, Any], tuple[str, ...]]:
    """Which published form the data has, its principles, and what is left out; None for ours."""
    if isinstance(data, list):
        if data and all(isinstance(one, str) for one in data):
            return "comparisons", {"preference": list(_questions(data, source))}, ()
        raise InputError(
            f"constitution {source}: a list, but not of comparison questions; few-shots are no "
            "constitution. Known forms: " + "; ".join(WHAT.values())
        )
    if "constitutions" in data:
        other = tuple(f"{key} (not part of a constitution)" for key in data
                      if key != "constitutions")  # fmt: skip
        return "recipe", {"supervised": list(_critics(data["constitutions"], source))}, other
    if data and all(isinstance(one, dict) and "edit_request" in one for one in data.values()):
        return "critiques", {"supervised": list(_requests(data, source))}, ()
    return None, {}, ()


def _questions(data: Sequence[str], source: str) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(data):
        question = _unwrapped(text, _QUESTION, f"{source}, number {number + 1}")
        yield {"id": f"comparison-{number}", "question": question}


def _requests(data: Mapping[str, Any], source: str) -> Iterator[dict[str, Any]]:
    for key, entry in data.items():
        prompts = entry.get("prompt")
        extra = set(entry) - {"prompt", "edit_request"}
        if not isinstance(prompts, list) or len(prompts) != 1 or extra:
            raise InputError(
                f"constitution {source}, principle '{key}': expected one text in a list as "
                f"prompt, and edit_request{'; unknown: ' + ', '.join(extra) if extra else ''}"
            )
        yield {
            "id": key,
            "critique_request": _unwrapped(prompts[0], _CRITIQUE, f"{source}, '{key}'"),
            "revision_request": _unwrapped(entry["edit_request"], _REVISION, f"{source}, '{key}'"),
        }


def _critics(data: Any, source: str) -> Iterator[dict[str, Any]]:
    if not isinstance(data, list):
        raise InputError(f"constitution {source}: `constitutions` is no list; check the file")
    for number, entry in enumerate(data):
        if not isinstance(entry, dict) or set(entry) != {"critic", "revision"}:
            found = ", ".join(entry) if isinstance(entry, dict) else type(entry).__name__
            raise InputError(
                f"constitution {source}, number {number + 1}: expected critic and revision, "
                f"found {found}"
            )
        yield {
            "id": f"critic-{number}",
            "critique_request": entry["critic"],
            "revision_request": entry["revision"],
        }


def _unwrapped(text: Any, around: tuple[str, str], place: str) -> str:
    """The principle between the published form's own words."""
    before, after = around
    whole = isinstance(text, str) and len(text) > len(before) + len(after)
    if not (whole and text.startswith(before) and text.endswith(after)):
        raise InputError(
            f"constitution {place}: expected text between {before!r} and {after!r}, found "
            f"{str(text)[:60]!r}"
        )
    return str(text[len(before) : len(text) - len(after)])


def _named(found: Constitution, name: str | None) -> Constitution:
    if name is None or name == found.name:
        return found
    return from_data({**found.model_dump(mode="json"), "name": name}, name)


def _name_from(source: str) -> str:
    stem = source.rpartition("/")[2].rpartition(".")[0] or source
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in stem)
    return kept.strip("-_").lower()[:64] or "imported"


def _texts(made: Mapping[str, Any]) -> Iterator[str]:
    for stage in STAGES:
        for entry in made.get(stage, ()):
            yield from (value for value in entry.values() if isinstance(value, str))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key '{key}' appears twice")
        found[key] = value
    return found

"""Constitutions written as YAML that people read: defaults left out, long texts folded.

Reading it again gives the same constitution, and so the same hash.
"""

from typing import Any

import yaml

from cai_app.constitution.model import TEXTS, Constitution, Principle, Stage
from cai_app.constitution.parsing import parse
from cai_app.errors import InputError

WIDTH = 64


class _Folded(str):
    """A text to be written over several lines."""


class _Inline(list[str]):
    """A list to be written on one line."""


class _Dumper(yaml.SafeDumper):
    """YAML with list items indented below their key, as people write it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


_Dumper.add_representer(
    _Folded,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=">"),
)
_Dumper.add_representer(
    _Inline,
    lambda dumper, items: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", list(items), flow_style=True
    ),
)


def to_yaml(constitution: Constitution) -> str:
    """The constitution as YAML; `parse` gives it back, equal and with the same hash."""
    text = _dump(_data(constitution))
    try:
        same = parse(text, constitution.name) == constitution
    except InputError:
        same = False
    if same:
        return text
    # A text that folding would change, such as one with odd spaces: written in quotes instead.
    plain = constitution.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(plain, sort_keys=False, default_style='"', width=10**6)


def _dump(data: dict[str, Any]) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)


def _data(constitution: Constitution) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": constitution.name,
        "title": constitution.title,
    }
    if constitution.description:
        data["description"] = _text(constitution.description)
    if constitution.hazard:
        data["hazard"] = True
    if constitution.supervised:
        data["supervised"] = [_principle(one, "supervised") for one in constitution.supervised]
    if constitution.preference:
        data["preference"] = [_principle(one, "preference") for one in constitution.preference]
    return data


def _principle(principle: Principle, stage: Stage) -> dict[str, Any]:
    data: dict[str, Any] = {"id": principle.id}
    if principle.tags:
        data["tags"] = _Inline(principle.tags)
    if principle.weight != 1:
        data["weight"] = _number(principle.weight)
    if not principle.enabled:
        data["enabled"] = False
    for field in TEXTS[stage]:
        data[field] = _text(getattr(principle, field))
    if principle.note:
        data["note"] = _text(principle.note)
    return data


def _number(value: float) -> float | int:
    return int(value) if value.is_integer() else value


def _text(text: str) -> str:
    return _Folded(text) if len(text) > WIDTH - 14 else text

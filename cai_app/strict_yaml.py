"""YAML read strictly: plain data only, no aliases, no duplicate keys, and the line of every value.

Meant for files that people write and share (constitutions, few-shots); the meaning of the fields
is left to the reader of each file.
"""

import math
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from cai_app.errors import InputError
from cai_app.records import Record

MAX_BYTES = 1_000_000
MAX_DEPTH = 12
Path_ = tuple[str | int, ...]

# libyaml where PyYAML was built with it: a file at the size limit is read in well under a second.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTRUCT = yaml.constructor.SafeConstructor()
_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float")}
_TEXT = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"}


class YamlError(InputError):
    """The text is not YAML that we read. `line` counts from 1, or is None.

    `nested` is false where the fault is known to lie at the top level.
    """

    def __init__(self, message: str, *, line: int | None = None, nested: bool = True) -> None:
        super().__init__(message)
        self.line = line
        self.nested = nested


class Document(Record):
    """The data of one YAML text, and on which line (from 1) each value stands."""

    data: Any
    lines: dict[tuple[str | int, ...], int] = Field(default_factory=dict)

    def line(self, place: Path_) -> int:
        """Line of the value at `place`, or of the nearest one that holds it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_text(path: Path, *, what: str) -> str:
    """The text of a file, refused unread where it is over 1 MB; errors name `what` and the path."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{what} {path} is over 1 MB; split it or shorten it")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{what} {path} cannot be read: {error.strerror}") from error


def read(text: str) -> Document:
    """Parse one YAML document. Raises YamlError with the line for anything but plain data."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise YamlError("the text is over 1 MB; split it or shorten it")
    try:
        _refuse_tricks(text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "not valid YAML"
        # What is missing at the end is told at the last line that there is.
        last = max(1, len(text.rstrip().splitlines()))
        raise YamlError(problem, line=min(mark.line + 1, last) if mark else None) from error
    except yaml.YAMLError as error:  # an unprintable character: the reader has no line for it
        raise YamlError(" ".join(str(error).split())) from error
    if node is None:
        raise YamlError("the text is empty", line=1)
    lines: dict[tuple[str | int, ...], int] = {}
    return Document(data=_value(node, (), lines), lines=lines)


def _refuse_tricks(text: str) -> None:
    """Aliases can blow up (a "billion laughs") and deep nesting can exhaust the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            line = _line(event)
            raise YamlError(f"alias *{event.anchor} is not allowed; write it out", line=line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = _line(event)
            raise YamlError(f"nested more than {MAX_DEPTH} levels deep", line=line)


def _line(event: yaml.Event) -> int | None:
    return event.start_mark.line + 1 if event.start_mark else None


def _value(node: yaml.Node, place: Path_, lines: dict[tuple[str | int, ...], int]) -> Any:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
        return _mapping(node, place, lines)
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        return [_value(child, (*place, i), lines) for i, child in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    raise YamlError(f"tag {node.tag} is not allowed; use plain values", line=lines[place])


def _mapping(
    node: yaml.MappingNode, place: Path_, lines: dict[tuple[str | int, ...], int]
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlError("a key must be a word", line=line)
        key = str(key_node.value)
        if key in data:
            first = lines[(*place, key)]
            problem = f"key '{key}' appears twice (first on line {first})"
            raise YamlError(problem, line=line, nested=bool(place))
        data[key] = _value(value_node, (*place, key), lines)
        lines[(*place, key)] = line
    return data


def _scalar(node: yaml.ScalarNode) -> Any:
    line = node.start_mark.line + 1
    if node.tag in _TEXT:
        return str(node.value)
    if node.tag not in _PLAIN:
        raise YamlError(f"tag {node.tag} is not allowed; use plain values", line=line)
    try:
        value = _CONSTRUCT.construct_object(node)
    except (ValueError, KeyError, yaml.YAMLError) as error:
        raise YamlError(f"{node.value[:40]!r} is not a plain value", line=line) from error
    if isinstance(value, float) and not math.isfinite(value):
        raise YamlError(f"{node.value!r} is not a finite number", line=line)
    return value

"""Options of a training from what was typed, a file, a preset or an earlier run; and back."""

import shlex
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from cai_app import jobs
from cai_app.errors import InputError
from cai_app.records import OptionInfo, TrainOptions
from cai_app.records.training import PRESETS
from cai_app.settings import Settings
from cai_app.workbench.training.kinds import KINDS, kind_of

_EMPTY = ("", "none", "null")
_TYPES: dict[Any, Literal["text", "integer", "number", "switch"]] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "switch",
}


def options_of(kind: str, values: Mapping[str, Any]) -> TrainOptions:
    """Options of a kind; what is left out comes from the preset. Raises InputError for a name
    that there is not, listing those that there are, and for a value out of range."""
    form = kind_of(kind).options
    unknown = sorted(set(values) - set(form.model_fields))
    if unknown:
        known = ", ".join(form.model_fields)
        raise InputError(f"train {kind} has no option {unknown[0]!r}; there are: {known}")
    return form.of({name: _plain(form, name, value) for name, value in values.items()})


def _plain(form: type[TrainOptions], name: str, value: Any) -> Any:
    """None for an empty text where an option may be left empty."""
    if isinstance(value, str):
        value = value.strip()
        optional = type(None) in get_args(form.model_fields[name].annotation)
        if optional and value.lower() in _EMPTY:
            return None
    return value


def read_settings(given: Sequence[str]) -> dict[str, str]:
    """`k=v` words. Raises InputError for a word without `=`."""
    found = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError(f"--set takes NAME=VALUE, and {word!r} is none; write --set lr=1e-3")
        found[name.strip().replace("-", "_")] = value
    return found


def read_config(path: Path, kind: str) -> dict[str, Any]:
    """Options of a YAML file: a mapping of them, or a run's config.yaml of the same kind."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"config {path} cannot be read: {error}") from error
    if isinstance(data, dict) and isinstance(data.get("options"), dict):
        if data.get("kind") != kind:
            raise InputError(f"{path} is of a {data.get('kind')} run; name one of train {kind}")
        data = data["options"]
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no options; write one a line, such as lr: 0.001")
    return data


def from_run(settings: Settings, run: str) -> tuple[str, TrainOptions]:
    """Kind and options of an earlier training, to fill a form with; its name is left out, as an
    adapter has it. Raises InputError for a run that is no training."""
    path = jobs.find(settings, run)
    config = jobs.config(path)
    if config.kind not in KINDS:
        raise InputError(f"run {path.name} is a {config.kind} run; name a training")
    known = KINDS[config.kind].options.model_fields
    values = {name: value for name, value in config.options.items() if name in known}
    return config.kind, options_of(config.kind, {**values, "name": ""})


def describe(kind: str) -> list[OptionInfo]:
    """Every option of a kind, in order, with its sentence and what each preset sets."""
    form = kind_of(kind).options
    presets = {preset: form.of({"preset": preset}).model_dump(mode="json") for preset in PRESETS}
    found = []
    for name, field in form.model_fields.items():
        type_, choices, required = _type(field.annotation)
        found.append(
            OptionInfo(
                name=name,
                description=field.description or "",
                type=type_,
                required=required,
                choices=choices,
                values={preset: presets[preset][name] for preset in PRESETS},
            )
        )
    return found


def _type(
    annotation: Any,
) -> tuple[Literal["text", "integer", "number", "choice", "switch"], tuple[str, ...], bool]:
    if get_origin(annotation) is Literal:
        return "choice", tuple(map(str, get_args(annotation))), True
    if get_origin(annotation) in (types.UnionType, typing.Union):
        inner = next(one for one in get_args(annotation) if one is not type(None))
        found, choices, _ = _type(inner)
        return found, choices, False
    return _TYPES.get(annotation, "text"), (), True


def set_options(options: TrainOptions) -> dict[str, Any]:
    """Only what differs from the preset's own values."""
    plain = type(options).of({"preset": options.preset}).model_dump(mode="json")
    found = options.model_dump(mode="json")
    return {
        name: value
        for name, value in found.items()
        if value != plain[name] or (name == "preset" and value != "notes")
    }


def command(kind: str, options: TrainOptions, settings: Settings) -> str:
    """What starts the same training in a terminal: only what differs from the preset is said."""
    words = ["train", kind]
    if given := set_options(options):
        words += ["--set", *(f"{name}={_text(value)}" for name, value in given.items())]
    return f"{settings.command} {shlex.join(words)}"


def _text(value: Any) -> str:
    return "none" if value is None else str(value)


def yaml_text(options: TrainOptions) -> str:
    """All options as the YAML that --config takes."""
    return yaml.safe_dump(options.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

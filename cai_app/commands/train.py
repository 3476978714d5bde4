"""`train KIND`: a training, as a run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from cai_app.backends import memory
from cai_app.commands.following import duration, follow
from cai_app.commands.output import FOLDER, Usage, from_caller, only_json, parsed, path_or_name
from cai_app.workbench import Workbench, training
from cai_app.workbench.generation import whole_spec

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
_PATHS = frozenset({"backend", "start", "policy", "pm", "test_pm", "constitution", "prompts"})


@dataclass(frozen=True)
class Train:
    """Train an adapter on a 4-bit base, as a run; it is then pocket@RUN, or pocket@NAME."""

    config: Path | None = None
    """Options in a YAML file: a mapping of them, or an earlier run's config.yaml"""
    set: tuple[str, ...] = field(default=())
    """Options as NAME=VALUE …; they win over the file's"""
    like: str | None = None
    """Begin with the options of this earlier run"""
    dry_run: Flag = False
    """Say what it would do, need and take, and do nothing"""
    prepare: Flag = False
    """Write the run's directory and start nothing: torchrun or accelerate launch does"""
    detach: Flag = False
    """Print the run at once and leave it going"""
    json: Flag = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], workbench: Workbench) -> int:
    """Run the command."""
    kind, rest = argv[0] if argv else "", argv[1:]
    if kind in ("-h", "--help"):
        print(_kinds())
        return 0
    if kind not in training.KINDS:
        raise Usage(f"train {kind}: choose one of {', '.join(training.KINDS)}")
    if any(word in ("-h", "--help") for word in rest):
        print(_help(kind))
        return 0
    # `--set a=1 --set b=2` is `--set a=1 b=2`.
    asked = parsed(Train, _gathered(rest), f"train {kind}")
    with only_json(asked.json) as show:
        shown = show if asked.json else None
        options = training.options_of(kind, _values(kind, asked, workbench))
        if asked.dry_run:
            found = workbench.train_plan(kind, options)
            show(found.model_dump(mode="json")) if shown else print(_described(found))
            return 0
        info = workbench.train_start(kind, options, hold=asked.prepare)
        return follow(workbench, info, show=shown, detach=asked.detach or asked.prepare)


def _values(kind: str, asked: Train, workbench: Workbench) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if asked.like is not None:
        of, options = workbench.train_options(asked.like)
        if of != kind:
            raise Usage(f"run {asked.like} is a training of kind {of}; write: train {of} --like …")
        values |= options.model_dump(mode="json")
    if asked.config is not None:
        values |= training.read_config(from_caller(asked.config), kind)
    values |= training.read_settings(asked.set)
    return {name: _of_caller(name, value) for name, value in values.items()}


def _of_caller(name: str, value: Any) -> Any:
    """A value whose relative paths are the caller's."""
    if not isinstance(value, str) or name not in _PATHS:
        return value
    return whole_spec(value, FOLDER.get()) if name == "backend" else path_or_name(value)


def _gathered(argv: list[str]) -> list[str]:
    """All words of every --set behind one, as the parser takes the last one only."""
    rest: list[str] = []
    words: list[str] = []
    taking = False
    for word in argv:
        if word == "--set":
            taking = True
        elif word.startswith("--set="):
            words.append(word.removeprefix("--set="))
        elif word.startswith("--"):
            taking = False
            rest.append(word)
        else:
            (words if taking else rest).append(word)
    return [*rest, *(("--set", *words) if words else ())]


def _described(found: training.TrainPlan) -> str:
    rows = found.model_dump(exclude={"seconds", "seconds_from", "yaml", "notes", "command"})
    rows["memory"] = memory.text(found.memory)
    rows["memory_free"] = memory.text(found.memory_free) if found.memory_free else "unknown"
    rows["time"] = f"about {duration(found.seconds)} ({found.seconds_from})"
    head = "\n".join(f"{name:12} {value}" for name, value in rows.items())
    return "\n".join([head, *found.notes, "", found.command, "", found.yaml.rstrip()])


def _kinds() -> str:
    rows = [f"  {name:12} {kind.about}" for name, kind in training.KINDS.items()]
    return "\n".join(["usage: python -m cai_app train KIND --set NAME=VALUE …", "", *rows, "",
                      "train KIND --help lists the options of a kind."])  # fmt: skip


def _help(kind: str) -> str:
    """The parser's own help, then the options of the kind, each with its sentence."""
    lines = [f"usage: python -m cai_app train {kind} [--config FILE] [--set NAME=VALUE …] "
             "[--like RUN] [--dry-run] [--prepare] [--detach] [--json]",
             "", training.KINDS[kind].about, "", "Options, with the presets' values:"]  # fmt: skip
    for one in training.describe(kind):
        notes, paper = one.values["notes"], one.values["paper"]
        value = f"{notes}" if notes == paper else f"notes {notes}, paper {paper}"
        choices = f" [{'|'.join(one.choices)}]" if one.choices else ""
        lines += [f"  {one.name}={value}{choices}", f"      {one.description}"]
    return "\n".join(lines)

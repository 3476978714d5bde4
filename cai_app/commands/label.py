"""`label`: comparisons judged under a constitution, as a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from cai_app.commands.following import duration, follow
from cai_app.commands.output import FOLDER, Usage, from_caller, only_json, parsed, path_or_name
from cai_app.records import LabelOptions
from cai_app.workbench import Workbench
from cai_app.workbench.generation import whole_spec
from cai_app.workbench.labelling import BUILT_IN, LabelPlan, Task

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class Label:
    """Judge comparisons under a constitution, as a run; its labels go into the store."""

    source: str | None = None
    """Comparisons of this source or run in the store; of a run of chains, draft against revision"""
    pairs: str | None = None
    """Or a JSONL file with prompt, a and b in each line; or the built-in pairs"""
    retry: str | None = None
    """Or what this label run has left unscored, asked again as it was"""
    backend: str = "pocket"
    """pocket, pocket-s|m|l[@ADAPTER], hf:PATH-OR-ID[@ADAPTER], openai:URL#MODEL"""
    constitution: str = "harmless"
    """NAME, NAME@HASH or a path"""
    principle: str = "drawn"
    """drawn (one for each comparison), all, or an id"""
    few_shot: int = 5
    """Few-shots before each question"""
    cot: Flag = False
    """Let the model reason before it answers"""
    orders: Literal["both", "one"] = "both"
    """Ask each question with either response first, or with one, drawn"""
    limit: int | None = None
    """Take the first so many comparisons"""
    seed: int = 0
    """Same seed, same principles and orders"""
    max_tokens: int | None = None
    """Most tokens of reasoning (160)"""
    batch: int = 32
    """Comparisons asked together; fewer take less memory"""
    dry_run: Flag = False
    """Say what it would do, need and take, and do nothing"""
    detach: Flag = False
    """Print the run at once and leave it going"""
    json: Flag = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], workbench: Workbench) -> int:
    """Run the command."""
    asked = parsed(Label, argv, "label")
    with only_json(asked.json) as show:
        shown = show if asked.json else None
        task = _task(asked, workbench)
        if asked.dry_run:
            found = workbench.plan_label(task)
            show(found.model_dump(mode="json")) if shown else print(_described(found))
            return 0
        return follow(workbench, workbench.label(task), show=shown, detach=asked.detach)


def _task(asked: Label, workbench: Workbench) -> Task:
    if sum(one is not None for one in (asked.source, asked.pairs, asked.retry)) != 1:
        raise Usage("label takes one of --source NAME, --pairs FILE and --retry RUN")
    if asked.retry is not None:
        return workbench.retry_task(asked.retry, max_tokens=asked.max_tokens)
    names = ("backend", "constitution", "principle", "few_shot", "cot", "orders", "limit", "seed",
             "batch")  # fmt: skip
    values = {name: getattr(asked, name) for name in names}
    values["backend"] = whole_spec(asked.backend, FOLDER.get())
    values["constitution"] = path_or_name(asked.constitution)
    if asked.max_tokens is not None:
        values["max_tokens"] = asked.max_tokens
    options = LabelOptions(**values)
    if asked.source is not None:
        return workbench.source_task(asked.source, options)
    assert asked.pairs is not None
    path = asked.pairs if asked.pairs == BUILT_IN else str(from_caller(Path(asked.pairs)))
    return workbench.file_task(path, options)


def _described(found: LabelPlan) -> str:
    rows = found.model_dump(exclude={"seconds", "seconds_from"})
    took = "unknown" if found.seconds is None else f"about {duration(found.seconds)}"
    rows["time"] = f"{took} ({found.seconds_from})"
    return "\n".join(f"{name:14} {value}" for name, value in rows.items())

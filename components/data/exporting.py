"""The export form: rows of the store as a file of another program's form."""

import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from cai_app.errors import CaiError, InputError
from cai_app.workbench import Workbench
from components import downloads
from components.data.view import Plan
from components.shared import sentence

SUFFIX = {"csv": "csv", "xstest": "csv", "parquet": "parquet", "icai": "json"}


def export(workbench: Workbench, format: str, source: str, rater: str) -> Iterator[tuple[Any, Any]]:
    """Write the file, and offer it; what the format has no place for is counted."""
    writing = Plan(
        state="ready",
        work="Writing…",
        command=f"{workbench.settings.command} {command(format, 'rows', source, rater)}",
    )
    yield gr.update(visible=False), writing.model_dump(mode="json")
    try:
        path, plan = _written(workbench, format, source, rater)
    except (CaiError, OSError) as error:
        failed = Plan(state="failed", message=sentence(error))
        yield gr.skip(), failed.model_dump(mode="json")
    else:
        yield gr.update(value=str(path), visible=True), plan.model_dump(mode="json")


def _written(workbench: Workbench, format: str, source: str, rater: str) -> tuple[Path, Plan]:
    named = (source or "").strip() or None
    stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in named or "all")[:60]
    moment = time.strftime("%Y%m%d-%H%M%S")
    path = downloads.folder() / f"{stem}-{format}-{moment}.{SUFFIX.get(format, 'jsonl')}"
    found = workbench.export_file(format, path, source=named, rater=(rater or "").strip() or None)
    if not found.rows:
        path.unlink(missing_ok=True)
        why = "; ".join(f"{count} {reason}" for reason, count in found.left_out.items())
        raise InputError(
            f"there is nothing of {named or 'this home'} that {format} can hold"
            f"{f' ({why})' if why else ''}; choose another format or source"
        )
    left = "; ".join(f"{count:,} {reason}" for reason, count in found.left_out.items())
    plan = Plan(
        state="ready",
        work=f"{found.rows:,} rows written.",
        needs=f"Left out, as {format} has no place for it: {left}."
        if left
        else "Nothing was left out.",
        fits=not left,
        command=f"{workbench.settings.command} {command(format, path.name, source, rater)}",
    )
    return path, plan


def described(workbench: Workbench, format: str, source: str, rater: str) -> dict[str, Any]:
    """The command, as the form stands."""
    name = f"rows.{SUFFIX.get(format, 'jsonl')}"
    plan = Plan(
        state="ready",
        work="Rows come with their labels, in the order in which they came.",
        command=f"{workbench.settings.command} {command(format, name, source, rater)}",
    )
    return plan.model_dump(mode="json")


def sources(workbench: Workbench) -> Any:
    """Where rows come from, as choices."""
    from cai_app.store import judging

    return gr.update(choices=["", *judging.sources(workbench.store, limit=50)])


def command(format: str, name: str, source: str, rater: str) -> str:
    """The same in a terminal, after the program's name."""
    parts = ["export", format, shlex.quote(name)]
    for option, value in (("source", source), ("rater", rater)):
        if (value or "").strip():
            parts.append(f"--{option} {shlex.quote(value.strip())}")
    return " ".join(parts)

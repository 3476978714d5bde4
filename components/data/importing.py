"""The import form: a file brought into the home, looked at, mapped, taken in row by row."""

import re
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from cai_app import formats
from cai_app.errors import CaiError, InputError
from cai_app.formats import ReadOptions
from cai_app.records import Record
from cai_app.workbench import Workbench
from cai_app.workbench.data import Imported
from components.shared import role, sentence

SHORT = 400  # characters of a text in the preview
SECONDS = 0.3  # between two looks at an import
# Columns that a table may have, those that most have first; the rest is folded away.
OURS = ("prompt", "a", "b", "chosen", "rejected", "value", "rater", "question", "principle", "kind",
        "time", "source", "a_model", "b_model")  # fmt: skip
MOST_REJECTED = 5_000_000  # characters of a rejected file that a browser is sent


class Line(Record):
    """A row of the file as an import would take it; `reason` says why it would be kept aside."""

    number: int
    prompt: str = ""
    a: str = ""
    b: str = ""
    says: str = ""
    reason: str = ""


class Look(Record):
    """What the import form shows beside its fields. `mapping` is what somebody chose, "" for none;
    `named` says that the Source field stands in for a column of that name."""

    state: Literal["new", "ready", "failed", "running", "done", "stopped"] = "new"
    file: str = ""
    columns: tuple[str, ...] = ()
    ours: tuple[str, ...] = OURS
    mapping: dict[str, str] = {}
    named: bool = False
    lines: tuple[Line, ...] = ()
    command: str = ""
    read: int = 0
    total: int | None = None
    phase: str = ""
    result: Imported | None = None
    message: str = ""


Shown = dict[str, Any]


def brought(workbench: Workbench, uploaded: str) -> tuple[str, str, str, Shown]:
    """A file was uploaded: its copy's path, what it probably is, a name for its source."""
    copy = workbench.bring(Path(uploaded))
    format = formats.guess(copy)
    source = _source(copy)
    return str(copy), format, source, look(workbench, str(copy), format, source, "", "", {})


def typed(
    workbench: Workbench, path: str, format: str, source: str, rater: str, model: str, shown: Shown
) -> tuple[Any, Any, Any, Any]:
    """A path of this machine was typed instead. Where it is that of the copy which the form holds
    already, all that was said of the file stays."""
    path = (path or "").strip()
    if not path:
        return gr.skip(), gr.skip(), gr.skip(), Look().model_dump(mode="json")
    file, held = Path(path), Path(str((shown or {}).get("file") or ""))
    if file.parent == workbench.settings.home / "exchange" and file.name == held.name:
        now = again(workbench, path, format, source, rater, model, shown)
        return gr.skip(), gr.skip(), gr.skip(), now
    try:
        return brought(workbench, path)
    except CaiError as error:
        failed = Look(state="failed", file=path, message=sentence(error))
        return gr.skip(), gr.skip(), gr.skip(), failed.model_dump(mode="json")


def look(
    workbench: Workbench, path: str, format: str, source: str, rater: str, model: str, shown: Shown
) -> Shown:
    """The first rows as the form would take them; what cannot be read says why. What an import
    of this file gave stays beside them."""
    mapping, given = _mapping(shown), (shown or {}).get("result")
    try:
        file, options = _asked(path, format, source, rater, model, mapping)
        found = workbench.preview(format, file, options)
    except CaiError as error:
        failed = Look(
            state="failed", file=path, mapping=mapping, message=sentence(error), result=given
        )
        return failed.model_dump(mode="json")
    lines = [_line(row) for row in found.rows]
    lines += [_rejected(row) for row in found.rejected]
    asked = _command(format, file, options, rater, found.columns)
    view = Look(
        state="ready",
        file=file.name,
        columns=found.columns,
        mapping=mapping,
        named="source" not in mapping and "source" in options.columns,
        lines=tuple(sorted(lines, key=lambda one: one.number)),
        command=f"{workbench.settings.command} {asked}",
        result=given,
    )
    return view.model_dump(mode="json")


def again(
    workbench: Workbench, path: str, format: str, source: str, rater: str, model: str, shown: Shown
) -> Any:
    """A field was left. Nothing changes where it says what it said before, nor while an import is
    under way."""
    if workbench.imports.now().under_way:
        return gr.skip()
    view = look(workbench, path, format, source, rater, model, shown)
    same = view["command"] and view["command"] == (shown or {}).get("command")
    return gr.skip() if same else view


def back(
    workbench: Workbench, path: str, format: str, source: str, rater: str, model: str, shown: Shown
) -> Any:
    """The page was reloaded with a file in the form: its rows are shown again. To visitors, whose
    pages load all the same, nothing is; that is no error."""
    if role(workbench) != "owner" or not (path or "").strip() or workbench.imports.now().under_way:
        return gr.skip()
    return look(workbench, path, format, source, rater, model, shown)


def mapped(workbench: Workbench, event: gr.EventData, *form: Any) -> Shown:
    """Another column was chosen for one of ours."""
    chosen = (event._data or {}).get("mapping")
    *fields, shown = form
    return look(workbench, *fields, {**(shown or {}), "mapping": chosen})


def start(
    workbench: Workbench, path: str, format: str, source: str, rater: str, model: str, shown: Shown
) -> Iterator[Shown]:
    """Take the file in, and tell how far it is. It goes on when nobody looks."""
    file, options = _asked(path, format, source, rater, model, _mapping(shown))
    workbench.start_import(format, file, options)
    yield from _followed(workbench, shown)


def watch(workbench: Workbench, shown: Shown) -> Iterator[Any]:
    """The form is looked at: an import that is under way goes on being told."""
    if workbench.imports.now().under_way:
        yield from _followed(workbench, shown)
    else:
        yield gr.skip()


def stop(workbench: Workbench) -> None:
    """End the import; nothing of the file is kept."""
    workbench.imports.stop()


def rejected(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, str]:
    """The rows that the last import kept aside, as a file."""
    result = workbench.imports.now().result
    if result is None or result.rejected_path is None:
        raise InputError("the last import kept no row aside")
    path = Path(result.rejected_path)
    if path.stat().st_size > MOST_REJECTED:
        raise InputError(f"{path} is too long for the browser; open it where it lies")
    return {"name": path.name, "text": path.read_text(encoding="utf-8")}


def _followed(workbench: Workbench, shown: Shown) -> Iterator[Shown]:
    before = {name: value for name, value in (shown or {}).items() if name in Look.model_fields}
    view = Look.model_validate({**before, "result": None, "message": ""})
    while True:
        now = workbench.imports.now()
        update = {"read": now.read, "total": now.total, "phase": now.state, "file": now.file}
        if now.under_way:
            yield view.model_copy(update={**update, "state": "running"}).model_dump(mode="json")
            time.sleep(SECONDS)
            continue
        message = f"{now.message[:1].upper()}{now.message[1:]}." if now.message else ""
        ended = {**update, "state": now.state, "result": now.result, "message": message}
        yield view.model_copy(update=ended).model_dump(mode="json")
        return


def _asked(
    path: str, format: str, source: str, rater: str, model: str, mapping: Mapping[str, str]
) -> tuple[Path, ReadOptions]:
    if not (path or "").strip():
        raise InputError("no file is chosen; upload one, or type its path")
    file, called, columns = Path(path.strip()), (source or "").strip(), dict(mapping)
    # The form fills in the file's own name, which says less than a column; another one was typed.
    if called and called != _source(file):
        columns.setdefault("source", "")
    options = ReadOptions(
        source=called or format,
        rater=formats.named_rater(rater.strip()) if (rater or "").strip() else None,
        model=(model or "").strip() or None,
        columns=columns,
    )
    return file, options


def _mapping(shown: Shown | None) -> dict[str, str]:
    given = (shown or {}).get("mapping")
    known = given.items() if isinstance(given, dict) else ()
    return {ours: theirs for ours, theirs in known if ours in OURS and isinstance(theirs, str)}


def _source(path: Path) -> str:
    """A file's name without what says how it is packed, nor the mark of a copy in the home."""
    name = re.sub("^[0-9a-f]{12}-", "", path.name)
    for suffix in (".gz", ".jsonl", ".json", ".csv", ".tsv", ".parquet"):
        name = name.removesuffix(suffix)
    return name or path.name


def _line(row: Mapping[str, Any]) -> Line:
    """A good row in a few words: its texts, and what its labels say."""
    prompt = a = b = ""
    says = []
    for record in row["records"]:
        if "steps" in record:
            prompt, a = record["prompt"], f"a chain of {len(record['steps'])} steps"
        elif "a" in record:
            prompt, a, b = record["a"]["prompt"], record["a"]["text"], record["b"]["text"]
        elif "text" in record:
            prompt, a = record["prompt"], record["text"]
        else:
            says.append(_said(record))
    return Line(
        number=row["line"], prompt=prompt[-SHORT:], a=a[:SHORT], b=b[:SHORT], says="; ".join(says)
    )


def _said(label: Mapping[str, Any]) -> str:
    rater, value = label["rater"], label["value"]
    who = str(rater.get("name") or rater.get("backend"))
    if value is None:
        return f"{who}: unscored, {label['unscored_reason']}"
    if label["kind"] != "preference":
        return f"{who}: {label['kind']} {value:g}"
    if value in (0.0, 0.5, 1.0):
        return f"{who}: {'a tie' if value == 0.5 else 'A' if value else 'B'}"
    return f"{who}: P(A) {value:.2f}"


def _rejected(row: Mapping[str, Any]) -> Line:
    return Line(number=row["line"], prompt=row["raw"][:SHORT], reason=row["reason"])


def _command(
    format: str, file: Path, options: ReadOptions, rater: str, theirs: tuple[str, ...]
) -> str:
    """The same as a command, where --source is heard before a column of that name."""
    parts, columns = ["import", format, shlex.quote(str(file))], dict(options.columns)
    without = columns.get("source") == ""
    if options.source != format or without:
        parts.append(f"--source {shlex.quote(options.source)}")
        if without:
            del columns["source"]
        elif "source" in theirs and "source" not in columns.values():
            columns.setdefault("source", "source")
    if options.rater is not None:
        parts.append(f"--rater {shlex.quote(rater.strip())}")
    if options.model is not None:
        parts.append(f"--model {shlex.quote(options.model)}")
    if columns:
        pairs = (f"{ours}={name}" for ours, name in columns.items())
        parts.append(f"--columns {' '.join(map(shlex.quote, pairs))}")
    return " ".join(parts)

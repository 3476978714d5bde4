"""`import` and `export`: files of outside formats, into the store and out of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cai_app import formats
from cai_app.commands.output import Usage, from_caller, only_json, parsed
from cai_app.errors import InputError
from cai_app.workbench import Workbench
from cai_app.workbench.data import Imported

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class Import:
    """Take the rows of a file into the store; bad rows are kept aside, with line and reason.

    Formats: hh-rlhf, cai-evals, cai-samples, trl, xstest, icai, csv, jsonl, parquet. `import demo`
    takes in what ships: pocket's answers with AI labels, to look around in; it has no PATH.
    """

    format: tyro.conf.Positional[str]
    """What the file is, or demo"""
    path: tyro.conf.Positional[Path | None] = None
    """The file, gzipped or not"""
    source: str | None = None
    """Where the rows say they come from; if not given, what a table says, else the format's name"""
    rater: str | None = None
    """Who labelled, if the file does not say: human:NAME, ai:BACKEND, reference:NAME"""
    model: str | None = None
    """What wrote the responses, if the file does not say"""
    columns: tuple[str, ...] = ()
    """For tables: OURS=THEIRS for each column of another name, as in a=answer_1; OURS= for none"""
    preview: Flag = False
    """Show the first rows as they would be taken, and keep nothing"""
    json: Flag = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Export:
    """Write comparisons, responses and labels of the store to a new file.

    Formats: hh-rlhf, cai-evals, cai-samples, trl, xstest, icai, csv, jsonl, parquet.
    """

    format: tyro.conf.Positional[str]
    """What the file is to be"""
    path: tyro.conf.Positional[Path]
    """The new file; one that ends in .gz is packed (no Parquet file, which is packed within)"""
    source: str | None = None
    """Only rows of this source or run"""
    rater: str | None = None
    """Only labels of this rater: an id, a name, a backend, or human, ai, reference"""
    json: Flag = False
    """Print one JSON value and nothing else"""


def main_import(argv: list[str], workbench: Workbench) -> int:
    """Run `import`."""
    asked = parsed(Import, argv, "import")
    if asked.format == "demo":
        with only_json(asked.json) as show:
            found = workbench.import_demo()
            show(found.model_dump(mode="json")) if asked.json else print(_counts(found))
        return 0
    if asked.path is None:
        raise Usage(f"import {asked.format} needs the PATH of a file; only import demo has none")
    columns = dict(_renamed(pair) for pair in asked.columns)
    if asked.source:
        columns.setdefault("source", "")  # what was asked for, whatever the rows say
    options = formats.ReadOptions(
        source=asked.source or asked.format,
        rater=formats.named_rater(asked.rater) if asked.rater else None,
        model=asked.model,
        columns=columns,
    )
    path = from_caller(asked.path)
    with only_json(asked.json) as show:
        if asked.preview:
            shown = workbench.preview(asked.format, path, options)
            show(shown.model_dump(mode="json"))
            return 0
        found = workbench.import_file(asked.format, path, options)
        if asked.json:
            show(found.model_dump(mode="json"))
            return 0
    print(_counts(found))
    if found.conflicts:
        apart = "a column `time`, or by another --rater" if _table(asked) else "another --rater"
        print(
            f"  {found.conflicts} with a label that is there with another value, which stays; to "
            f"keep both, tell them apart by {apart}"
        )
    if found.rejected_path:
        print(f"  rejected rows: {found.rejected_path}")
    return 0


def _counts(found: Imported) -> str:
    counts = f"{found.read} read, {found.added} added, {found.duplicates} there already"
    return f"{counts}, {found.rejected} rejected; source {found.source}"


def _table(asked: Import) -> bool:
    """Whether the format has columns that can be named."""
    return asked.format in ("csv", "jsonl", "parquet")


def _renamed(pair: str) -> tuple[str, str]:
    ours, _, theirs = pair.partition("=")
    if not ours or "=" not in pair:
        raise InputError(
            f"--columns {pair}: write OURS=THEIRS, as in a=answer_1, or OURS= for none"
        )
    return ours, theirs


def main_export(argv: list[str], workbench: Workbench) -> int:
    """Run `export`."""
    asked = parsed(Export, argv, "export")
    path = from_caller(asked.path)
    with only_json(asked.json) as show:
        found = workbench.export_file(asked.format, path, source=asked.source, rater=asked.rater)
        if asked.json:
            show(found.model_dump(mode="json"))
            return 0
    print(f"{found.path}  {found.rows} rows")
    for reason, count in found.left_out.items():
        print(f"  left out: {count} {reason}")
    return 0

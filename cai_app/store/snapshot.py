"""Snapshots: a selection of rows as a Parquet file with its hash, for a run to read."""

import hashlib
import os
from pathlib import Path
from typing import Literal

from cai_app.errors import InputError
from cai_app.records import Record
from cai_app.store.comparisons import ComparisonFilter, Comparisons
from cai_app.store.connection import Connection, Cursor
from cai_app.store.labels import LabelFilter, Labels
from cai_app.store.paging import Where
from cai_app.store.responses import ResponseFilter, Responses
from cai_app.store.transcripts import TranscriptFilter, Transcripts

Noun = Literal["responses", "comparisons", "labels", "transcripts"]
Filter = ResponseFilter | ComparisonFilter | LabelFilter | TranscriptFilter

_QUERIES: dict[Noun, str] = {
    "responses": "SELECT id, prompt, text, model, adapter, seed, source FROM responses",
    "comparisons": (
        "SELECT id, prompt, a, b, a_text, b_text, a_model, b_model, source FROM comparisons"
    ),
    "labels": (
        "SELECT id, about, subject, kind, rater, value, unscored_reason, orders, principle, "
        "question, run, seed, time FROM labels"
    ),
    "transcripts": (
        "SELECT id, prompt, backend, adapter, constitution, constitution_hash, seed, draft, "
        "revision, transcript FROM transcripts"
    ),
}
# A condition that looks at a window of rows gets all of them.
_END = str(2**62)


class Selection(Record):
    """Which rows: a noun, a filter of its own kind, a text to search for, and at most how many."""

    noun: Noun
    filter: Filter | None = None
    search: str = ""
    limit: int | None = None


class Snapshot(Record):
    """A written snapshot. The same rows give the same bytes, and so the same hash."""

    path: Path
    sha256: str
    rows: int


def write(db: Connection, selection: Selection, path: Path) -> Snapshot:
    """Write the selected rows to a Parquet file in HOME/runs or HOME/exchange, ordered by id.

    The file has its name when it is complete.
    Raises InputError where the path lies elsewhere.
    """
    allowed = [db.home / "runs", db.home / "exchange"]
    if not any(path.absolute().is_relative_to(folder) for folder in allowed):
        raise InputError(f"{path} is not in {allowed[0]} or {allowed[1]}; write it there")
    fresh = path.with_name(f".{path.name}.part")
    query = f"{_QUERIES[selection.noun]} WHERE {{}} ORDER BY id"
    if selection.limit is not None:
        query += f" LIMIT {int(selection.limit)}"
    target = str(fresh).replace("'", "''")
    try:
        with db.cursor() as cursor:
            where = _where(db, cursor, selection)
            found = query.format(where.clause).replace("$lower", "1").replace("$upper", _END)
            copied = cursor.execute(f"COPY ({found}) TO '{target}' (FORMAT parquet)", where.values)
            counted = copied.fetchone()
        digest = _hash(fresh)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return Snapshot(path=path, sha256=digest, rows=int(counted[0]) if counted else 0)


def _where(db: Connection, cursor: Cursor, selection: Selection) -> Where:
    wanted, search = selection.filter, selection.search
    match selection.noun, wanted:
        case "responses", ResponseFilter() | None:
            return Responses(db).where(cursor, wanted or ResponseFilter(), search)
        case "comparisons", ComparisonFilter() | None:
            return Comparisons(Responses(db)).where(cursor, wanted or ComparisonFilter(), search)
        case "labels", LabelFilter() | None:
            return Labels(db).where(cursor, wanted or LabelFilter(), search)
        case "transcripts", TranscriptFilter() | None:
            return Transcripts(db).where(cursor, wanted or TranscriptFilter(), search)
    raise InputError(f"a {type(wanted).__name__} does not filter {selection.noun}")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

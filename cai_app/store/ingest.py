"""Taking in the outputs of a finished run: all of it in one transaction, and once."""

import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cai_app import files
from cai_app.errors import CaiError
from cai_app.records import (
    Comparison,
    Label,
    Response,
    RunConfig,
    RunStatus,
    Transcript,
    transcript_id,
)
from cai_app.store.connection import Cursor
from cai_app.store.lineage import Edge
from cai_app.store.outputs import NAME, REJECTED, Line, lines
from cai_app.store.runs import IngestedRun, moment
from cai_app.store.table import Table

if TYPE_CHECKING:
    from cai_app.store import Store

log = logging.getLogger(__name__)
_CHUNK = 5000  # lines


def ingest_finished(home: Path, store: "Store") -> list[IngestedRun]:
    """Take in every run of the home that is done and not in yet, the oldest first.

    A run that cannot be read is logged and tried again the next time; a full disk is raised.
    """
    folder = home / "runs"
    known = store.runs.ids()
    taken = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        # A run that is being deleted has a name with a dot.
        if path.name in known or path.name.startswith("."):
            continue
        if not (status := _status(path)) or status.state != "done":
            continue
        try:
            found = ingest(store, path, status)
        except files.DiskFullError:
            raise
        except (CaiError, OSError) as error:
            log.error("the outputs of %s could not be read: %s", path.name, error)
            continue
        if found is not None:
            taken.append(found)
    return taken


def ingest(store: "Store", path: Path, status: RunStatus) -> IngestedRun | None:
    """Take in one run directory; None where it is in already. Lines that are no rows are kept
    aside in outputs.rejected.jsonl, with their number and the reason."""
    with store.db.cursor() as cursor:
        staged = _Staged(store, cursor, path.name)
        with files.growing(path / REJECTED) as keep_aside:
            for chunk in _chunks(lines(path / NAME)):
                staged.take(chunk, keep_aside)
        config = _config(path)
        with store.db.transaction(cursor):
            if cursor.execute("SELECT 1 FROM runs WHERE id = ?", [path.name]).fetchall():
                return None
            new = staged.merge()
            found = IngestedRun(
                id=path.name,
                kind=status.kind,
                created=moment(status.created),
                ended=moment(status.ended),
                config=config.model_dump_json() if config else None,
                read=staged.read,
                new=new,
                duplicates=staged.read - staged.rejected - new,
                rejected=staged.rejected,
                torn=staged.torn,
            )
            store.runs.stage(cursor, [found])
            store.runs.merge(cursor)
            store.lineage.insert(cursor, _edges(path.name, config, staged))
    if found.torn:
        log.warning("the last line of %s was torn and has been dropped", path / NAME)
    if found.rejected:
        log.warning("%d lines of %s were kept aside in %s", found.rejected, path / NAME, REJECTED)
    return found


class _Staged:
    """What was read so far, in the cursor's own tables."""

    def __init__(self, store: "Store", cursor: Cursor, run: str) -> None:
        self.cursor, self.run = cursor, run
        self.tables: dict[str, Table[Any]] = {
            "comparison": store.comparisons,
            "response": store.responses,
            "transcript": store.transcripts,
            "label": store.labels,
        }
        self.read, self.torn = 0, False
        self.rejected = 0
        self.parents: set[tuple[str, str]] = set()
        self.staged: dict[str, None] = {}
        # `own` is false for the responses that a comparison brings along.
        cursor.execute("CREATE TEMP TABLE staged_lines (type VARCHAR, id VARCHAR, own BOOLEAN)")

    def take(self, chunk: list[Line], keep_aside: Callable[[Mapping[str, Any]], None]) -> None:
        """Sort some lines into tables by their type, and those that are no rows out."""
        for line in chunk:
            if line.torn:
                self.torn = True
                continue
            self.read += 1
            if line.reason is not None:
                self.rejected += 1
                keep_aside({"line": line.number, "reason": line.reason, "raw": line.raw})
        for kind, table in self.tables.items():
            found = [line.record for line in chunk if line.type == kind and line.reason is None]
            if found:
                self.staged.setdefault(kind)
                table.stage(self.cursor, found)
                self._note(kind, found)

    def _note(self, kind: str, found: list[Any]) -> None:
        """Which rows are this run's, and what they were made from."""
        id_of: Callable[[Any], str] = transcript_id if kind == "transcript" else _id
        rows = [(kind, id_of(record), True) for record in found]
        if kind == "comparison":
            rows += [("response", side.id, False) for one in found for side in (one.a, one.b)]
        with self.cursor.appender("staged_lines", columns=["type", "id", "own"]) as appender:
            appender.append_rows(rows)
        for record in found:
            self.parents |= _parents(record)

    def merge(self) -> int:
        """Within the transaction: add it all; returns how many rows of the file were new."""
        new = sum(self._new(kind) for kind in self.staged)
        for kind in self.staged:
            self.tables[kind].merge(self.cursor)
        # A comparison brings its responses along.
        made = {*self.staged, *(("response",) if "comparison" in self.staged else ())}
        for kind in sorted(made):
            self.cursor.execute(
                f"INSERT INTO outputs SELECT ?, ?, seq FROM {self.tables[kind].name} WHERE id IN "
                "(SELECT id FROM staged_lines WHERE type = ?)",
                [self.run, kind, kind],
            ).fetchall()
        return new

    def _new(self, kind: str) -> int:
        row = self.cursor.execute(
            "SELECT count(DISTINCT id) FROM staged_lines WHERE own AND type = ? "
            f"AND id NOT IN (SELECT id FROM {self.tables[kind].name})",
            [kind],
        ).fetchone()
        assert row
        return int(row[0])


def _id(record: Any) -> str:
    return str(record.id)


def _parents(record: Any) -> set[tuple[str, str]]:
    """Constitution and backends of one row, with the relation."""
    if isinstance(record, Response | Comparison):
        sides = (record.a, record.b) if isinstance(record, Comparison) else (record,)
        return {(side.model, "by") for side in sides if side.model is not None}
    if isinstance(record, Transcript):
        under, backend = record.constitution, record.backend
    elif isinstance(record, Label) and record.rater.constitution and record.rater.backend:
        under, backend = record.rater.constitution, record.rater.backend
    else:
        return set()
    return {(f"{under.name}@{under.hash}", "under"), (backend, "by")}


def _edges(run: str, config: RunConfig | None, staged: _Staged) -> list[Edge]:
    read = {(f"sha256:{digest}", "read") for digest in (config.inputs if config else {}).values()}
    return [
        Edge(child=run, parent=parent, relation=relation)
        for parent, relation in sorted(staged.parents | read)
    ]


def _chunks(found: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(found, _CHUNK)):
        yield chunk


def _status(path: Path) -> RunStatus | None:
    try:
        return RunStatus.model_validate_json((path / "status.json").read_bytes())
    except (OSError, ValueError):
        return None


def _config(path: Path) -> RunConfig | None:
    try:
        return RunConfig.model_validate(yaml.safe_load((path / "config.yaml").read_text("utf-8")))
    except (OSError, ValueError, yaml.YAMLError):  # ValueError: no UTF-8, or no config
        return None

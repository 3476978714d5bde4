"""Transcripts: whole critique-revision chains, with all that is needed to replay them."""

import json
from collections.abc import Sequence
from typing import Any

from cai_app.records import Record, Transcript, transcript_id
from cai_app.store.connection import Cursor
from cai_app.store.paging import Page, Where, newest
from cai_app.store.table import Table


class TranscriptFilter(Record):
    """Which transcripts; None is any. `source` is a run."""

    source: str | None = None
    backend: str | None = None
    constitution: str | None = None


class Transcripts(Table[Transcript]):
    """The table `transcripts`."""

    name = "transcripts"
    columns = (
        "id", "prompt", "backend", "adapter", "constitution", "constitution_hash", "seed",
        "draft", "revision", "transcript",
    )  # fmt: skip

    def values(self, record: Transcript) -> tuple[Any, ...]:
        answers = [step.text for step in record.steps if step.kind != "critique"]
        under = record.constitution
        return (
            transcript_id(record), record.prompt, record.backend, record.adapter,
            # The column is for asking; the transcript itself keeps a seed of any size.
            under.name, under.hash, record.seed if abs(record.seed) < 2**63 else None,
            answers[0] if answers else None, answers[-1] if answers else None,
            record.model_dump_json(),
        )  # fmt: skip

    def record(self, values: Sequence[Any]) -> Transcript:
        return Transcript.model_validate(json.loads(values[-1]))

    def where(self, cursor: Cursor, wanted: TranscriptFilter, search: str = "") -> Where:
        """The conditions of a filter and a search through prompts, drafts and last revisions."""
        where = Where()
        where.from_source(cursor, "transcript", wanted.source, column=None)
        where.equal("backend", wanted.backend)
        where.equal("constitution", wanted.constitution)
        where.contains(("prompt", "draft", "revision"), search)
        return where

    def page(
        self,
        wanted: TranscriptFilter | None = None,
        *,
        search: str = "",
        before: int | None = None,
        limit: int = 50,
    ) -> Page[Transcript]:
        """A page of transcripts, the newest first; `before` is the `next` of the page above."""
        with self.db.cursor() as cursor:
            where = self.where(cursor, wanted or TranscriptFilter(), search)
            rows, following = newest(
                cursor, "SELECT seq, transcript FROM transcripts", 
                where=where, before=before, limit=limit, top=self.top(cursor),
            )  # fmt: skip
        return Page(rows=tuple(self.record(row) for row in rows), next=following)

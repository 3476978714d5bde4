"""The SQL console: one SELECT, its rows as text, how long it took, and mistakes as sentences."""

import itertools
import json
import logging
import time
from typing import Any, NamedTuple

import gradio as gr

from cai_app.errors import CaiError, InputError
from cai_app.workbench import Workbench
from components.data.view import Answered
from components.shared import sentence, text_of

log = logging.getLogger(__name__)

# The same query asked twice is two answers: the page hears of a value only if it differs.
SERIALS = itertools.count(1)
MOST = 500  # rows shown; the command line gives all
WIDEST = 2000  # characters of a cell


class Example(NamedTuple):
    """A question to click."""

    title: str
    query: str


EXAMPLES = (
    Example(
        "Which tables are there, and how many rows has each?",
        "SELECT table_name, estimated_size AS rows, column_count AS columns\n"
        "FROM duckdb_tables() ORDER BY table_name",
    ),
    Example(
        "How long are responses, by model?",
        "SELECT model, adapter, count(*) AS n, round(avg(length(text))) AS characters\n"
        "FROM responses GROUP BY ALL ORDER BY n DESC",
    ),
    Example(
        "How much does a revision change the length of the draft?",
        "SELECT constitution, count(*) AS chains,\n"
        "       round(avg(length(revision) - length(draft)), 1) AS longer_by\n"
        "FROM transcripts GROUP BY constitution ORDER BY chains DESC",
    ),
    Example(
        "Which principles were drawn, and how often?",
        "SELECT step->>'principle' AS principle, count(*) AS times\n"
        "FROM (SELECT unnest(from_json(transcript->'steps', '[\"JSON\"]')) AS step "
        "FROM transcripts)\n"
        "WHERE step->>'kind' = 'revision' GROUP BY principle ORDER BY times DESC",
    ),
    Example(
        "What did the latest labels say, by rater?",
        "SELECT r.kind AS rater, l.kind, count(*) AS n, round(avg(l.value), 3) AS mean,\n"
        "       count(*) FILTER (l.value IS NULL) AS unscored\n"
        "FROM latest_labels l JOIN raters r ON r.id = l.rater GROUP BY ALL ORDER BY n DESC",
    ),
)


def sql(workbench: Workbench, event: gr.EventData) -> dict[str, Any]:
    """The answer to a query, or why there is none."""
    query = text_of(event, "query", 20_000)
    begun = time.perf_counter()
    try:
        if not query.strip():
            raise InputError("there is no query; type one SELECT, or click an example")
        found = workbench.store.sql(query, limit=MOST)
    except Exception as error:
        if not isinstance(error, CaiError):
            log.exception("the query failed")
        failed = Answered(
            state="failed", serial=next(SERIALS), query=query, message=sentence(error)
        )
        return failed.model_dump(mode="json")
    answered = Answered(
        state="ready",
        serial=next(SERIALS),
        query=query,
        columns=found.columns,
        rows=tuple(tuple(map(_cell, row)) for row in found.rows),
        truncated=found.truncated,
        took_ms=round((time.perf_counter() - begun) * 1000),
    )
    return answered.model_dump(mode="json")


def _cell(value: Any) -> str | None:
    """A value as text; None stays apart from an empty text."""
    if value is None or isinstance(value, str):
        text = value
    elif isinstance(value, float):
        text = f"{value:.6g}"
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if text is None or len(text) <= WIDEST else f"{text[:WIDEST]}…"

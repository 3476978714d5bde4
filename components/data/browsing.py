"""Pages of the Data tab: a question from the browser in, one page of rows out."""

import logging
import time
from typing import Any, NamedTuple

import gradio as gr
from pydantic import ValidationError

from cai_app.errors import CaiError, InputError
from cai_app.workbench import Workbench
from components.data import rows
from components.data.view import NOUNS, Column, Filter, Line, Query, Table
from components.shared import role, sentence

log = logging.getLogger(__name__)

SIZE = 40  # rows of a page
YES_NO = ("yes", "no")
STATES = ("queued", "running", "stopped", "paused", "failed", "dead", "done")
# What each noun can be narrowed to: the filter's name in the store, and its words on the page.
FILTERS: dict[str, dict[str, str]] = {
    "responses": {"source": "from", "model": "model", "adapter": "adapter"},
    "comparisons": {"source": "from", "model": "model", "labelled": "labelled",
                    "rater_kind": "labelled by"},
    "transcripts": {"source": "from", "backend": "model", "constitution": "constitution"},
    "labels": {"kind": "kind", "rater_kind": "rater", "scored": "scored", "principle": "principle",
               "run": "from"},
    "runs": {"kind": "kind", "state": "state"},
}  # fmt: skip
_SWITCHES = ("labelled", "scored")


class _Page(NamedTuple):
    """Rows with the cursor of the page after."""

    columns: tuple[Column, ...]
    rows: tuple[Line, ...]
    next: int | None


def ask(workbench: Workbench, event: gr.EventData) -> dict[str, Any]:
    """One page; a store that cannot be used is told on the page, and nothing else is kept from
    working."""
    query = read_query(event._data)
    try:
        return table(workbench, query).model_dump(mode="json")
    except Exception as error:
        if not isinstance(error, CaiError):
            log.exception("a page of %s failed", query.noun)
        return Table(state="failed", query=query, message=sentence(error)).model_dump(mode="json")


def read_query(data: Any) -> Query:
    """What the browser asks for. Raises InputError where an old or a strange page asks."""
    try:
        return Query.model_validate(data or {})
    except ValidationError as error:
        raise InputError("this page asked for rows in an unknown way; reload it") from error


def table(workbench: Workbench, query: Query) -> Table:
    """The page that is asked for. Raises CaiError where the store cannot be used."""
    store, listed = workbench.store, workbench.runs.list()
    page = _runs(workbench, query) if query.noun == "runs" else _rows(workbench, query)
    done = {info.id for info in listed if info.state == "done"}
    pending = len(done - store.runs.ids())
    return Table(
        state="ready",
        query=query,
        columns=page.columns,
        rows=page.rows,
        size=SIZE,
        next=page.next,
        filters=_filters(workbench, query.noun),
        counts={"runs": len(listed), **{one: getattr(store, one).count() for one in NOUNS[:-1]}},
        pending=pending,
        trouble=sentence(InputError(workbench.trouble)) if pending and workbench.trouble else "",
        may_write=role(workbench) == "owner",
    )


def _rows(workbench: Workbench, query: Query) -> _Page:
    from cai_app import store  # DuckDB is imported when rows are first asked for

    forms: dict[str, Any] = {
        "responses": store.ResponseFilter,
        "comparisons": store.ComparisonFilter,
        "transcripts": store.TranscriptFilter,
        "labels": store.LabelFilter,
    }
    wanted = forms[query.noun](**_chosen(query))
    found = getattr(workbench.store, query.noun).page(
        wanted, search=query.search, before=query.before, limit=SIZE
    )
    current = workbench.current_versions()
    lines = tuple(rows.line(record, current) for record in found.rows)
    return _Page(rows.COLUMNS[query.noun], lines, found.next)


def _chosen(query: Query) -> dict[str, Any]:
    """The filters that are set, as the store has them; unknown ones are left out."""
    known = FILTERS[query.noun]
    chosen = {name: value for name, value in query.filters.items() if name in known and value}
    return {name: value == "yes" if name in _SWITCHES else value for name, value in chosen.items()}


def _runs(workbench: Workbench, query: Query) -> _Page:
    """Runs from their directories; the cursor counts runs from the newest."""
    chosen, words = _chosen(query), query.search.strip().lower()
    found = [
        info
        for info in workbench.runs.list()
        if all(getattr(info, name) == value for name, value in chosen.items())
        and words in f"{info.id} {info.note} {info.error or ''}".lower()
    ]
    first = query.before or 0
    shown = found[first : first + SIZE]
    made = workbench.store.tracing.rows_of_runs()
    lines = tuple(rows.run_line(info, made.get(info.id, {}), time.time()) for info in shown)
    following = first + SIZE if len(found) > first + SIZE else None
    return _Page(rows.COLUMNS["runs"], lines, following)


def _filters(workbench: Workbench, noun: str) -> tuple[Filter, ...]:
    if noun == "runs":
        kinds = sorted({info.kind for info in workbench.runs.list()})
        values: dict[str, tuple[str, ...]] = {"kind": tuple(kinds), "state": STATES}
    else:
        values = {**dict.fromkeys(_SWITCHES, YES_NO), **workbench.store.facets.of(noun)}
    return tuple(
        Filter(name=name, label=label, values=values.get(name, ()))
        for name, label in FILTERS[noun].items()
    )

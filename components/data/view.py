"""What the Data tab shows, as frozen records; in the browser they are plain JSON."""

from typing import Literal

from cai_app.records import Record
from cai_app.workbench.lineage import Currency, Lineage
from cai_app.workbench.words import Piece

Noun = Literal["responses", "comparisons", "transcripts", "labels", "runs"]
NOUNS: tuple[Noun, ...] = ("responses", "comparisons", "transcripts", "labels", "runs")
# How a column is drawn: a text of two lines, a short tag, a number, an id or name.
Kind = Literal["text", "tag", "number", "name"]


class Query(Record):
    """Which rows are asked for. `before` is the `next` of the page above; `serial` tells one
    answer from a later one."""

    noun: Noun = "responses"
    search: str = ""
    filters: dict[str, str] = {}
    before: int | None = None
    serial: int = 0


class Column(Record):
    """A column of the table."""

    name: str
    kind: Kind = "text"


class Line(Record):
    """A row of the table. `version` tells of the constitution it was made under."""

    id: str
    cells: tuple[str, ...]
    version: Currency | None = None


class Filter(Record):
    """A filter, and what it can be set to."""

    name: str
    label: str
    values: tuple[str, ...]


class Table(Record):
    """One page of rows, the newest first.

    `pending` counts runs that are done and about to be taken in, `trouble` says why the last try
    to do so failed. Rows fewer than `size` with a
    `next` mean that the search went on for long enough: going on searches further back.
    """

    state: Literal["new", "ready", "failed"] = "new"
    query: Query = Query()
    columns: tuple[Column, ...] = ()
    rows: tuple[Line, ...] = ()
    size: int = 0
    next: int | None = None
    filters: tuple[Filter, ...] = ()
    counts: dict[str, int] = {}
    pending: int = 0
    trouble: str = ""
    message: str = ""
    may_write: bool = False


class Card(Record):
    """A text to read. `kind` gives its colour; `diff` is against the answer before it."""

    kind: Literal["draft", "critique", "revision", "a", "b", "plain"]
    title: str
    text: str
    meta: str = ""
    request: str = ""
    flags: tuple[str, ...] = ()
    diff: tuple[Piece, ...] | None = None


class Fact(Record):
    """A named value of a row; `noun` and `id` where it can be opened."""

    name: str
    value: str
    noun: Noun | None = None
    id: str = ""


class LabelLine(Record):
    """A label about the row that is read."""

    id: str
    rater: str
    kind: str
    value: str
    principle: str
    version: Currency | None = None


class Reading(Record):
    """A row, whole. `pair` says that two of its texts can be sent to Judge."""

    state: Literal["empty", "ready", "failed"] = "empty"
    serial: int = 0
    noun: Noun = "responses"
    id: str = ""
    prompt: str = ""
    facts: tuple[Fact, ...] = ()
    cards: tuple[Card, ...] = ()
    labels: tuple[LabelLine, ...] = ()
    config: str = ""
    lineage: Lineage | None = None
    pair: bool = False
    message: str = ""


class Answered(Record):
    """What the SQL console shows; `took_ms` is the whole query, and `serial` tells two answers to
    the same one apart."""

    state: Literal["empty", "ready", "failed"] = "empty"
    serial: int = 0
    query: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    truncated: bool = False
    took_ms: int = 0
    message: str = ""


class Plan(Record):
    """What a run would do and need, and how to start it by hand; `started` is a run's id."""

    state: Literal["empty", "ready", "failed"] = "empty"
    work: str = ""
    needs: str = ""
    fits: bool = True
    command: str = ""
    message: str = ""
    started: str = ""

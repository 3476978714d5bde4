"""What the Agreement tab shows, as frozen records; in the browser they are plain JSON."""

from typing import Any, Literal

from cai_app.records import AuditReport, Record


class Step(Record):
    """One thing to do before there is anything to compare; `tab` is where."""

    title: str
    text: str
    done: bool
    tab: str
    button: str


class Line(Record):
    """A published value, as a named line behind the bars: of another task, never a bar."""

    name: str
    value: float


# Of people with each other; HH 2204.05862 2.1, InstructGPT 2203.02155 3.2.
PUBLISHED = (
    Line(name="Anthropic’s researchers with crowdworkers (2204.05862)", value=0.63),
    Line(name="InstructGPT’s labelers with each other (2203.02155)", value=0.726),
)


class Agreement(Record):
    """The value of the tab's part.

    `asked` is what `report` answers, to be sent back for its rows or its file; `names` are the
    raters in words, the audited one first, then those beside it.
    """

    state: Literal["new", "working", "empty", "ready", "failed"] = "new"
    asked: dict[str, Any] = {}
    report: AuditReport | None = None
    names: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    published: tuple[Line, ...] = ()
    steps: tuple[Step, ...] = ()
    command: str = ""
    message: str = ""
    serial: int = 0

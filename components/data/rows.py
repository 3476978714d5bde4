"""Records as lines of the table: short texts, so that a page stays light."""

import time
from collections.abc import Mapping

from cai_app.records import (
    Comparison,
    ConstitutionRef,
    Label,
    Rater,
    Response,
    RunInfo,
    Transcript,
    transcript_id,
)
from cai_app.workbench.lineage import version
from components.data.view import Column, Line

SHORT = 220  # characters of a text in the table


def _columns(*named: str) -> tuple[Column, ...]:
    """Columns from `name` or `name/kind`."""
    pairs = [one.partition("/") for one in named]
    return tuple(Column(name=name, kind=kind or "text") for name, _, kind in pairs)


COLUMNS: dict[str, tuple[Column, ...]] = {
    "responses": _columns("Prompt", "Response", "Model/name", "From/name"),
    "comparisons": _columns("Prompt", "A", "B", "From/name"),
    "transcripts": _columns("Prompt", "Draft", "Last revision", "Constitution/tag", "Model/name"),
    "labels": _columns("Label/tag", "Value/number", "Rater/name", "Constitution/tag",
                       "Principle/name", "About/name"),
    "runs": _columns("Run/name", "State/tag", "Done/number", "Rows", "Started/name",
                     "Took/number"),
}  # fmt: skip


def line(record: Response | Comparison | Transcript | Label, current: Mapping[str, str]) -> Line:
    """A row of the store; `current` is hash by name of the constitutions as they stand."""
    match record:
        case Response(prompt=prompt, text=text):
            cells = prompt, text, model_name(record.model, record.adapter), record.source or ""
            return _line(record.id, cells)
        case Comparison(prompt=prompt, a=a, b=b):
            return _line(record.id, (prompt, a.text, b.text, record.source or ""))
        case Transcript(prompt=prompt, constitution=under):
            answers = [step.text for step in record.steps if step.kind != "critique"] or [""]
            model = model_name(record.backend, record.adapter)
            cells = prompt, answers[0], answers[-1] if len(answers) > 1 else "", ref_name(under)
            return _line(transcript_id(record), (*cells, model), under, current)
        case Label(rater=rater):
            cells = (
                record.kind, value_of(record), rater_name(rater), ref_name(rater.constitution),
                record.principle or "", f"{record.about} {record.subject[:8]}",
            )  # fmt: skip
            return _line(record.id, cells, rater.constitution, current)
    raise AssertionError(f"no line for {type(record).__name__}")


def run_line(info: RunInfo, made: Mapping[str, int], now: float) -> Line:
    """A run, with the rows that it gave."""
    share = f"{100 * info.done // info.total} %" if info.total else str(info.done)
    given = ", ".join(counted(count, kind) for kind, count in made.items())
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(info.started or info.created))
    took = clock((info.ended or now) - info.started) if info.started else ""
    return Line(id=info.id, cells=(info.id, info.state, share, given, begun, took))


def counted(count: int, kind: str) -> str:
    """`1 response`, `1,200 labels`."""
    return f"{count:,} {kind}{'' if count == 1 else 's'}"


def model_name(model: str | None, adapter: str | None) -> str:
    """A model with its adapter, where the spec does not name it already."""
    if not model:
        return ""
    return model if not adapter or "@" in model else f"{model} · {adapter}"


def rater_name(rater: Rater) -> str:
    """Who labelled, in a few words."""
    named = rater.name or rater.backend or ""
    return f"{rater.kind.replace('_', ' ')}: {named}{' · reasoned' if rater.cot else ''}"


def value_of(label: Label) -> str:
    """The value of a label; unscored stays unscored, and is no number."""
    return "unscored" if label.value is None else f"{label.value:.2f}"


def ref_name(ref: ConstitutionRef | None) -> str:
    """A version in a few characters."""
    return f"{ref.name} · {ref.hash[:6]}" if ref else ""


def clock(seconds: float) -> str:
    """Minutes and seconds, hours where there are any."""
    hours, rest = divmod(max(0, round(seconds)), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _line(
    id: str,
    cells: tuple[str, ...],
    under: ConstitutionRef | None = None,
    current: Mapping[str, str] | None = None,
) -> Line:
    short = tuple(cell if len(cell) <= SHORT else f"{cell[:SHORT]}…" for cell in cells)
    return Line(id=id, cells=short, version=version(under, current or {}) if under else None)

"""`audit`: AI labels against people's, with intervals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from cai_app import files
from cai_app.commands.output import from_caller, only_json, parsed
from cai_app.records import AuditOptions, AuditReport
from cai_app.records.report import Ci
from cai_app.workbench import Workbench
from cai_app.workbench.audit import wording


@dataclass(frozen=True)
class Audit:
    """Hold AI labels against people's: agreement, kappa, alpha, calibration, biases, and what
    people would say of the whole pool."""

    ai: str | None = None
    """Who is audited: an id, name or backend; who has most in common with the people"""
    human: str | None = None
    """Against whom: ids or names, with commas; all people. A reference rule is taken if named"""
    kind: Literal["preference", "refusal"] = "preference"
    """What is audited: which response is better, or which responses refuse"""
    queue: str | None = None
    """The spot-check queue; the newest one with answers. none: labels wherever they come from"""
    slice: str | None = None
    """principle, constitution, source, confidence, length, model or question; or a condition:
    confidence>=0.9"""
    question: str | None = None
    """Only where the AI was asked this question"""
    width: float = 0.03
    """Count the labels that are missing to ± this"""
    report: Path | None = None
    """Write the report as one HTML file, too"""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], workbench: Workbench) -> int:
    """Run the command."""
    asked = parsed(Audit, argv, "audit")
    with only_json(asked.json) as show:
        options = AuditOptions(
            kind=asked.kind,
            ai=asked.ai,
            human=asked.human,
            queue=asked.queue,
            slice=asked.slice,
            question=asked.question,
            width=asked.width,
        )
        found = workbench.audit(options)
        if asked.report is not None:
            files.replace(from_caller(asked.report), workbench.audit_page(options))
        if asked.json:
            show(found.model_dump(mode="json"))
        else:
            print(_text(found))
    return 0


def _text(found: AuditReport) -> str:
    """The report for people."""
    whom = ", ".join(str(one.name) for one in found.human[:4])
    lines = [
        f"{found.ai.backend or found.ai.name} against {whom} ({found.against})",
        f"  {found.n} answers about {found.comparisons} of {found.pool} {wording.row_of(found)}s; "
        f"drawn {found.sampling}",
        _line("agreement", found.agreement, found.ci),
        _line("unweighted, you would say", found.unweighted, found.unweighted_ci),
    ]
    for name, figure in (
        ("corrected agreement", found.corrected.agreement),
        (wording.rate_of(found), found.corrected.preference),
    ):
        if figure is not None:
            lines.append(_line(name, figure.estimate, figure.ci))
    both = {
        "kappa, ties out": (found.kappa.ties_out, "kappa_out"),
        "kappa, ties half": (found.kappa.ties_half, "kappa_half"),
        "alpha": (found.alpha, "alpha"),
        "people with people": (found.human_human, "human_human"),
        "calibration error": (found.ece, "ece"),
        "order gap": (found.order_gap, "order_gap"),
        "flips after a swap": (found.flip_rate, "flip_rate"),
        "longer wins, AI": (found.longer_wins, "longer_wins"),
        "longer wins, people": (found.human_longer_wins, "human_longer_wins"),
        wording.always(found)[0]: (found.always_a, "always_a"),
    }
    lines += [_line(name, value, found.intervals.get(key)) for name, (value, key) in both.items()]
    for other in found.beside:
        whom = f"{wording.rater_name(other.rater)}, same people, n {other.n}"
        lines.append(_line(whom, other.agreement, other.ci))
    lines += [f"  left out: {count} {reason}" for reason, count in found.left_out.items()]
    if (more := wording.still_needed(found)) is not None:
        lines.append(f"  {more}")
    for one in found.slices:
        mark = " (few)" if one.few else ""
        lines.append(_line(f"{one.by} {one.name}, n {one.n}{mark}", one.agreement, one.ci))
    return "\n".join(lines)


def _line(name: str, value: float | None, ci: Ci | None) -> str:
    shown = "unknown" if value is None else f"{value:.3f}"
    span = "" if ci is None else f"  [{ci[0]:.3f}, {ci[1]:.3f}]"
    return f"  {name:36} {shown}{span}"

"""The audit report as one HTML file that needs nothing else: numbers, plots, disagreements, method.

Model text is hostile: everything that was not written here goes through `html.escape`.
"""

import html
import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cai_app import prompts
from cai_app.records import AuditKind, AuditReport
from cai_app.records.report import Ci
from cai_app.workbench.audit import plots
from cai_app.workbench.audit.reading import Example
from cai_app.workbench.audit.wording import always, rate_of, rater_name, row_of, still_needed

if TYPE_CHECKING:
    from cai_app.store import Store

SHOWN = 12
TIES: dict[AuditKind, str] = {"preference": "tie", "refusal": "partly"}
_LIBRARIES = ("numpy", "duckdb", "transformers", "peft", "bitsandbytes")
_STYLE = """
:root{color-scheme:light dark;--line:#8884;--ink:#1a1a1a;--paper:#fdfcf9;--ai:#4054b2;
--human:#b2542d}
@media(prefers-color-scheme:dark){:root{--ink:#e8e6e1;--paper:#191a1c;--ai:#93a3f5;--human:#eb9b76}}
body{font:16px/1.55 Georgia,serif;color:var(--ink);background:var(--paper);max-width:46rem;
margin:2rem auto;padding:0 1rem}h1,h2{line-height:1.2}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);
vertical-align:top}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
td.n:last-child{white-space:normal}
.big{font-size:2.2rem}.quiet{opacity:.75}.few{opacity:.5}pre{white-space:pre-wrap;font:inherit;
margin:.2rem 0;border-left:3px solid var(--line);padding-left:.7rem}svg{max-width:100%}
svg text{fill:currentColor;font-size:11px}details{margin:.6rem 0}
"""
# What each number is, and where its method is from.
_METHODS: tuple[tuple[str, str, str], ...] = (
    ("kappa_out", "Cohen's kappa, ties left out", "Cohen 1960, on sides in a seeded random order"),
    ("kappa_half", "Cohen's kappa, ties as half", "a tie counts half for either side"),
    ("alpha", "Krippendorff's alpha", "Krippendorff 2004, nominal; the AI as one of the raters"),
    ("human_alpha", "alpha of the people alone", "the same without the AI"),
    ("human_human", "people with people", "pairs of people on the same row"),
    ("ece", "calibration error", "Naeini et al. 2015, ten bins of the AI's confidence"),
    ("brier", "Brier score", "Brier 1950, of P(a) against what people chose"),
    ("order_gap", "order gap", "mean distance of P(a) between the two orders, over the pool"),
    ("first_gain", "gain of being shown first", "mean of P(a) first minus P(a) second"),
    ("flip_rate", "flips after a swap", "the other response is chosen in the other order"),
    ("longer_wins", "longer wins, AI", "where one response is longer; a tie counts half"),
    ("human_longer_wins", "longer wins, people", "the people's own, on the same rows"),
)


def page(store: "Store", found: AuditReport, shown: Sequence[Example]) -> str:
    """The report as HTML text, with some disagreements to read."""
    parts = [
        _head(found),
        _headline(found),
        _beside(found),
        _numbers(found),
        _confusion(found),
        "<h2>Calibration</h2>",
        "<p>How often people agree, by how sure the AI was. On the line, promise is kept.</p>",
        plots.reliability(found.calibration),
        _bins(found),
        "<h2>Slices</h2>",
        f"<p class=quiet>{_text(found.slices_note)}. Slices under 20 answers are "
        "greyed: nothing is to be read into them.</p>",
        plots.intervals([one for one in found.slices if one.ci is not None][:24]),
        _slices(found),
        _disagreements(shown),
        _provenance(store, found),
    ]
    title = f"Audit of {_name(found)}"
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _span(ci: Ci | None) -> str:
    return "" if ci is None else f"[{ci[0]:.3f}, {ci[1]:.3f}]"


def _name(found: AuditReport) -> str:
    return str(found.ai.backend or found.ai.name)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already; the first one of a row that starts with * is greyed."""
    names = "".join(f"<th>{_text(name)}" for name in head)
    body = "".join(
        f"<tr{' class=few' if row[0].startswith('*') else ''}>"
        + "".join(f"<td class=n>{cell.removeprefix('*')}" for cell in row)
        for row in rows
    )
    return f"<table><tr>{names}{body}</table>"


def _head(found: AuditReport) -> str:
    people = ", ".join(_text(one.name) for one in found.human)
    return (
        f"<h1>{_text(_name(found))} against {people}</h1><p>{found.n} answers about "
        f"{found.comparisons} of {found.pool} {row_of(found)}s. Sampling: {_text(found.sampling)}."
        "</p>"
    )


def _headline(found: AuditReport) -> str:
    figure = found.corrected.agreement
    best, ci = (figure.estimate, figure.ci) if figure else (found.agreement, found.ci)
    lines = [
        f"<p class=big>{_number(best)} <span class=quiet>{_span(ci)}</span></p>"
        "<p>of the pool would get the same answer from a person as from the AI, by the corrected "
        "estimate (weighted prediction-powered inference, arXiv 2301.09633, power-tuned, with a "
        "cross-fitted predictor of confidence, order gap, length and principle).</p>",
        f"<p>The sample alone, weighted by its chances, says {_number(found.agreement)} "
        f"{_span(found.ci)}. <em>Unweighted, you would have concluded "
        f"{_number(found.unweighted)} {_span(found.unweighted_ci)}.</em></p>",
    ]
    if (more := still_needed(found)) is not None:
        lines.append(f"<p>{more[:1].upper()}{more[1:]}.</p>")
    if found.skips is not None and found.skips.skipped:
        skips = found.skips
        lines.append(
            f"<p>{skips.skipped} of {skips.served} were skipped ({skips.skip_rate:.1%}): with all "
            f"of them at the worst the agreement is {skips.worst:.3f}, at the best "
            f"{skips.best:.3f}.</p>"
        )
    lines += [f"<p>Left out: {n} {_text(why)}.</p>" for why, n in found.left_out.items()]
    return "".join(lines)


def _numbers(found: AuditReport) -> str:
    values = {
        **found.model_dump(),
        "kappa_out": found.kappa.ties_out,
        "kappa_half": found.kappa.ties_half,
    }
    rows = [
        (_text(name), _number(values[key]), _span(found.intervals.get(key)), _text(method))
        for key, name, method in [*_METHODS, ("always_a", *always(found))]
    ]
    preference = found.corrected.preference
    if preference is not None:
        shown = _number(preference.estimate), _span(preference.ci)
        rows.append(
            (_text(rate_of(found)), *shown, "corrected over the pool, with P(a) as predictor")
        )
    return "<h2>All numbers</h2>" + _table(("", "value", "95 %", "method"), rows)


def _beside(found: AuditReport) -> str:
    """Others against the same people, and the people among themselves."""
    rows = [
        (
            f"{'*' if one.n < 20 else ''}{_text(rater_name(one.rater))}",
            str(one.n),
            _number(one.agreement),
            _span(one.ci),
        )
        for one in found.beside
    ]
    if found.human_human is not None:
        span = _span(found.intervals.get("human_human"))
        between = "people with each other", str(found.human_human_pairs)
        rows.append((*between, _number(found.human_human), span))
    if not rows:
        return ""
    head = ("against the same people", "n", "agreement", "95 %")
    return "<h2>Beside it</h2>" + _table(head, rows)


def _confusion(found: AuditReport) -> str:
    names = {"first": found.sides[0], "tie": TIES[found.kind], "second": found.sides[1]}
    rows = [
        (_text(names[one.ai]), _text(names[one.human]), str(one.n), f"{one.share:.3f}")
        for one in found.confusion
    ]
    if not rows:
        return ""
    head = ("the AI says", "people say", "n", "share of the weight")
    return "<h2>Who says what</h2>" + _table(head, rows)


def _bins(found: AuditReport) -> str:
    rows = [
        (
            f"{'*' if one.n < 20 else ''}{one.low:.1f}-{one.high:.1f}",
            str(one.n),
            _number(one.confidence),
            _number(one.agreement),
            _span(one.ci),
        )
        for one in found.calibration
    ]
    return _table(("confidence", "n", "promised", "kept", "95 %"), rows)


def _slices(found: AuditReport) -> str:
    rows = [
        (
            f"{'*' if one.few else ''}{_text(one.by)}: {_text(one.name)}",
            str(one.n),
            _number(one.agreement),
            _span(one.ci),
            "" if one.p_value is None else f"{one.p_value:.3f}",
        )
        for one in found.slices
    ]
    return _table(("slice", "n", "agreement", "95 %", "p, Holm"), rows)


def _disagreements(found: Sequence[Example]) -> str:
    if not found:
        return ""
    items = "".join(
        f"<details><summary>{_text(one.prompt.strip()[:90])}</summary><pre>{_text(one.prompt)}"
        f"</pre><p>{_text(one.question or 'the question is unknown')}</p>{_sides(one)}</details>"
        for one in found
    )
    return f"<h2>Disagreements</h2><p>A sample of {len(found)}.</p>{items}"


def _sides(one: Example) -> str:
    if one.b is None:
        return (
            f"<pre>{_text(one.a)}</pre><p>Refusal: {_text(one.rater)} says {one.human:g}, the "
            f"audited rater {one.ai_p:.2f}.</p>"
        )
    preferred, other = (one.a, one.b) if one.human > 0.5 else (one.b, one.a)
    p = one.ai_p if one.human > 0.5 else 1 - one.ai_p
    return (
        f"<p>{_text(one.rater)} prefers:</p><pre>{_text(preferred)}</pre><p>the AI (chance of the "
        f"above {p:.2f}) prefers:</p><pre>{_text(other)}</pre>"
    )


def _provenance(store: "Store", found: AuditReport) -> str:
    under, rater = found.ai.constitution, found.ai
    rows = {
        "AI rater": f"{_name(found)} ({rater.id})",
        "adapter": rater.adapter_hash or "none",
        "constitution": f"{under.name}@{under.hash}" if under else "none",
        "templates": f"{rater.template_hash or 'unknown'}; now {prompts.template_hash()}",
        "few-shots, reasoning": f"{rater.few_shot}, {'yes' if rater.cot else 'no'}",
        "people": ", ".join(f"{one.name} ({one.id})" for one in found.human),
        "queue": found.queue or "none",
        "labels and answers": "version {} / {}".format(*store.queues.version()),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": f"Python {platform.python_version()}, {_versions()}",
    }
    method = (
        "<p class=quiet>Intervals are 95 %. Rates: Wilson under equal chances and one row a "
        "prompt; else Agresti and Coull's with weights and the linearised variance between "
        "prompts. The order gap and the gain of being shown first: that variance with Student's t. "
        "Other numbers: a bootstrap of prompts, 1,000 draws.</p>"
    )
    shown = _table(("", ""), ((_text(name), _text(value)) for name, value in rows.items()))
    return f"<h2>Where this comes from</h2>{shown}{method}"


def _versions() -> str:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)

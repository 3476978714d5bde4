"""Two plots as inline SVG: promise against rate, and rates with their intervals."""

import html
from collections.abc import Sequence

from cai_app.records.report import BinFigure, SliceFigure

_SIDE, _EDGE = 300, 40


def reliability(bins: Sequence[BinFigure]) -> str:
    """Confidence across, agreement upwards, both from a half to one; intervals as bars."""

    def x(value: float) -> float:
        return _EDGE + (value - 0.5) * 2 * _SIDE

    def y(value: float) -> float:
        return _EDGE + (1 - value) * _SIDE

    size = _SIDE + 2 * _EDGE
    parts = [_line(x(0.5), y(0.5), x(1), y(1), dash=True)]
    for tick in (0.5, 0.75, 1.0):
        parts.append(_said(x(tick), y(0) + 16, f"{tick:g}", anchor="middle"))
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [_line(x(0.5), y(tick), x(1), y(tick), faint=True)]
        parts.append(_said(_EDGE - 6, y(tick) + 4, f"{tick:g}", anchor="end"))
    for one in bins:
        if one.confidence is None or one.agreement is None or one.ci is None:
            continue
        at = x(one.confidence)
        parts.append(_line(at, y(one.ci[0]), at, y(one.ci[1])))
        radius = 3 + 12 * one.share**0.5
        parts.append(
            f'<circle cx="{at:.1f}" cy="{y(one.agreement):.1f}" r="{radius:.1f}" '
            f'fill="var(--ai)" fill-opacity="{0.25 if one.n < 20 else 0.7}">'
            f"<title>n {one.n}</title></circle>"
        )
    parts.append(_said(x(0.75), y(0) + 32, "confidence of the AI", anchor="middle"))
    return _svg(size, size, parts, "reliability diagram")


def intervals(slices: Sequence[SliceFigure]) -> str:
    """A row for each slice: its rate, and its interval from 0 to 1."""
    left, width, row = 220, 330, 20

    def x(value: float) -> float:
        return left + value * width

    height = 30 + row * len(slices)
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_line(x(tick), 6, x(tick), height - 18, faint=True))
        parts.append(_said(x(tick), height - 4, f"{tick:g}", anchor="middle"))
    for number, one in enumerate(slices):
        if one.ci is None or one.agreement is None:
            continue
        y = 16 + number * row
        faded = 0.35 if one.few else 1.0
        parts.append(f'<g opacity="{faded}">')
        parts.append(_said(left - 8, y + 4, f"{one.by}: {one.name}"[:34], anchor="end"))
        parts.append(_line(x(one.ci[0]), y, x(one.ci[1]), y))
        parts.append(
            f'<circle cx="{x(one.agreement):.1f}" cy="{y}" r="4" fill="var(--human)"/></g>'
        )
    return _svg(left + width + 20, height, parts, "agreement by slices") if slices else ""


def _svg(width: int, height: int, parts: Sequence[str], label: str) -> str:
    return (
        f'<svg role="img" aria-label="{html.escape(label)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
    )


def _line(
    x1: float, y1: float, x2: float, y2: float, *, dash: bool = False, faint: bool = False
) -> str:
    style = 'stroke-dasharray="4 4" ' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="currentColor" '
        f'{style}stroke-opacity="{0.15 if faint else 0.8}"/>'
    )


def _said(x: float, y: float, text: str, *, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'

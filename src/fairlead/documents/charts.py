"""Small charts as SVG inside a page: no scripts, colours by the page's own style.

Every text that comes from outside goes through `escaped`.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 320
_HEIGHT, _STRIP = 96, 30
MANY = 12
"""From so many bars on they touch, and the window is drawn as a line."""

_MOST_TEXT = 200


def escaped(text: object) -> str:
    """A text that can stand anywhere in a page: no markup, no control character, not endless."""
    shown = str(text)
    shown = shown if len(shown) <= _MOST_TEXT else shown[: _MOST_TEXT - 1] + "\u2026"
    return html.escape("".join(c if c.isprintable() else "\ufffd" for c in shown))


def shown(bars: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The bars that a histogram draws: a scale of many leaves out what lies beside it."""
    return [bar for bar in bars if not bar["beside"]] if len(bars) >= MANY else bars


def histogram(bars: Sequence[Mapping[str, Any]], *, seen: bool, learnt_from: str) -> str:
    """The shares of a column: grey for the rows learnt from, coloured for the window.

    bars: label, learnt, now. seen: a window has ended; else only the rows learnt from are drawn.
    """
    bars = shown(bars)
    if not bars:
        return ""
    top = max(max(bar["learnt"], bar["now"]) for bar in bars) or 1.0
    step = WIDTH / len(bars)
    touching = len(bars) >= MANY
    gap = 0.0 if touching else min(6.0, step * 0.18)
    parts: list[str] = []
    for place, bar in enumerate(bars):
        left = place * step + gap / 2
        parts.append(_rect("learnt", left, step - gap, bar["learnt"] / top))
        if seen and not touching:
            inner = (step - gap) * 0.46
            parts.append(_rect("now", left + (step - gap - inner) / 2, inner, bar["now"] / top))
    if seen and touching:
        parts.append(_outline([bar["now"] / top for bar in bars], step))
    # What a pointer finds: the whole height of a bar says what it is.
    for place, bar in enumerate(bars):
        said = f"{bar['label']}: {bar['learnt']:.1%} of {learnt_from}"
        said += f", {bar['now']:.1%} of the window" if seen else ""
        parts.append(
            f'<rect class="over" x="{place * step:.1f}" y="0" width="{step:.1f}" '
            f'height="{_HEIGHT}"><title>{escaped(said)}</title></rect>'
        )
    parts.append(f'<line class="axis" x1="0" x2="{WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>')
    return _svg(_HEIGHT + 1, f"Shares of {learnt_from} and of the window", parts)


def _rect(kind: str, left: float, width: float, share: float) -> str:
    height = share * (_HEIGHT - 4)
    return (
        f'<rect class="{kind}" x="{left:.1f}" y="{_HEIGHT - height:.1f}" '
        f'width="{max(0.5, width):.1f}" height="{height:.1f}"/>'
    )


def _outline(shares: Sequence[float], step: float) -> str:
    """A line along the tops of bars that touch."""
    path = [f"M0 {_HEIGHT}"]
    for place, share in enumerate(shares):
        path.append(f"V{_HEIGHT - share * (_HEIGHT - 4):.1f}H{(place + 1) * step:.1f}")
    path.append(f"V{_HEIGHT}")
    return (
        f'<path class="now-area" d="{"".join(path)}Z"/><path class="now-line" d="{"".join(path)}"/>'
    )


def strip(past: Sequence[Mapping[str, Any]], line: float) -> str:
    """The distance in each window, oldest first; those with evidence beyond the line stand out.

    line: minus the logarithm (base 10) of the p that the least likely column must fall below.
    """
    if not past:
        return ""
    top = max(0.1, *(window["distance"] for window in past))
    step = min(14.0, WIDTH / len(past))
    parts: list[str] = []
    for place, window in enumerate(past):
        height = max(1.0, window["distance"] / top * (_STRIP - 2))
        beyond = " beyond" if window["surprise"] > line else ""
        p = 10.0 ** -window["surprise"]
        said = f"{window['when']}: {window['rows']} rows, distance {window['distance']:.3f}, "
        parts.append(
            f'<rect class="past{beyond}" x="{place * step:.1f}" y="{_STRIP - height:.1f}" '
            f'width="{max(0.6, step - (1.0 if step > 3 else 0.2)):.1f}" height="{height:.1f}">'
            f"<title>{escaped(said)}p {p:.1g}</title></rect>"
        )
    parts.append(f'<line class="axis" x1="0" x2="{WIDTH}" y1="{_STRIP}" y2="{_STRIP}"/>')
    return _svg(_STRIP + 1, "Distance in the windows before", parts)


def columns(values: Sequence[tuple[str, float, str]], label: str) -> str:
    """A column for each moment, oldest first: its name, its height, what a pointer finds.

    "" where there is nothing above zero.
    """
    top = max((value for _, value, _ in values), default=0.0)
    if top <= 0:
        return ""
    step = WIDTH / len(values)
    parts: list[str] = []
    for place, (_, value, said) in enumerate(values):
        # What is not nothing is seen, however small it is.
        share = max(0.012, value / top) if value else 0.0
        title = f"<title>{escaped(said)}</title></rect>"
        column = _rect("now", place * step + step * 0.12, step * 0.76, share)
        parts.append(column)
        parts.append(
            f'<rect class="over" x="{place * step:.1f}" y="0" width="{step:.1f}" '
            f'height="{_HEIGHT}">{title}'
        )
    parts.append(f'<line class="axis" x1="0" x2="{WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>')
    return _svg(_HEIGHT + 1, label, parts)


def mix(shares: Sequence[tuple[str, str, float]], label: str) -> str:
    """One bar that is made of shares: a class of the style, a name and a value each."""
    whole = sum(value for _, _, value in shares)
    if whole <= 0:
        return ""
    parts: list[str] = []
    left = 0.0
    for kind, name, value in shares:
        width = value / whole * WIDTH
        said = f"{name}: {value:,.0f} ({value / whole:.1%})"
        parts.append(
            f'<rect class="{kind}" x="{left:.2f}" y="0" width="{width:.2f}" height="10">'
            f"<title>{escaped(said)}</title></rect>"
        )
        left += width
    return _svg(10, label, parts)


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escaped(label)}" '
        f'preserveAspectRatio="none">{"".join(parts)}</svg>'
    )

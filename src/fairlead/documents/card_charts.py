"""The charts of a model card as SVG: no scripts, colours by the page's own style.

Every text that comes from outside goes through `escaped`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

from fairlead.documents.card_text import figure, milliseconds, number, share
from fairlead.documents.charts import escaped

Facts = Mapping[str, Any]

_BAR, _BAR_HEIGHT = 240, 14
_WIDTH, _HEIGHT = 460, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 8, 10, 34


def interval(
    metric: str, one: Facts, low: float, high: float, mark: float | None, *, tall: bool = False
) -> str:
    """A figure as a dot on its interval, between the ends of a scale.

    mark: another value on the same scale, drawn as a line across.
    """
    height = 26 if tall else _BAR_HEIGHT
    middle = height / 2

    def x(value: float) -> float:
        inside = min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5
        return 4 + inside * (_BAR - 8)

    ends = [value if value is not None else one["value"] for value in (one["low"], one["high"])]
    parts = [_line("mc-scale", 0, middle, _BAR, middle)]
    if mark is not None:
        parts.append(_line("mc-mark", x(mark), 0, x(mark), height))
    parts.append(_line("mc-span", x(ends[0]), middle, x(ends[1]), middle))
    parts.append(_dot("mc-dot", x(one["value"]), middle, 5.5 if tall else 3.8))
    said = f"{figure(metric, one['value'])}, 95 % interval {figure(metric, one['low'])} to "
    return _svg(_BAR, height, f"{said}{figure(metric, one['high'])}", parts, "mc-bar")


def scale_of(entries: Sequence[Facts], *, share_of_one: bool) -> tuple[float, float]:
    """The ends of a scale on which all intervals have room."""
    found = [one[k] for one in entries for k in ("low", "value", "high") if one[k] is not None]
    if not found:
        return 0.0, 1.0
    low, high = min(found), max(found)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    if share_of_one:
        return max(0.0, low - room), min(1.0, high + room)
    return (max(0.0, low - room) if low >= 0 else low - room), high + room


def reliability(curves: Facts) -> str:
    """How often answers are right, by how sure the model says it is; on the line is honest."""
    parts = [
        *_frame("confidence", "share that is right"),
        _line("mc-ideal", *_at(0, 0), *_at(1, 1)),
    ]
    for kind in ("raw", "calibrated"):
        bins: Sequence[Facts] = (curves.get(kind) or {"bins": ()})["bins"]
        path = " ".join(_point(one["confidence"], one["accuracy"]) for one in bins)
        parts.append(f'<polyline class="mc-line mc-{kind}" points="{path}"/>')
        for one in bins:
            x, low = _at(one["confidence"], one["from"])
            _, high = _at(one["confidence"], one["to"])
            said = (
                f"{kind}: {number(one['n'])} rows with a confidence of {share(one['confidence'])} "
                f"on average, of which {share(one['accuracy'])} are right"
            )
            _, y = _at(one["confidence"], one["accuracy"])
            parts.append(_line(f"mc-whisker mc-{kind}", x, low, x, high))
            parts.append(_dot(f"mc-{kind}", x, y, 3.4, said))
    return _svg(_WIDTH, _HEIGHT, "Reliability of the confidence", parts)


def risk_coverage(told: Facts, error: float) -> str:
    """The share that is wrong among the surest answers, by how many are given."""
    points = [(point[0], point[1]) for point in told["points"]]
    top = max([error, *(risk for _, risk in points)]) or 0.01
    top = min(1.0, top * 1.15)
    parts = [
        *_frame("share of rows answered", "share that is wrong", top),
        _line("mc-ideal", *_at(0, error / top), *_at(1, error / top)),
    ]
    path = " ".join(_point(coverage, risk / top) for coverage, risk in points)
    area = f"{_point(points[0][0], 0)} {path} {_point(points[-1][0], 0)}"
    parts.append(f'<polygon class="now-area" points="{area}"/>')
    parts.append(f'<polyline class="mc-line mc-calibrated" points="{path}"/>')
    for coverage, risk in points[:: max(1, len(points) // 12)]:
        said = f"of the surest {share(coverage)} of answers {share(risk)} are wrong"
        parts.append(_dot("mc-calibrated", *_at(coverage, risk / top), 2.6, said))
    return _svg(_WIDTH, _HEIGHT, "Errors among the surest answers", parts)


def novelty(told: Facts) -> str:
    """The evaluation rows by how strange they are to the guard; level is as it should be."""
    counts: Sequence[int] = told["histogram"]
    whole = sum(counts) or 1
    level = 1 / len(counts)
    top = max(level, max(counts) / whole) * 1.15
    parts = _frame("p-value: strange rows stand on the left", "share of rows", top)
    for place, count in enumerate(counts):
        x, y = _at(place * level, count / whole / top)
        right, bottom = _at((place + 1) * level, 0)
        said = f"p {place * level:.2f} to {(place + 1) * level:.2f}: {number(count)} rows"
        parts.append(
            f'<rect class="mc-column{" mc-strange" if place == 0 else ""}" x="{x + 0.8:.1f}" '
            f'y="{y:.1f}" width="{right - x - 1.6:.1f}" height="{bottom - y:.1f}">'
            f"<title>{escaped(said)}</title></rect>"
        )
    parts.append(_line("mc-ideal", *_at(0, level / top), *_at(1, level / top)))
    return _svg(_WIDTH, _HEIGHT, "How strange the evaluation rows are", parts)


def latency(rows: Sequence[tuple[str, float, float]]) -> str:
    """Times from the median to the 99th percentile on a logarithmic scale, a line for each.

    rows: (name, p50 in ms, p99 in ms).
    """
    known = [(name, max(p50, 1e-4), max(p99, 1e-4)) for name, p50, p99 in rows]
    low = floor(log10(min(p50 for _, p50, _ in known)))
    high = max(low + 1, ceil(log10(max(p99 for _, _, p99 in known))))
    height = 30 + 44 * len(known)

    def x(value: float) -> float:
        return 10 + (log10(value) - low) / (high - low) * (_WIDTH - 20)

    parts: list[str] = []
    for power in range(low, high + 1):
        parts.append(_line("axis", x(10.0**power), 4, x(10.0**power), height - 22))
        anchor = "start" if power == low else "end" if power == high else "middle"
        parts.append(_text(x(10.0**power), height - 8, milliseconds(10.0**power), anchor))
    for place, (name, p50, p99) in enumerate(known):
        y = 34 + 44 * place
        said = f"{name}: {milliseconds(p50)}, 99 % within {milliseconds(p99)}"
        parts.append(_text(10, y - 14, said, "start", "mc-name"))
        parts.append(_line("mc-span", x(p50), y, x(p99), y))
        parts.append(_dot("mc-dot", x(p50), y, 4.4, said))
        parts.append(_line("mc-cap", x(p99), y - 5, x(p99), y + 5))
    return _svg(_WIDTH, height, "Latency", parts)


def completeness(score: float) -> str:
    """How much the owner has said, as a bar."""
    filled = f'<rect class="mc-filled" x="0" y="0" width="{score * 100:.1f}" height="6" rx="3"/>'
    whole = '<rect class="learnt" x="0" y="0" width="100" height="6" rx="3"/>'
    return (
        f'<svg class="mc-score" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" '
        f'aria-label="{score:.0%} complete">{whole}{filled}</svg>'
    )


# --- parts of charts ----------------------------------------------------------------------


def _at(x: float, y: float) -> tuple[float, float]:
    """Where a point of the unit square stands in the frame."""
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    return _LEFT + min(1.0, max(0.0, x)) * wide, _TOP + (1 - min(1.0, max(0.0, y))) * high


def _point(x: float, y: float) -> str:
    left, top = _at(x, y)
    return f"{left:.1f},{top:.1f}"


def _frame(below: str, beside: str, top: float = 1.0) -> list[str]:
    """Axes of shares: from 0 to 1 below, from 0 to `top` beside."""
    parts: list[str] = []
    for step in (0.0, 0.5, 1.0):
        x, y = _at(step, step)
        _, floor_ = _at(0, 0)
        parts.append(_line("axis", _LEFT, y, _WIDTH - _RIGHT, y))
        anchor = {0.0: "start", 1.0: "end"}.get(step, "middle")
        parts.append(_text(x, floor_ + 14, f"{step:g}", anchor))
        parts.append(_text(_LEFT - 6, y + 4, _percent(step * top), "end"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(_text(middle, _HEIGHT - 4, below, "middle", "mc-name"))
    parts.append(_text(_LEFT + 4, _TOP + 11, beside, "start", "mc-name"))
    return parts


def _percent(value: float) -> str:
    return f"{value:.0%}" if value >= 0.1 or not value else f"{value:.1%}"


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _dot(kind: str, x: float, y: float, radius: float, said: str = "") -> str:
    title = f"<title>{escaped(said)}</title>" if said else ""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{title}</circle>'


def _text(x: float, y: float, words: str, anchor: str, kind: str = "mc-tick") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escaped(words)}</text>"
    )


def _svg(width: int, height: int, label: str, parts: Sequence[str], kind: str = "mc-chart") -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escaped(label)}">{"".join(parts)}</svg>'
    )

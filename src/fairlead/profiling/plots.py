"""The plots of a profile: SVG files that stand alone, light or dark as their reader has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path

from fairlead.core.errors import FileUnreadable
from fairlead.core.figures import span
from fairlead.costs.profile import Profile
from fairlead.costs.scaling import most_useful, rate
from fairlead.documents.card_text import number
from fairlead.documents.charts import escaped

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 100, 24, 76, 56
_STEPS = 64
_KINDS = 4
_STYLE = """
:root { color-scheme: light dark; }
svg { --paper: #ffffff; --ink: #1b1f24; --soft: #656d76; --line: #e3e3de;
  --k0: #2463c9; --k1: #c2410c; --k2: #1a7f4b; --k3: #8250df; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #181c20; --ink: #e9ecef; --soft: #98a2ac; --line: #2a3036;
    --k0: #7fb0ff; --k1: #ff8f5e; --k2: #5fd39a; --k3: #c9a6ff; }
}
text { font: 13px system-ui, "Segoe UI", "Noto Sans", sans-serif; fill: var(--soft); }
.title { font-size: 17px; font-weight: 600; fill: var(--ink); }
.name { fill: var(--ink); }
.paper { fill: var(--paper); }
.grid { stroke: var(--line); stroke-width: 1; }
.mark { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 4; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.band { opacity: .16; }
.k0 { stroke: var(--k0); } .k1 { stroke: var(--k1); } .k2 { stroke: var(--k2); }
.k3 { stroke: var(--k3); }
.f0 { fill: var(--k0); } .f1 { fill: var(--k1); } .f2 { fill: var(--k2); } .f3 { fill: var(--k3); }
"""


@dataclass(frozen=True, slots=True)
class Series:
    """A line. points: (x, y). band: (x, low, high) around it. dots: each point is shown."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    dots: bool = True


def plots(profile: Profile) -> dict[str, str]:
    """Every plot by the name of its file."""
    return {
        "service-time.svg": _service(profile),
        "throughput.svg": _throughput(profile),
        "saturation.svg": _saturation(profile),
        "waiting.svg": _waiting(profile),
    }


def write_plots(profile: Profile, folder: Path) -> list[Path]:
    """Writes them; the files. Raises FileUnreadable where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written: list[Path] = []
        for name, content in plots(profile).items():
            (folder / name).write_text(content, encoding="utf-8")
            written.append(folder / name)
    except OSError as error:
        raise FileUnreadable(
            f"the plots cannot be written: {error.strerror}", where=str(folder)
        ) from None
    return written


def _threads(profile: Profile) -> list[int]:
    return list(dict.fromkeys(one.threads for one in profile.services))


def _at_once(count: int) -> str:
    return "one at a time" if count == 1 else f"{count} at once"


def _service(profile: Profile) -> str:
    lines: list[Series] = []
    for threads in _threads(profile):
        own = [one for one in profile.services if one.threads == threads]
        lines.append(
            Series(
                f"{_at_once(threads)}: median, and 1 to 99 %",
                [(one.rows, one.quantiles[50]) for one in own],
                [(one.rows, one.quantiles[1], one.quantiles[99]) for one in own],
            )
        )
    return _chart(_titled(profile, "seconds of one execution"), "rows in it", lines, time=True)


def _throughput(profile: Profile) -> str:
    lines = [
        Series(
            _at_once(threads),
            [
                (one.rows, one.rows * threads / max(one.mean_s, 1e-9))
                for one in profile.services
                if one.threads == threads
            ],
        )
        for threads in _threads(profile)
    ]
    title = _titled(profile, "rows per second, without a server")
    return _chart(title, "rows in one execution", lines)


def _saturation(profile: Profile) -> str:
    points = [(float(p.callers), p.calls_per_s) for p in profile.points]
    last = points[-1][0]
    steps = [1 + (last - 1) * i / _STEPS for i in range(_STEPS + 1)]
    fitted = [(n, rate(profile.scaling, n)) for n in steps]
    turn = most_useful(profile.scaling)
    mark = (turn, f"more callers get less: {turn:.0f}") if 1 < turn <= last else None
    lines = [Series("measured", points)]
    if len(points) > 1:
        name = f"scalability law, off by at most {profile.scaling.worst:.0%}"
        lines.append(Series(name, fitted, dots=False))
    title = _titled(profile, "calls per second of one worker")
    return _chart(title, "callers, each asking when answered", lines, mark=mark)


def _waiting(profile: Profile) -> str:
    lines = [
        Series("median", [(p.callers, p.p50_s) for p in profile.points]),
        Series("99 of 100 within", [(p.callers, p.p99_s) for p in profile.points]),
    ]
    title = _titled(profile, "what a caller waits")
    return _chart(title, "callers, each asking when answered", lines, time=True)


def _titled(profile: Profile, what: str) -> str:
    return f"{profile.model} version {profile.version}: {what}"


# --- drawing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scale:
    """Both axes, logarithmic."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float

    def x(self, value: float) -> float:
        share = _part(value, self.low_x, self.high_x)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = _part(value, self.low_y, self.high_y)
        return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)

    def at(self, x: float, y: float) -> str:
        return f"{self.x(x):.1f},{self.y(y):.1f}"


def _part(value: float, low: float, high: float) -> float:
    span = log10(high) - log10(low)
    return (log10(max(value, low)) - log10(low)) / span if span else 0.5


def _chart(
    title: str,
    below: str,
    lines: Sequence[Series],
    *,
    time: bool = False,
    mark: tuple[float, str] | None = None,
) -> str:
    """A chart of lines. time: the values are seconds. mark: a place on the axis below."""
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    ys += [y for line in lines for _, *ends in line.band for y in ends]
    ys = [y for y in ys if y > 0] or [1.0]
    low, high = floor(log10(min(ys))), ceil(log10(max(ys)))
    scale = _Scale(min(xs), max(xs), 10.0**low, 10.0 ** max(high, low + 1))
    parts = [*_axes(scale, time=time), _words(_LEFT, 26, title, "title")]
    parts.append(_words((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, below, anchor="middle"))
    for place, line in enumerate(lines):
        parts += _drawn(scale, line, place % _KINDS, time=time)
    left = float(_LEFT)
    for place, line in enumerate(lines):
        parts.append(f'<circle class="f{place % _KINDS}" cx="{left + 5:.1f}" cy="46" r="5"/>')
        parts.append(_words(left + 16, 50.5, line.name, "name"))
        left += 36 + 7.2 * len(line.name)
    if mark is not None:
        x = scale.x(mark[0])
        parts.append(_line("mark", x, _TOP, x, _HEIGHT - _BOTTOM))
        parts.append(_words(x - 6, _HEIGHT - _BOTTOM - 10, mark[1], anchor="end"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'role="img" aria-label="{escaped(title)}"><style>{_STYLE}</style>'
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>{"".join(parts)}</svg>\n'
    )


def _axes(scale: _Scale, *, time: bool) -> list[str]:
    parts: list[str] = []
    for power in range(round(log10(scale.low_y)), round(log10(scale.high_y)) + 1):
        y = scale.y(10.0**power)
        parts.append(_line("grid", _LEFT, y, _WIDTH - _RIGHT, y))
        parts.append(_words(_LEFT - 10, y + 4.5, _value(10.0**power, time=time), anchor="end"))
    step = 1
    while step <= scale.high_x:
        if step >= scale.low_x:
            parts.append(_words(scale.x(step), _HEIGHT - _BOTTOM + 20, f"{step}", anchor="middle"))
        step *= 2
    return parts


def _drawn(scale: _Scale, line: Series, kind: int, *, time: bool) -> list[str]:
    parts: list[str] = []
    if line.band:
        upper = [scale.at(x, high) for x, _, high in line.band]
        lower = [scale.at(x, low) for x, low, _ in reversed(line.band)]
        parts.append(f'<polygon class="band f{kind}" points="{" ".join([*upper, *lower])}"/>')
    path = " ".join(scale.at(x, y) for x, y in line.points)
    parts.append(f'<polyline class="curve k{kind}" points="{path}"/>')
    for x, y in line.points if line.dots else ():
        said = f"{line.name}; {x:g}: {_value(y, time=time)}"
        parts.append(
            f'<circle class="f{kind}" cx="{scale.x(x):.1f}" cy="{scale.y(y):.1f}" r="4">'
            f"<title>{escaped(said)}</title></circle>"
        )
    return parts


def _value(value: float, *, time: bool) -> str:
    return span(value) if time else number(value)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _words(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escaped(words)}</text>'

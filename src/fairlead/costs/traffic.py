"""What the owner expects of callers, in words that people have: "100k/day, peak 4x, open 8-18".

A week of hours, each with its mean rate, and how much calls come in bursts. A rate by the second or
the hour is meant of open hours, one by the day of a weekday, one by the month of all of it. What is
not said is assumed, and every assumption is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from math import cos, exp, isfinite, pi

from fairlead.core.errors import TrafficInvalid

HOURS = 168
MONTH_S = 730 * 3600.0
"""Seconds of the month by which clouds reckon: 730 hours."""
USUAL_DISPERSION, BURSTY_DISPERSION = 4.0, 70.0
"""Variance over mean of the calls in 10 s: of a public trace of conversations with a language model
(3.9), and of one of code completion (72)."""
MOST_PER_S, LEAST_PER_MONTH = 1e7, 1.0
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_UNITS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "m": _MINUTE, "min": _MINUTE, "minute": _MINUTE,
    "h": _HOUR, "hour": _HOUR, "d": _DAY, "day": _DAY, "week": 7 * _DAY, "month": MONTH_S,
    "year": 12 * MONTH_S,
}  # fmt: skip
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
_NUMBER = r"(\d+(?:\.\d+)?)"
_BUSIEST_HOUR = 14
SHAPES = ("constant", "diurnal", "flash", "bursty", "steady")


@dataclass(frozen=True, slots=True)
class Flash:
    """A crowd that comes at once: so many times the calls, for so many seconds."""

    factor: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls of one model.

    said:       as it was said, or the file that it was read from.
    week:       mean calls per second by hour, Monday at 0 first.
    dispersion: variance over mean of the calls in 10 s of the busiest hour; 1 for independent ones.
    rows:       of one request.
    growth:     of a month on the one before: 0.1 for 10 %.
    recorded:   seconds at which calls came in the busiest hour of a log; () where there is none.
    assumed:    what nobody said.
    """

    said: str
    week: tuple[float, ...]
    dispersion: float = USUAL_DISPERSION
    rows: int = 1
    growth: float = 0.0
    flash: Flash | None = None
    recorded: tuple[float, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def mean_per_s(self) -> float:
        """Calls per second over the whole week."""
        return sum(self.week) / HOURS

    @property
    def peak_per_s(self) -> float:
        """Calls per second in the busiest hour."""
        return max(self.week)

    @property
    def busiest_day(self) -> tuple[float, ...]:
        """Calls per second in the hours of the day with most of them."""
        return max((self.week[at : at + 24] for at in range(0, HOURS, 24)), key=sum)

    @property
    def per_month(self) -> float:
        """Calls of 730 hours."""
        return self.mean_per_s * MONTH_S

    @property
    def open_hours(self) -> int:
        """Hours of the week in which anybody calls."""
        return sum(1 for rate in self.week if rate)

    def times(self, factor: float) -> Traffic:
        """So many times as much of it, that much faster; bursts grow with it: they are more callers
        at once."""
        more = max(1.0, 1 + (self.dispersion - 1) * factor)
        week = tuple(rate * factor for rate in self.week)
        recorded = tuple(at / factor for at in self.recorded)
        return replace(self, week=week, dispersion=more, recorded=recorded)


@dataclass(slots=True)
class _Said:
    """The phrases of one text, read one by one."""

    per_s: float = 0.0
    unit_s: float = 0.0
    peak: float = 0.0
    hours: tuple[float, float] | None = None
    weekend: float | None = None
    dispersion: float | None = None
    rows: int = 1
    growth: float = 0.0
    flash: Flash | None = None
    read: set[Callable[[_Said, str], bool]] = field(
        default_factory=set["Callable[[_Said, str], bool]"]
    )


def traffic_of(text: str) -> Traffic:
    """What was said, as a week of calls. Raises TrafficInvalid that names the phrase."""
    said = _Said()
    phrases = [part.strip().lower() for part in text.split(",") if part.strip()]
    for phrase in phrases:
        reader = next((read for read in _READERS if read(said, phrase)), None)
        if reader is None:
            raise _unknown(phrase)
        if reader in said.read:
            raise TrafficInvalid(f"{phrase[:80]!r} says something twice", where="--traffic")
        said.read.add(reader)
    if not phrases or not said.per_s:
        raise TrafficInvalid(
            f"{text[:80]!r} does not say how many calls come",
            where="--traffic",
            fix='Say it as "20000/day" or "5/s"',
        )
    if not LEAST_PER_MONTH / MONTH_S <= said.per_s <= MOST_PER_S:
        raise TrafficInvalid(
            f"{said.per_s:g} calls per second is no traffic that can be planned for",
            where="--traffic",
            fix=f"From one call a month to {MOST_PER_S:,.0f} a second",
        )
    return _made(text, said)


def even(per_s: float, rows: int = 1) -> Traffic:
    """So many calls a second at all hours, in bursts as people come."""
    return Traffic(f"{per_s:.9g}/s, rows {rows}", (per_s,) * HOURS, rows=rows)


def _made(text: str, said: _Said) -> Traffic:
    assumed: list[str] = []
    if said.dispersion is None:
        assumed.append(
            f"bursts as in a public trace (variance over mean {USUAL_DISPERSION:g} in 10 s); "
            'say "steady" or "bursty" where you know better'
        )
    if not said.peak and said.hours is None and _shape not in said.read:
        assumed.append('the same at all hours; say "peak 3x" or "open 8-18" where it is not')
    day, parts = _day(said)
    weekend = 1.0 if said.weekend is None else said.weekend
    week = [rate * (weekend if number >= 5 else 1.0) for number in range(7) for rate in day]
    # What is said of a second or an hour is meant of open hours, of a day of a weekday.
    if said.unit_s <= _HOUR:
        mean = sum(day) / sum(parts)
    else:
        whole = day if said.unit_s <= _DAY else week
        mean = sum(whole) / len(whole)
    return Traffic(
        said=text.strip(),
        week=tuple(said.per_s * rate / mean for rate in week),
        dispersion=USUAL_DISPERSION if said.dispersion is None else said.dispersion,
        rows=said.rows,
        growth=said.growth,
        flash=said.flash,
        assumed=tuple(assumed),
    )


def _day(said: _Said) -> tuple[list[float], list[float]]:
    """How busy the hours of a day are, beside each other, and which part of each is open."""
    begin, end = said.hours or (0.0, 24.0)
    length = (end - begin) % 24 or 24.0
    parts = [_open_part(hour, begin, length) for hour in range(24)]
    if not said.peak:
        return parts, parts
    middle = _BUSIEST_HOUR + 0.5 if said.hours is None else begin + length / 2
    most = sum(parts) / max(parts)
    if said.peak > most:
        raise TrafficInvalid(
            f"a peak of {said.peak:g}x: in {most:g} open hours it is {most:g}x at the most",
            where="--traffic",
        )
    low, high = 0.0, 700.0
    for _ in range(60):
        steep = (low + high) / 2
        shape = _shaped(parts, middle, steep)
        reached = max(shape) * sum(parts) / sum(shape)
        low, high = (steep, high) if reached < said.peak else (low, steep)
    return _shaped(parts, middle, high), parts


def _shaped(parts: list[float], middle: float, steep: float) -> list[float]:
    """Open hours by how busy they are; the steeper, the more of all calls come in the middle."""
    return [
        part * exp(steep * (cos(2 * pi * (hour + 0.5 - middle) / 24) - 1))
        for hour, part in enumerate(parts)
    ]


def _open_part(hour: int, begin: float, length: float) -> float:
    """Which part of an hour lies in the open hours, that may go beyond midnight."""
    found = 0.0
    for day in (-24, 0, 24):
        found += max(0.0, min(hour + 1 + day, begin + length) - max(hour + day, begin))
    return min(1.0, found)


# --- phrases -------------------------------------------------------------------------------------


def _rate(said: _Said, phrase: str) -> bool:
    found = re.fullmatch(
        _NUMBER + r"\s*([kmb]?)(?:\s*(?:requests|calls|predictions))?\s*(?:/|per|an?)\s*([a-z]+)",
        phrase,
    )
    if not found and not re.fullmatch(r"[-+\d.].*(/|per).*", phrase):
        return False
    unit = _unit(found[3]) if found else 0.0
    if not found or not unit:
        raise TrafficInvalid(
            f"{phrase[:80]!r} is no rate",
            where="--traffic",
            fix='Say it as "20000/day", "1.5m/month" or "5 per second"',
        )
    if said.per_s:
        raise TrafficInvalid("the rate is said twice", where="--traffic")
    said.unit_s = unit
    said.per_s = float(found[1]) * _SCALES[found[2]] / unit
    if not isfinite(said.per_s) or said.per_s <= 0:
        raise TrafficInvalid(
            "no calls at all cost nothing and need nothing", where="--traffic", fix="Say how many"
        )
    return True


def _unit(word: str) -> float:
    """Seconds of a unit, also of several: "hours", but not "ms"; 0 for none."""
    return _UNITS.get(word) or (_UNITS.get(word.removesuffix("s"), 0.0) if len(word) > 2 else 0.0)


def _peak(said: _Said, phrase: str) -> bool:
    found = re.fullmatch(rf"peak\s*(?:factor\s*)?{_NUMBER}\s*x?", phrase)
    if not found:
        return False
    said.peak = float(found[1])
    if not 1 <= said.peak <= 24:
        raise TrafficInvalid(
            f"a peak of {said.peak:g}x: the busiest hour has 1 to 24 times the mean",
            where="--traffic",
        )
    return True


def _open(said: _Said, phrase: str) -> bool:
    found = re.fullmatch(
        rf"(?:open\s*)?{_NUMBER}\s*(?:h|:00)?\s*-\s*{_NUMBER}\s*(?:h|:00)?", phrase
    )
    if not found:
        return False
    said.hours = float(found[1]), float(found[2])
    if not (said.hours[0] < 24 and said.hours[1] <= 24) or said.hours[0] == said.hours[1]:
        raise TrafficInvalid(f"{phrase!r} are no hours of a day", where="--traffic")
    return True


def _week(said: _Said, phrase: str) -> bool:
    if phrase in ("weekdays", "mon-fri"):
        said.weekend = 0.0
        return True
    found = re.fullmatch(rf"weekends?\s*{_NUMBER}\s*%", phrase)
    if found:
        said.weekend = float(found[1]) / 100
        if said.weekend > 100:
            raise TrafficInvalid(f"{phrase!r} is too much", where="--traffic")
    return bool(found)


def _growth(said: _Said, phrase: str) -> bool:
    found = re.fullmatch(rf"growth\s*(-?){_NUMBER}\s*%\s*(?:/|per|a)\s*(month|year)", phrase)
    if not found:
        return False
    part = float(found[1] + found[2]) / 100
    if not -1 < part <= 100:
        raise TrafficInvalid(f"{phrase!r} cannot be planned for", where="--traffic")
    said.growth = part if found[3] == "month" else (1 + part) ** (1 / 12) - 1
    return True


def _bursts(said: _Said, phrase: str) -> bool:
    if phrase == "steady":
        said.dispersion = 1.0
        return True
    found = re.fullmatch(rf"bursty(?:\s*{_NUMBER})?", phrase)
    if found:
        said.dispersion = float(found[1]) if found[1] else BURSTY_DISPERSION
        if not 1 <= said.dispersion <= 1e6:
            raise TrafficInvalid(f"{phrase!r}: it is 1 to 1,000,000", where="--traffic")
    return bool(found)


def _flash(said: _Said, phrase: str) -> bool:
    found = re.fullmatch(rf"flash(?:\s*{_NUMBER}\s*x)?(?:\s*for\s*{_NUMBER}\s*([a-z]+))?", phrase)
    if not found:
        return False
    seconds = float(found[2] or 5) * _unit(found[3] or "min")
    said.flash = Flash(float(found[1] or 10), seconds)
    if not (1 < said.flash.factor <= 10_000 and 1 <= seconds <= 86400):
        raise TrafficInvalid(f"{phrase!r} cannot be planned for", where="--traffic")
    return True


def _rows(said: _Said, phrase: str) -> bool:
    found = re.fullmatch(r"rows\s*(\d{1,7})|(\d{1,7})\s*rows", phrase)
    if found:
        said.rows = int(found[1] or found[2])
        if said.rows < 1:
            raise TrafficInvalid("a request has one row at least", where="--traffic")
    return bool(found)


def _shape(said: _Said, phrase: str) -> bool:
    if phrase == "diurnal":
        said.peak = said.peak or 2.2
        said.weekend = 0.4 if said.weekend is None else said.weekend
    return phrase in ("diurnal", "constant")


_READERS = (_peak, _open, _week, _growth, _bursts, _flash, _rows, _shape, _rate)
_WORDS = ("peak", "open", "weekdays", "weekend", "growth", *SHAPES, "rows")


def _unknown(phrase: str) -> TrafficInvalid:
    near = get_close_matches(phrase.split()[0], _WORDS, 1)
    return TrafficInvalid(
        f"{phrase[:80]!r} says nothing about traffic that is known here",
        where="--traffic",
        fix=f"Did you mean {near[0]}?" if near else f"Known: 20000/day, {', '.join(_WORDS)}",
    )

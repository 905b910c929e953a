"""Times as people write them: how long (`30d`), until when (`2027-01-31`), since when."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from fairlead.core.errors import KeyFieldInvalid

NEVER = "never"

_SPAN = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2})?)?", re.ASCII
)
_SECOND = 1_000_000_000
_LAST = (1 << 63) - 1
LONGEST_NS = 100 * 366 * 86_400 * _SECOND
"""A hundred years: whoever means more says `never`."""


def parse_span(text: str, where: str) -> int:
    """Nanoseconds of `45s`, `30m`, `24h`, `90d` or `2w`.

    where: what the text was given for, for the error. Raises KeyFieldInvalid.
    """
    found = _SPAN.fullmatch(text)
    span = int(found[1]) * _UNITS[found[2]] * _SECOND if found else -1
    if not 0 <= span <= LONGEST_NS:
        raise KeyFieldInvalid(
            f"{text[:40]!r} is no length of time",
            where=where,
            fix="Write a number and s, m, h, d or w, such as 24h or 90d",
        )
    return span


def parse_end(text: str, now_ns: int) -> int | None:
    """When a key expires, as wall-clock nanoseconds; None for `never`.

    text: a length of time from now, or a moment (see `parse_moment`). Raises KeyFieldInvalid, also
    for a time that is over.
    """
    if text == NEVER:
        return None
    end = now_ns + parse_span(text, "expires") if _SPAN.fullmatch(text) else _moment(text)
    if end is None:
        raise KeyFieldInvalid(
            f"{text[:40]!r} is no time at which a key can expire",
            where="expires",
            fix="Write 30d, 2027-01-31 (its first moment in UTC), 2027-01-31T18:00Z, or never",
        )
    if not now_ns < end <= now_ns + LONGEST_NS:
        raise KeyFieldInvalid(
            f"a key cannot expire at {text[:40]}: that is over, or too far away",
            where="expires",
            fix="Give a time to come, or never",
        )
    return end


def parse_moment(text: str, now_ns: int, where: str) -> int:
    """A moment in the past, as wall-clock nanoseconds: `7d` (ago), or `2026-11-01`, in UTC unless
    it says otherwise. It fits into 64 bits. Raises KeyFieldInvalid."""
    found = now_ns - parse_span(text, where) if _SPAN.fullmatch(text) else _moment(text)
    if found is None:
        raise KeyFieldInvalid(
            f"{text[:40]!r} is no time",
            where=where,
            fix="Write 7d (ago), 2026-11-01, or 2026-11-01T18:00Z",
        )
    return min(max(0, found), _LAST)


def _moment(text: str) -> int | None:
    if _DATE.fullmatch(text) is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    # Whole seconds and microseconds apart: a float of both would be rounded.
    try:
        return int(found.replace(microsecond=0).timestamp()) * _SECOND + found.microsecond * 1000
    except (OverflowError, ValueError):
        return None


def told(moment_ns: int | None) -> str | None:
    """A wall-clock time for people and programs, in UTC: `2027-01-31T18:00:00Z`."""
    if moment_ns is None:
        return None
    try:
        found = datetime.fromtimestamp(moment_ns // _SECOND, UTC)
    except (OverflowError, ValueError, OSError):
        return str(moment_ns)
    return found.isoformat().replace("+00:00", "Z")

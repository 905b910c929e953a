"""Asking the ledger: totals by caller, model, outcome and time, in any time zone.

The ledger counts per quarter of an hour, and days, months and hours of every zone begin on one. A
zone whose clocks change within what is asked is asked in stretches of one offset each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fairlead.core.calendar import zone
from fairlead.core.errors import BadUsage
from fairlead.usage.records import DECISION, STATUS
from fairlead.usage.stores.ledger import BY, QUANTITIES, LedgerStore, local

TIMES = ("month", "day", "hour")
DIMENSIONS = (*BY, *TIMES)
"""What usage can be grouped by."""
_QUARTER_S = 900
_DAY_QUARTERS = 96
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = ("requests", "rows", "bytes_in", "bytes_out")


def totals(
    store: LedgerStore,
    by: Sequence[str] = (),
    zone_name: str = "UTC",
    since: str = "",
    until: str = "",
    only: Mapping[str, str] | None = None,
    most: int = 0,
) -> list[dict[str, Any]]:
    """One row per combination of what `by` names, in the order of its values.

    A row holds those values, then `requests`, `rows`, `bytes_in`, `bytes_out`, `compute_ms`,
    `withheld` (rows that were abstained or rejected) and `decisions` (of each of the four, how many
    requests). Without `by` it is a single row.

    since, until: a day or a time (ISO 8601) in that zone; `until` itself is outside.
    only: of this tenant, model, key or plan. most: rows that may be asked for, 0 for any number.
    Raises BadUsage, and BadSetting for an unknown zone.
    """
    wrong = next((name for name in by if name not in DIMENSIONS), None)
    if wrong is not None or len({*by}) < len(by):
        raise BadUsage(
            f"usage cannot be grouped by {wrong!r}" if wrong else "a word stands twice",
            fix=f"Known: {', '.join(DIMENSIONS)}",
        )
    place = zone(zone_name)
    first, after = between(store, place, since, until)
    found: dict[tuple[Any, ...], list[int]] = {}
    for start, stop, offset in _stretches(by, place, first, after):
        unit = 3600 if "hour" in by else 86_400
        asked = [local(unit, offset) if name in TIMES else BY[name] for name in by]
        columns = {BY[name]: value for name, value in (only or {}).items()}
        for row in store.grouped(asked, start, stop, columns, _most_groups(by, most)):
            key = tuple(map(_word, by, row[: len(by)], [(unit, offset)] * len(by)))
            values = [int(value or 0) for value in row[len(by) :]]
            known = found.get(key)
            found[key] = values if known is None else [*map(sum, zip(known, values, strict=True))]
        if most and len(found) > most:
            raise BadUsage(
                f"more than {most} rows, which is the most of one answer",
                fix="Ask for a shorter time, or group by less",
            )
    if not by and not found:
        found[()] = [0] * (len(DECISION) + len(QUANTITIES))
    return [_row(by, key, found[key]) for key in sorted(found)]


def _most_groups(by: Sequence[str], most: int) -> int:
    """How many groups of one stretch are looked at: enough to know that the rows are too many.

    A month is asked for by its days.
    """
    by_days = "month" in by and not {"day", "hour"} & {*by}
    return (most + 1) * (31 if by_days else 1) if most else 0


def _row(by: Sequence[str], key: tuple[Any, ...], values: list[int]) -> dict[str, Any]:
    decisions, quantities = values[: len(DECISION)], values[len(DECISION) :]
    return {
        **dict(zip(by, key, strict=True)),
        **dict(zip(_PLAIN, quantities[:4], strict=True)),
        "compute_ms": quantities[4] / 1e6,
        "withheld": quantities[5],
        "decisions": dict(zip(DECISION, decisions, strict=True)),
    }


def _word(name: str, value: Any, scale: tuple[int, int]) -> Any:
    """A value of the tables as people read it."""
    if name == "status":
        return STATUS[int(value)]
    if name == "decision":
        return DECISION[int(value)]
    if name not in TIMES:
        return value
    unit, offset = scale
    moment = _EPOCH + timedelta(seconds=int(value) * unit)
    if name == "hour":
        ahead = "-" if offset < 0 else "+"
        hours, minutes = divmod(abs(offset) // 60, 60)
        return f"{moment:%Y-%m-%dT%H:00}{ahead}{hours:02}:{minutes:02}"
    return f"{moment:%Y-%m}" if name == "month" else f"{moment:%Y-%m-%d}"


def between(store: LedgerStore, place: ZoneInfo, since: str, until: str) -> tuple[int, int]:
    """The quarters that are asked for, of those with anything in them."""
    first, after = store.span()
    if since:
        first = max(first, quarter_of(since, place))
    if until:
        after = min(after, quarter_of(until, place))
    return first, max(first, after)


def quarter_of(text: str, place: ZoneInfo) -> int:
    """The quarter that begins at a day or a time in a zone. Raises BadUsage."""
    try:
        if len(text) > 10:
            moment = datetime.fromisoformat(text)
        else:
            moment = datetime.combine(date.fromisoformat(text), time())
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=place)).timestamp()
    except (ValueError, OverflowError):
        raise BadUsage(
            f"{text[:80]!r} is no day and no time", fix="Write 2026-11-25 or 2026-11-25T08:15"
        ) from None
    if seconds % _QUARTER_S:
        raise BadUsage(
            f"{text[:80]!r} is no quarter of an hour",
            fix="Usage is kept per quarter of an hour: give one at which a quarter begins",
        )
    return int(seconds) // _QUARTER_S


def _stretches(
    by: Sequence[str], place: ZoneInfo, first: int, after: int
) -> Iterator[tuple[int, int, int]]:
    """[start, stop) in quarters, and the seconds that the zone's clocks are ahead of UTC in it."""
    if not {*TIMES} & {*by}:
        yield first, after, 0
        return
    while first < after:
        offset = _offset(first, place)
        stop = first
        while stop < after and _offset(stop, place) == offset:
            stop += _DAY_QUARTERS
        low, high = max(first, stop - _DAY_QUARTERS), min(stop, after)
        # Within the last day looked at, the first quarter that is told otherwise.
        while low < high:
            middle = (low + high) // 2
            if _offset(middle, place) == offset:
                low = middle + 1
            else:
                high = middle
        yield first, low, offset
        first = low


def _offset(quarter: int, place: ZoneInfo) -> int:
    ahead = (_EPOCH + timedelta(seconds=quarter * _QUARTER_S)).astimezone(place).utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds())

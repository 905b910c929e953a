"""A store of shared limits in memory, by the promise of MeterStore and with exact numbers."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.errors import StateUnavailable
from fairlead.core.metering import NEVER, PRESENT_NS, Asked, Returned, Told

CREDIT = Asked("credit", "sum", 10, 10, 1, 1, 0, 0, NEVER)
PLACES = Asked("places", "held", 3, 3, 1, 1, 0, 0, NEVER)
RATE = Asked("rate", "rate", 100, 1, 3_600_000_000, 1, 0, 0, NEVER)
"""One an hour, a hundred at once: while a test runs, nothing of it comes back."""


class RamStore:
    """now_us: its clock, which a test sets. away: nothing arrives. mute: nothing is answered."""

    def __init__(self) -> None:
        self.now_us = 10**15
        self.away = self.mute = False
        self.sums: dict[str, int] = {}
        self.places: dict[str, dict[str, int]] = {}
        self.holders: dict[str, int] = {}
        # Of a rate: when it has run off, what was given back, since when, amount and period.
        self.rates: dict[str, tuple[int, int, int, int, int]] = {}

    def lend(
        self, holder: str, groups: Sequence[Sequence[Asked]], returned: Sequence[Returned]
    ) -> list[list[Told]]:
        self._arrives(holder)
        for one in returned:
            self._back(holder, one)
        answer = [self._group(holder, group) for group in groups]
        self._leaves()
        return answer

    def present(self, holder: str) -> int:
        self._arrives(holder)
        self._leaves()
        return sum(until > self.now_us for until in self.holders.values())

    def leave(self, holder: str) -> None:
        self._arrives(holder)
        del self.holders[holder]

    def close(self) -> None:
        pass

    def _arrives(self, holder: str) -> None:
        if self.away:
            raise StateUnavailable("away")
        self.holders[holder] = self.now_us + PRESENT_NS // 1000

    def _leaves(self) -> None:
        if self.mute:
            raise StateUnavailable("no answer")

    def _group(self, holder: str, group: Sequence[Asked]) -> list[Told]:
        waits = [self._wait(one) for one in group]
        told: list[Told] = []
        for one, wait in zip(group, waits, strict=True):
            units, left = 0, self._left(one)
            if not any(waits):
                sure = max(one.least, min(one.sure, left))
                units = max(sure, min(one.wish, left // 2))
                self._take(holder, one, units)
            tat, back, since, *_ = self._rate(one) if one.kind == "rate" else (0, 0, 0)
            told.append(Told(units, max(0, left - units), wait, tat + back, since))
        return told

    def _rate(self, one: Asked | Returned) -> tuple[int, int, int, int, int]:
        now = self.now_us
        found = self.rates.get(one.key)
        if found is None:
            return (0, 0, now, one.amount, one.period_us)
        tat, _, since, amount, period = found
        if (amount, period) == (one.amount, one.period_us):
            return found
        level = -(-max(0, tat - now) * amount * one.period_us // (period * one.amount))
        return (now + level, 0, max(now, since + 1), one.amount, one.period_us)

    def _left(self, one: Asked) -> int:
        if one.kind == "rate":
            full = -(-one.most * one.period_us // one.amount)
            room = max(0, full - max(0, self._rate(one)[0] - self.now_us))
            return min(one.most, room * one.amount // one.period_us)
        if one.kind == "sum":
            return max(0, one.most - self.sums.get(one.key, 0))
        held = self.places.get(one.key, {}).items()
        there = sum(n for who, n in held if self.holders.get(who, 0) > self.now_us)
        return max(0, one.most - there)

    def _wait(self, one: Asked) -> int:
        if not one.least or self._left(one) >= one.least:
            return 0
        if one.kind != "rate" or one.least > one.most:
            return -1
        full = -(-one.most * one.period_us // one.amount)
        level = max(0, self._rate(one)[0] - self.now_us)
        return level + -(-one.least * one.period_us // one.amount) - full

    def _take(self, holder: str, one: Asked | Returned, units: int) -> None:
        if not units:
            return
        if one.kind == "sum":
            self.sums[one.key] = self.sums.get(one.key, 0) + units
        elif one.kind == "held":
            held = self.places.setdefault(one.key, {})
            held[holder] = held.get(holder, 0) + units
        else:
            tat, *rest = self._rate(one)
            cost = -(-units * one.period_us // one.amount)
            self.rates[one.key] = (max(tat, self.now_us) + cost, *rest)

    def _back(self, holder: str, one: Returned) -> None:
        if one.kind == "held":
            self.places.setdefault(one.key, {})[holder] = one.units
        elif one.units < 0:
            self._take(holder, one, -one.units)
        elif one.kind == "sum":
            self.sums[one.key] = max(0, self.sums.get(one.key, 0) - one.units)
        else:
            tat, back, since, amount, period = self._rate(one)
            if since == one.since:
                most = one.units * period // amount
                over = tat - self.now_us
                less = max(0, min(most, one.then - back - self.now_us, over))
                self.rates[one.key] = (tat - less, back + less, since, amount, period)

"""Hosts that share limits in tests: their threads do their work when the test says so."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

from tests.meter_store import RamStore

from fairlead.access.sharing import SharedMeters
from fairlead.core.allowance import parse_limit
from fairlead.core.errors import StateUnavailable
from fairlead.core.metering import MS, Back, Want

SECOND = 1000 * MS
NOON = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()) * SECOND


class Line:
    """The way of one host to a store. cut: nothing passes."""

    def __init__(self, store: RamStore) -> None:
        self._store, self.cut = store, False

    def __getattr__(self, name):
        if self.cut:
            raise StateUnavailable("cut")
        return getattr(self._store, name)


class Host:
    """One host: its thread does its work when the test says so, and its clock is its own."""

    def __init__(self, store: RamStore, ahead_ns: int = 0) -> None:
        self.store, self.line = store, Line(store)
        self.ahead_ns = ahead_ns
        self.work = deque()
        self.told: list[tuple[bool, str]] = []
        self.meters = SharedMeters(
            self.line,
            lambda work, done: self.work.append((work, done)),
            lambda away, why: self.told.append((away, why)),
            now_ns=lambda: store.now_us * 1000 + ahead_ns,
            wall_ns=lambda: NOON + (store.now_us - 10**15) * 1000 + ahead_ns,
        )

    def run(self) -> None:
        """All of the thread's work."""
        while self.work:
            self.step()

    def step(self) -> None:
        """One piece of it."""
        work, done = self.work.popleft()
        try:
            result = work()
        except Exception as error:
            result = error
        done(result)

    def ask(self, *wants: Want) -> list:
        """What is answered, once it is: a list of one, then."""
        told: list = []
        self.meters.take(wants, told.append)
        return told

    def get(self, *wants: Want):
        """What is answered."""
        told = self.ask(*wants)
        self.run()
        [lent] = told
        return lent

    def units(self, *wants: Want) -> list[int] | None:
        lent = self.get(*wants)
        return None if lent is None else [one.units for one in lent]


def want(text: str, least: int, sure: int = 0, most: int = 0, name: str = "", zone="UTC") -> Want:
    return Want(name or text, parse_limit(text), zone, least, sure, most)


def back(one: Want, lent, units: int | None = None) -> Back:
    return Back(one.meter, one.limit, lent.ticket, lent.units if units is None else units)

"""G4: a limit over four workers at three times its load, even and with all load at one of them.

Clock, messages and arrivals are simulated, so the figures are of the method and not of this
machine: a message takes a millisecond, which is more than a Unix socket takes.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.access.lending import NoDisk, at_once
from benchmarks.report import Part, Promise, table
from fairlead.access.leases import Leases
from fairlead.access.lending import Lending
from fairlead.access.limits import Rules
from fairlead.access.metering import OwnMeters
from fairlead.access.meters import Rate
from fairlead.access.minting import new_key
from fairlead.access.secrets import Digester
from fairlead.core.access import Caller, parse_scopes
from fairlead.core.allowance import Cost, Limit, parse_limit
from fairlead.core.errors import ResourceExhausted

WORKERS, SECONDS, AMOUNT, OFFERED = 4, 20, 1_000, 3_000
_WALL = 1_800_000_000 * 10**9
_MS = 10**6
_SECOND = 10**9
_BEAT_NS, _STEP_NS = 50 * _MS, _MS // 4
_SKEWED = (0.97, 0.01, 0.01, 0.01)
_EVEN = (0.25, 0.25, 0.25, 0.25)

Admitted = list[int]
"""The times at which calls passed."""


class Fleet:
    """Workers and a lender; every message arrives a millisecond after it was sent."""

    def __init__(self, limit: Limit) -> None:
        self.now = 0
        self.messages = 0
        self.admitted: Admitted = []
        self._sent: deque[tuple[int, Callable[[], None]]] = deque()
        self._who = _caller(limit)
        meters = OwnMeters(NoDisk(), at_once, self._clock, lambda: _WALL + self.now)
        self._lender = Lending(meters, self._tell, careful=False, now_ns=self._clock)
        self._workers = [self._worker(number) for number in range(WORKERS)]
        for number in range(WORKERS):
            self._lender.joined(number)
        self.until(10 * _MS)

    def _clock(self) -> int:
        return self.now

    def _worker(self, number: int) -> Leases:
        def send(message: Mapping[str, Any]) -> bool:
            self.messages += bool(message.get("wants"))
            self._sent.append((self.now + _MS, lambda: self._lender.take(number, message)))
            return True

        leases = Leases(send, self._clock)
        leases.adopt(Rules())
        return leases

    def _tell(self, line: Any, message: Mapping[str, Any]) -> bool:
        self._sent.append((self.now + _MS, lambda: self._workers[line].heard(message)))
        return True

    def call(self, number: int) -> None:
        """One call arrives at a worker, and passes, waits or is refused."""
        leases = self._workers[number]

        def ask() -> None:
            try:
                grant = leases.take(self._who, "m", Cost(), self.now, _WALL + self.now)
            except ResourceExhausted:
                return
            if grant is None:
                leases.wait(ask)
            else:
                self.admitted.append(self.now)

        ask()

    def until(self, then: int) -> None:
        """Time passes: what was sent arrives, and every 50 ms all give back what lies idle."""
        while self.now < then:
            self.now = min(then, self.now + _STEP_NS)
            while self._sent and self._sent[0][0] <= self.now:
                self._sent.popleft()[1]()
            if self.now // _BEAT_NS != (self.now - _STEP_NS) // _BEAT_NS:
                for leases in self._workers:
                    leases.beat(self.now)
                self._lender.beat()


def run(seconds: int = SECONDS) -> Part:
    """Even and skewed load, a whole second's burst and a fiftieth, and a fixed share to compare."""
    limits = {"whole": f"requests={AMOUNT}/second", "1/50": _short()}
    rows: list[list[str]] = []
    promises: list[Promise] = []
    figures: dict[str, Any] = {}
    for burst, text in limits.items():
        for load, parts in (("even", _EVEN), ("skewed", _SKEWED)):
            fleet = _leased(parse_limit(text), parts, seconds)
            name = f"{load}, burst {burst}"
            share, worst = _share(fleet.admitted, seconds), _worst(fleet.admitted, seconds)
            asked = fleet.messages / (OFFERED * seconds)
            figures[name] = {"share": share, "worst": worst, "asked": asked}
            rows.append([name, f"{share:.3f}", f"{worst:.3f}", f"{asked:.4f}"])
            promises += _promises(name, share, worst, asked)
    fixed = _fixed(parse_limit(limits["1/50"]), _SKEWED, seconds)
    alone = _share(fixed, seconds)
    figures["fixed share, skewed"] = alone
    rows.append(["a fixed share each, skewed", f"{alone:.3f}", f"{_worst(fixed, seconds):.3f}", ""])
    promises.append(
        Promise("G4 a fixed share fails, of the limit", 0.40, alone, f"{alone:.3f}", most=True)
    )
    head = ("load", "of the limit", "worst second", "asked per call")
    title = (
        f"A limit of {AMOUNT:,}/s over {WORKERS} workers at {OFFERED:,}/s, {seconds} s simulated"
    )
    return Part(title, table(head, rows), figures, promises)


def _short() -> str:
    return f"requests={AMOUNT}/second:{AMOUNT // 50}"


def _promises(name: str, share: float, worst: float, asked: float) -> list[Promise]:
    return [
        Promise(f"G4 {name}: of the limit", 0.95, share, f"{share:.3f}"),
        Promise(f"G4 {name}: worst second", 1.02, worst, f"{worst:.3f}", most=True),
        Promise(f"G4 {name}: asked per call", 0.12, asked, f"{asked:.4f}", most=True),
    ]


def _arrivals(parts: tuple[float, ...], seconds: int) -> list[tuple[int, int]]:
    """When calls arrive, at random, and at which worker."""
    random_ = random.Random(11)
    found: list[tuple[int, int]] = []
    now = 0.0
    while now < seconds:
        now += random_.expovariate(OFFERED)
        found.append((int(now * _SECOND), random_.choices(range(WORKERS), parts)[0]))
    return found


def _leased(limit: Limit, parts: tuple[float, ...], seconds: int) -> Fleet:
    fleet = Fleet(limit)
    for at, number in _arrivals(parts, seconds):
        fleet.until(at)
        fleet.call(number)
    fleet.until(fleet.now + _SECOND)
    return fleet


def _fixed(limit: Limit, parts: tuple[float, ...], seconds: int) -> Admitted:
    """Every worker has its part of the limit, whatever comes to it."""
    meters = [Rate(limit, 0, WORKERS) for _ in range(WORKERS)]
    found: Admitted = []
    for at, number in _arrivals(parts, seconds):
        if meters[number].fits(1, at, 0):
            meters[number].take(1, at, 0)
            found.append(at)
    return found


def _share(admitted: Admitted, seconds: int) -> float:
    """What passed, of what the limit lets pass; the first second, with its burst, left out."""
    late = sum(_SECOND <= at < seconds * _SECOND for at in admitted)
    return late / (AMOUNT * (seconds - 1))


def _worst(admitted: Admitted, seconds: int) -> float:
    """The most that passed within any second, wherever it begins, after the first burst."""
    most = first = 0
    late = [at for at in sorted(admitted) if _SECOND <= at < seconds * _SECOND]
    for last, at in enumerate(late):
        while at - late[first] >= _SECOND:
            first += 1
        most = max(most, last - first + 1)
    return most / AMOUNT


def _caller(limit: Limit) -> Caller:
    scopes = parse_scopes(["predict:*"])
    key = new_key("k", "t", scopes, _WALL, Digester(bytes(32)), limits=(limit,))[1].key
    return Caller.of(key)

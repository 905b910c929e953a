"""Keys and callers that the tests of access share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.access.book import KeyBook
from fairlead.access.lease import Grant
from fairlead.access.leases import Leases
from fairlead.access.lending import Lending
from fairlead.access.limits import Left, Rules
from fairlead.access.metering import OwnMeters
from fairlead.access.minting import Minted, new_key
from fairlead.access.secrets import Digester
from fairlead.core.access import Caller, StoredKey, parse_scopes
from fairlead.core.allowance import Cost, parse_limits
from fairlead.core.errors import FairleadError, StateUnavailable
from fairlead.core.metering import Kept

NOW = 1_800_000_000 * 10**9
SECOND = 10**9
DIGESTER = Digester(b"p" * 32)


def made(
    *scopes: str, name: str = "k", tenant: str = "acme", limits: Any = (), **more: Any
) -> Minted:
    """A key with these scopes and limits, as text."""
    return new_key(
        name,
        tenant,
        parse_scopes(scopes or ["predict:iris"]),
        NOW,
        DIGESTER,
        limits=parse_limits(limits),
        **more,
    )


def bearer(minted: Minted) -> str:
    return "Bearer " + minted[0].reveal()


def book(*keys: Minted | StoredKey, revision: int = 1) -> KeyBook:
    stored = [key if isinstance(key, StoredKey) else key[1] for key in keys]
    return KeyBook(stored, revision, DIGESTER)


def caller(*scopes: str, limits: Any = (), **more: Any) -> Caller:
    return Caller.of(made(*scopes, limits=limits, **more)[1].key)


class Memory:
    """Keeps what a lender writes as a disk would: what was not written is not there."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Kept] = {}
        self.in_order = True
        self.fails = False
        self.writes = 0

    def read(self, wall_ns: int) -> tuple[bool, list[Kept]]:
        before, self.in_order = self.in_order, False
        return before, [one for one in self.rows.values() if one.until_ns > wall_ns]

    def write(self, kept: Sequence[Kept]) -> None:
        if self.fails:
            raise StateUnavailable("the disk is full")
        self.writes += 1
        self.rows |= {(one.meter, one.first): one for one in kept}

    def close(self, in_order: bool) -> None:
        self.in_order = in_order


def at_once(work: Callable[[], Any], done: Callable[[Any], None]) -> None:
    """Does what may block here and now."""
    try:
        result = work()
    except StateUnavailable as error:
        result = error
    done(result)


class Limiter:
    """One lender and its workers in one thread: every message arrives at once."""

    def __init__(
        self,
        rules: Rules | None = None,
        keep: Memory | None = None,
        workers: int = 1,
        now_ns: int = 0,
        wall_ns: int = NOW,
    ) -> None:
        self.keep = keep or Memory()
        self.now, self.wall = now_ns, wall_ns
        self.meters = OwnMeters(self.keep, at_once, self.clock, lambda: self.wall)
        self.queue: deque[Callable[[], None]] = deque()
        self.lender = Lending(
            self.meters, self._to, careful=not self.meters.in_order, now_ns=self.clock
        )
        self.workers = [self._worker(number) for number in range(workers)]
        for number, leases in enumerate(self.workers):
            leases.adopt(rules or Rules())
            self.lender.joined(number)
        self.pump()

    def clock(self) -> int:
        return self.now

    def _worker(self, number: int) -> Leases:
        def send(message: Any) -> bool:
            self.queue.append(lambda: self.lender.take(number, message))
            return True

        return Leases(send, self.clock)

    def _to(self, number: int, message: Any) -> bool:
        self.queue.append(lambda: self.workers[number].heard(message))
        return True

    def pump(self) -> None:
        while self.queue:
            self.queue.popleft()()

    def at(self, now_ns: int, wall_ns: int) -> None:
        self.now, self.wall = now_ns, wall_ns
        for leases in self.workers:
            leases.beat(now_ns)
        self.pump()
        self.lender.beat()
        self.pump()

    def adopt(self, rules: Rules) -> None:
        for leases in self.workers:
            leases.adopt(rules)

    def commit(
        self, who: Caller, model: str, cost: Cost, now_ns: int, wall_ns: int, worker: int = 0
    ) -> Grant:
        """As a call does it: takes, waits for the lender, takes again."""
        self.at(now_ns, wall_ns)
        leases = self.workers[worker]
        found: list[Grant | FairleadError] = []

        def ask() -> None:
            try:
                grant = leases.take(who, model, cost, now_ns, wall_ns)
            except FairleadError as error:
                found.append(error)
                return
            if grant is None:
                leases.wait(ask)
            else:
                found.append(grant)

        ask()
        self.pump()
        assert len(found) == 1
        if isinstance(found[0], FairleadError):
            raise found[0]
        return found[0]

    def left(self, who: Caller, model: str, now_ns: int, wall_ns: int) -> list[Left]:
        self.at(now_ns, wall_ns)
        for leases in self.workers:
            leases.beat(now_ns + SECOND // 5)  # what is idle goes back
        self.pump()
        self.workers[0].look(who, model)
        self.pump()
        return self.workers[0].left(who, model, now_ns, wall_ns)

    def restarted(self, now_ns: int, wall_ns: int, *, in_order: bool = True) -> Limiter:
        """What comes after this one has ended: in order, or with kill -9."""
        if in_order:
            for leases in self.workers:
                leases.close()
            self.pump()
            self.meters.close(in_order=self.lender.idle)
        return Limiter(
            self.workers[0]._routes._rules, self.keep, len(self.workers), now_ns, wall_ns
        )

"""What a worker says to the lender: what it gives back, what it used beyond that, what it wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from secrets import token_hex
from typing import Any

from fairlead.access.lease import CONCURRENCY, Lease, to_json
from fairlead.core.metering import Ticket


class Asking:
    """What has not been said yet. send: to the bookkeeper; False when it is not on its way.

    sent_ns: when something was sent last.
    """

    def __init__(
        self, send: Callable[[Mapping[str, Any]], bool], now_ns: Callable[[], int]
    ) -> None:
        self._send, self._now_ns = send, now_ns
        self._worker = token_hex(8)
        self._wanted: list[Sequence[Lease]] = []
        self._back: dict[tuple[str, Ticket], list[Any]] = {}
        self._owing: dict[str, Lease] = {}
        self.sent_ns = now_ns()

    @property
    def waiting(self) -> bool:
        """Whether something is to be said."""
        return bool(self._wanted or self._back or self._owing)

    def want(self, leases: Sequence[Lease]) -> None:
        """Asks with the next message for all of these or none."""
        self._wanted.append(leases)

    def give(self, one: Lease) -> None:
        """Everything unused goes back."""
        self.give_back(one, one.ticket, one.units)
        one.units = 0

    def give_back(self, one: Lease, ticket: Ticket | None, units: int) -> None:
        """So much goes back, where somebody would take it."""
        if ticket is None or units <= 0:
            return
        known = one.name, ticket
        before = self._back.get(known)
        if before is None:
            self._back[known] = to_json(one, ticket, units)
        else:
            before[-1] += units

    def owe(self, one: Lease, units: int) -> None:
        """So much was used that was not there."""
        one.owed += units
        self._owing[one.name] = one

    def lost(self) -> None:
        """The line broke: nothing is wanted, and places come back by what is reported later."""
        self._wanted.clear()
        self._back = {known: back for known, back in self._back.items() if not _of_places(back[1])}

    def report(self, leases: Sequence[Lease]) -> None:
        """Tells a lender that has not known this worker which places are in use."""
        busy = [one for one in leases if one.place == CONCURRENCY and one.busy > 0]
        self.tell(holds=[to_json(one, one.zone, one.busy) for one in busy])

    def flush(self, *, always: bool = False) -> bool:
        """Sends what is wanted, owed and given back. Whether it is on its way."""
        if not (always or self.waiting):
            return True
        groups, self._wanted = self._wanted, []
        wants = [[to_json(one, one.zone, one.least, one.sure) for one in g] for g in groups]
        sent = self.tell(wants=wants)
        if not sent:
            for group in groups:
                for one in group:
                    one.asked, one.sure = False, 0
        return sent

    def tell(self, **what: Any) -> bool:
        """Everything goes in the order in which it happened: first back, then wanted."""
        owing = list(self._owing.values())
        owed = [to_json(one, one.zone, one.owed) for one in owing]
        back = list(self._back.values())
        message = {"kind": "lease", "worker": self._worker, "back": back, "owed": owed, **what}
        if not self._send(message):
            return False
        self._back.clear()
        self._owing.clear()
        for one in owing:
            one.owed = 0
        self.sent_ns = self._now_ns()
        return True


def _of_places(limit: str) -> bool:
    return limit.startswith("concurrency=")

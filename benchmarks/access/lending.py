"""A worker and its lender in one process: messages wait in a queue until somebody delivers them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.access.lease import Grant
from fairlead.access.leases import Leases
from fairlead.access.lending import Lending
from fairlead.access.limits import Rules
from fairlead.access.metering import OwnMeters
from fairlead.core.access import Caller
from fairlead.core.allowance import Cost
from fairlead.core.metering import Kept


class NoDisk:
    """Keeps nothing: what is measured is not the disk."""

    def read(self, wall_ns: int) -> tuple[bool, list[Kept]]:
        return True, []

    def write(self, kept: Sequence[Kept]) -> None:
        return

    def close(self, in_order: bool) -> None:
        return


def at_once(work: Callable[[], Any], done: Callable[[Any], None]) -> None:
    """Does what may block here and now."""
    done(work())


class OneWorker:
    """Takes for calls, and lets the lender answer whenever something is not there."""

    def __init__(self, rules: Rules, wall_ns: Callable[[], int]) -> None:
        self._sent: deque[Callable[[], None]] = deque()
        meters = OwnMeters(NoDisk(), at_once, wall_ns=wall_ns)
        self._lender = Lending(meters, self._tell, careful=False)
        self._leases = Leases(self._ask)
        self._leases.adopt(rules)
        self._lender.joined(0)
        self._deliver()

    def take(self, caller: Caller, model: str, cost: Cost, now_ns: int, wall_ns: int) -> Grant:
        """What a call has taken. Raises as Leases.take."""
        grant = self._leases.take(caller, model, cost, now_ns, wall_ns)
        while grant is None:
            self._deliver()
            grant = self._leases.take(caller, model, cost, now_ns, wall_ns)
        return grant

    def _ask(self, message: Mapping[str, Any]) -> bool:
        self._sent.append(lambda: self._lender.take(0, message))
        return True

    def _tell(self, line: object, message: Mapping[str, Any]) -> bool:
        self._sent.append(lambda: self._leases.heard(message))
        return True

    def _deliver(self) -> None:
        while self._sent:
            self._sent.popleft()()

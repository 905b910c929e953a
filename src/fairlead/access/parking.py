"""Calls that wait until something was heard of their limits: an entry in a list, nothing more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from fairlead.core.errors import Overloaded
from fairlead.core.metering import MS

WAIT_NS = 250 * MS
WAITING = 4096
"""Calls that may be parked at one time."""

Again = Callable[[], None]


class Parking:
    """First come, first served; nobody waits longer than WAIT_NS.

    moving: parked calls ask again right now. given_up: and those that do have waited long enough.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._parked: deque[tuple[Again, int]] = deque()
        self._deadline_ns = 0
        self.moving = self.given_up = False

    def __len__(self) -> int:
        return len(self._parked)

    def wait(self, again: Again) -> None:
        """Parks a call. Raises Overloaded when too many wait."""
        if len(self._parked) >= WAITING:
            raise Overloaded("too many calls wait for their limits", fix="Try again in a second")
        # A call that waits again has what is left of its time.
        until = self._deadline_ns if self.moving else self._now_ns() + WAIT_NS
        self._parked.append((again, until))

    def move(self, *, given_up: bool = False) -> None:
        """Lets all that are parked ask again, in their order."""
        self._drain(len(self._parked), given_up)

    def end(self, now_ns: int) -> None:
        """Lets those ask for the last time that have waited long enough."""
        over = 0
        for _, until in self._parked:
            if until > now_ns:
                break
            over += 1
        self._drain(over, True)

    def _drain(self, count: int, given_up: bool) -> None:
        if self.moving:
            return
        self.moving, self.given_up = True, given_up
        try:
            for _ in range(min(count, len(self._parked))):
                again, self._deadline_ns = self._parked.popleft()
                again()
        finally:
            self.moving = self.given_up = False

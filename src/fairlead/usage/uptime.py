"""What a server knows of how long it ran, until that is on record."""

from __future__ import annotations

from fairlead.usage.stores.machine import GAP_NS

_MOST = 1000


class Uptime:
    """The times in which somebody who looks often found the server running.

    A machine that slept, or a clock that was set forward, begins another one; a clock that was set
    back adds nothing until it has caught up.
    """

    def __init__(self) -> None:
        self._ran: list[tuple[int, int]] = []

    def seen(self, wall_ns: int) -> None:
        """The server runs now."""
        if not self._ran:
            self._ran = [(wall_ns, wall_ns)]
            return
        began, until = self._ran[-1]
        if wall_ns - until > GAP_NS:
            self._ran = [*self._ran[1 - _MOST :], (wall_ns, wall_ns)]
        elif wall_ns > until:
            self._ran[-1] = began, wall_ns

    def unnoted(self) -> list[tuple[int, int]]:
        """What is not on record yet, or only its beginning, as [began, until)."""
        return [*self._ran]

    def noted(self) -> None:
        """All of that is on record now."""
        self._ran = [(until, until) for _, until in self._ran[-1:]]

"""How fast a version gets through what waits for it, as measured while calls had to wait.

A model takes hardly longer for many rows than for one, so what it does while nobody waits says
nothing of what it can do: only executions that left others waiting tell its pace.
"""

from __future__ import annotations

_KNOWN = 4
"""Executions after which a pace is known: the first ones of a version are slow, and few prove
nothing."""
_KEPT = 0.8
_OUTLIER = 4.0
"""One stall counts for no more than this many usual executions."""
_DEVIATIONS = 4.0
_FORGOTTEN = 0.99


class Pace:
    """The pace of one version; a version that takes its place begins anew.

    row_s:     seconds that a row which waits takes of the others' time, over all executions at
               once; 0 until it is known.
    service_s: seconds of one execution; 0 until it is known.
    slack_s:   seconds by which calls come later than these two say, but for few.
    """

    __slots__ = (
        "_deviation",
        "_late",
        "_noted",
        "_rows",
        "_seconds",
        "_slots",
        "_times",
        "row_s",
        "service_s",
        "slack_s",
    )

    def __init__(self, slots: int) -> None:
        """slots: executions at once."""
        self._slots = slots
        self._noted = 0
        self._rows = self._seconds = self._times = 0.0
        self.row_s: float = 0.0
        self.service_s: float = 0.0
        self.slack_s: float = 0.0
        self._late = self._deviation = 0.0

    def note(self, rows: int, seconds: float, full: bool) -> None:
        """An execution has ended. full: calls had to wait on when it began, or were refused."""
        # Where nobody is let in any more, nobody can show that this was too cautious.
        self._deviation *= _FORGOTTEN
        self.slack_s *= _FORGOTTEN
        faster = self.row_s and seconds < self.row_s * self._slots * rows
        if not (full or faster):
            return
        if self.service_s:
            seconds = min(seconds, _OUTLIER * self.service_s)
        self._noted += 1
        self._rows = _KEPT * self._rows + rows
        self._seconds = _KEPT * self._seconds + seconds
        self._times = _KEPT * self._times + 1.0
        if self._noted >= _KNOWN:
            self.row_s = self._seconds / (self._rows * self._slots)
            self.service_s = self._seconds / self._times

    def compare(self, foreseen_s: float, took_s: float) -> None:
        """A call was answered for which a time was foreseen, from its coming to its answer."""
        most = _OUTLIER * self.service_s
        error = min(took_s - foreseen_s, max(most, foreseen_s)) - self._late
        self._late += error / 8
        self._deviation += (abs(error) - self._deviation) / 4
        self.slack_s = max(0.0, self._late + _DEVIATIONS * self._deviation)

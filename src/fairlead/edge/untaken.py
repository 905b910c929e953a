"""Answers that their callers do not take: how slowly they may, and how much of them is held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.clock import now
from fairlead.edge.heads import HttpLimits

_LEAST_PER_S = 1024
_FRESH_S = 0.25
"""A caller that was given something so shortly before is not ended for what others leave."""


class Line(Protocol):
    """One connection's way out: an asyncio transport, or what holds answers back before one."""

    def get_write_buffer_size(self) -> int: ...

    def abort(self) -> None: ...


class Closing(Line, Protocol):
    """A transport that can also be closed once everything is sent."""

    def close(self) -> None: ...


@dataclass(slots=True)
class _Held:
    """given: bytes that were to be taken since the moment `since`."""

    since: float
    given: int


class Untaken:
    """The lines on which something waits for its caller.

    A caller takes 1 KiB a second at least, once it has had `limits.idle_s`. While all lines
    together hold more than `limits.untaken` bytes, who takes least is ended first.
    """

    def __init__(self, limits: HttpLimits, log: Callable[..., None]) -> None:
        """log: told of what was ended: (event, fields)."""
        self._limits = limits
        self._log = log
        self._lines: dict[Line, _Held] = {}
        self._total = 0
        self._looked = 0.0

    def note(self, line: Line, more: int = 0) -> None:
        """Something waits on a line. more: bytes of it that came just now."""
        held = self._lines.get(line)
        if held is None:
            more = line.get_write_buffer_size()
            self._lines[line] = _Held(now(), more)
        else:
            held.given += more
        self._total += more
        if self._total > self._limits.untaken and (moment := now()) - self._looked > _FRESH_S:
            self.tick(moment)

    def forget(self, line: Line) -> None:
        """Everything was taken, or nearly."""
        self._lines.pop(line, None)

    def close(self, line: Closing) -> None:
        """Closes a connection when what it holds is taken, which may not last for ever."""
        line.close()
        self.note(line)

    def tick(self, moment: float) -> None:
        """Once a second: ends who takes too little, and the slowest while too much is held.

        Sooner when much has come since.
        """
        slow: list[tuple[float, int, Line]] = []
        ended = total = 0
        for line, held in list(self._lines.items()):
            size, spent = line.get_write_buffer_size(), moment - held.since
            held.given = max(held.given, size)  # more may have come while it waited
            taken = held.given - size
            if not size:
                del self._lines[line]
            elif spent > self._limits.idle_s + taken / _LEAST_PER_S:
                ended += self._end(line)
            else:
                total += size
                if spent > _FRESH_S:
                    slow.append((taken / spent, size, line))
        for _, size, line in sorted(slow, key=lambda one: one[0]):
            if total <= self._limits.untaken:
                break
            total -= size
            ended += self._end(line)
        self._total, self._looked = total, moment
        if ended:
            self._log("answers_not_taken", connections=ended)

    def _end(self, line: Line) -> int:
        del self._lines[line]
        line.abort()
        return 1

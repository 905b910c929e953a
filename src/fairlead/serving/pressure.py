"""What a worker gives up while memory runs short, step by step, and never its health: first the
connections that would be kept, then new calls. Whoever is told so can go elsewhere; whom the kernel
ends when memory is gone takes every caller with it."""

from __future__ import annotations

from random import random
from typing import Protocol

from fairlead.core.clock import now
from fairlead.core.errors import Overloaded
from fairlead.serving.log import log
from fairlead.serving.memory import Memory, trim
from fairlead.serving.memory_bounds import memory_share

_BEFORE, _BACK = 0.03, 0.02
_ENOUGH = 512 << 20
"""Bytes: while so many are left nothing is given up, whatever part of the memory that is."""
_MOST_S = 10
_TRIM_S, _REST = 60, 10_000
"""Seconds after which also a worker that is never quiet gives back what its allocator keeps; and
how many times longer than that took it leaves it alone."""


class Front(Protocol):
    """What of the listeners is told."""

    quiet: bool

    def part(self, parting: bool) -> None: ...


class Calls(Protocol):
    """What of the limits is told."""

    shut: Overloaded | None


class Pressure:
    """Looks at the memory that is left, of the machine and of every group around the server.

    refuse: the part of it in use above which no new call is taken; connections are no longer kept
    from 0.03 below; but only where less than 512 MiB are left. Each step is taken back 0.02 below
    where it was taken. 1 turns both off. What is seen once decides nothing: a model's process that
    takes all there is is ended by the kernel within a moment, and nobody else need know.
    """

    def __init__(self, front: Front, calls: Calls, refuse: float) -> None:
        self._front, self._calls = front, calls
        self._refuse = refuse
        self._memory = Memory()
        self._step = self._seen = self._ticks = 0
        self._trim_at = _TRIM_S

    def tick(self) -> None:
        """Once a second: takes a step or takes one back, and gives back what nobody needs."""
        if self._refuse < 1:
            self._look()
        self._ticks += 1
        if self._ticks >= self._trim_at:
            began = now()
            trim()
            self._trim_at = self._ticks + max(_TRIM_S, int(_REST * (now() - began)))
        elif self._front.quiet or self._step:
            self._memory.settle()

    def _look(self) -> None:
        share = memory_share(_ENOUGH)
        seen = 0
        for number, at in ((1, self._refuse - _BEFORE), (2, self._refuse)):
            if share >= at - (_BACK if self._step >= number else 0):
                seen = number
        step, self._seen = min(seen, max(self._seen, self._step)), seen
        if step != self._step:
            if step:
                log("memory_short", step=step, used=round(share, 3))
            else:
                log("memory_back", used=round(share, 3))
            self._step = step
            self._front.part(step > 0)
        self._calls.shut = self._refusal() if step == 2 else None

    def _refusal(self) -> Overloaded:
        """Another one each second, so that callers do not all come back at once."""
        error = Overloaded(
            "the server's memory is nearly used up", fix="Try again later, as Retry-After says"
        )
        error.retry_after = 1 + int(random() * _MOST_S)  # noqa: S311 - nothing secret hangs on it
        error.replies = {}
        return error

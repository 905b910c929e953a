"""How a worker ends: told it answers what was begun, hurried it gives up what is left.

Whoever sends callers here is given time to see that the server is not ready, if the settings say
so; then nothing new is taken, and every answer is its connection's last.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Protocol

from fairlead.core.clock import now
from fairlead.core.errors import Draining, FairleadError
from fairlead.serving.children import HURRY
from fairlead.serving.log import log
from fairlead.serving.renewal import LEAVE

_LOOK_S = 0.02
_LAST_WORDS_S = 0.3
"""Seconds in which the last answers may leave."""


class Front(Protocol):
    """What is told of the listeners."""

    @property
    def connections(self) -> int: ...

    def drain(self) -> None: ...

    def end_idle(self) -> None: ...


class Queue(Protocol):
    """A version's calls."""

    def give_up(self, error: FairleadError) -> int:
        """Answers all calls that wait or run by this error; says how many."""
        ...


class Ending:
    """One worker's.

    over: set once it must end. leaving: another worker has taken its place, so that the server
    goes on. gave_up: what was under way was not waited for, so threads may be running yet.
    """

    def __init__(self, grace_s: float, delay_s: float) -> None:
        self.over = asyncio.Event()
        self.leaving = self.gave_up = False
        self._hurry = asyncio.Event()
        self._grace_s, self._delay_s = grace_s, delay_s
        self._end = 0.0

    def heed(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hears from now on what the supervisor says."""
        heard = {signal.SIGTERM: self.told, HURRY: self.hurry, LEAVE: self.leave}
        for number, heed in heard.items():
            loop.add_signal_handler(number, heed)

    @property
    def left_s(self) -> float:
        """Seconds that are left of the grace; none once it is to end at once."""
        return 0.0 if self._hurry.is_set() else max(0.0, self._end - now())

    def told(self) -> None:
        """The server ends."""
        self.leaving = False
        self._begin()

    def hurry(self) -> None:
        """It ends at once."""
        self.told()
        self._hurry.set()

    def leave(self) -> None:
        """Another worker has taken its place."""
        if not self.over.is_set():
            self.leaving = True
            self._begin()

    def _begin(self) -> None:
        if not self.over.is_set():
            self._end = now() + self._grace_s
            self.over.set()

    async def delay(self) -> None:
        """While those who send callers learn of it, callers are taken as before."""
        if self.leaving or not self._delay_s:
            return
        try:
            await asyncio.wait_for(self._hurry.wait(), self._delay_s)
        except TimeoutError:
            return

    async def drain(self, front: Front, queues: Callable[[], Sequence[Queue]]) -> None:
        """Answers what was read and what comes now; at the end of the grace gives up the rest."""
        front.drain()
        # Who was taken just before the listeners were closed is not among the connections yet.
        await asyncio.sleep(_LOOK_S)
        while front.connections and now() < self._end and not self._hurry.is_set():
            front.end_idle()
            await asyncio.sleep(_LOOK_S)
        if not front.connections:
            return
        self.gave_up = True
        error = Draining("the server ends before this call was answered", fix="Try again")
        log("gave_up", calls=sum(queue.give_up(error) for queue in queues()))
        last = now() + _LAST_WORDS_S
        while front.connections and now() < last:
            front.end_idle()
            await asyncio.sleep(_LOOK_S)

"""Calls that wait while their model is loaded, because it sleeps until somebody asks for it.

Many that come at once begin one load. All is on the event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import NamedTuple

from fairlead.core.clock import now
from fairlead.core.errors import DeadlineExceeded, FairleadError, NoRoom, Overloaded
from fairlead.serving.log import log

WAITING, WAITING_EACH = 1024, 512
"""Calls that may wait at one time: for all models together, and for one of them."""

Again = Callable[[], None]


class _Parked(NamedTuple):
    """A call. patience: until when it waits. deadline: until when its caller does."""

    again: Again
    patience: float
    deadline: float


class Waking:
    """patience_s: seconds that a call waits for its model. wake: begins to load a model."""

    def __init__(self, patience_s: float = 30.0) -> None:
        self.patience_s = patience_s
        self.wake: Callable[[str], None] = lambda model: None
        self._parked: dict[str, deque[_Parked]] = {}
        self._last: FairleadError | None = None

    def __len__(self) -> int:
        return sum(map(len, self._parked.values()))

    def wait(self, model: str, again: Again, deadline: float = inf) -> None:
        """Has a model loaded, and calls `again` once it is known what came of it.

        Raises Overloaded when too many wait, and what it is told of a call that has waited for long
        enough: NoRoom, or DeadlineExceeded.
        """
        if self._last is not None:
            raise self._last
        parked = self._parked.setdefault(model, deque())
        if len(self) >= WAITING or len(parked) >= WAITING_EACH:
            raise Overloaded("too many calls wait for their models", fix="Try again in a second")
        parked.append(_Parked(again, now() + self.patience_s, deadline))
        if len(parked) == 1:
            self.wake(model)

    def woken(self, model: str) -> None:
        """A model is loaded, or it is known why it cannot be."""
        for one in self._parked.pop(model, ()):
            self._go_on(model, one)

    def beat(self) -> None:
        """Several times a second: whoever has waited long enough asks for the last time."""
        moment = now()
        for model, parked in [*self._parked.items()]:
            slow = NoRoom(
                f"model {model!r} was not loaded within {self.patience_s:g} s",
                fix="Try again later; GET /models says what it waits for",
            )
            late = DeadlineExceeded(f"the deadline passed while model {model!r} was loaded")
            over = [one for one in parked if min(one.patience, one.deadline) <= moment]
            for one in over:
                parked.remove(one)
                self._go_on(model, one, late if one.deadline <= moment else slow)
            if not parked and self._parked.get(model) is parked:
                del self._parked[model]

    def give_up(self, error: FairleadError) -> int:
        """Answers all calls that wait by this error; says how many."""
        everybody, self._parked = self._parked, {}
        for model, parked in everybody.items():
            for one in parked:
                self._go_on(model, one, error)
        return sum(map(len, everybody.values()))

    def _go_on(self, model: str, one: _Parked, last: FairleadError | None = None) -> None:
        """last: what it is told where it has to wait still."""
        self._last = last
        try:
            one.again()
        except Exception as error:  # of one call; the others were promised an answer too
            log("call_failed", model=model, error=repr(error))
        finally:
            self._last = None

"""Calls that wait while their model is loaded, because it sleeps until somebody asks for it.

Many that come at once begin one load. All is on the event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from fairlead.core.clock import now
from fairlead.core.errors import NoRoom, Overloaded
from fairlead.serving.log import log

WAITING = 1024
"""Calls that may wait at one time, for all models together."""

Again = Callable[[], None]


class Waking:
    """patience_s: seconds that a call waits for its model. wake: begins to load a model."""

    def __init__(self, patience_s: float = 30.0) -> None:
        self.patience_s = patience_s
        self.wake: Callable[[str], None] = lambda model: None
        self._parked: dict[str, deque[tuple[Again, float]]] = {}
        self._given_up = False

    def __len__(self) -> int:
        return sum(map(len, self._parked.values()))

    def wait(self, model: str, again: Again) -> None:
        """Has a model loaded, and calls `again` once it is known what came of it.

        Raises Overloaded when too many wait, and NoRoom for a call that has waited long enough.
        """
        if self._given_up:
            raise NoRoom(
                f"model {model!r} was not loaded within {self.patience_s:g} s",
                fix="Try again later; GET /models says what it waits for",
            )
        if len(self) >= WAITING:
            raise Overloaded("too many calls wait for their models", fix="Try again in a second")
        parked = self._parked.setdefault(model, deque())
        parked.append((again, now() + self.patience_s))
        if len(parked) == 1:
            self.wake(model)

    def woken(self, model: str) -> None:
        """A model is loaded, or it is known why it cannot be."""
        for again, _ in self._parked.pop(model, ()):
            try:
                again()
            except Exception as error:  # of one call; the others were promised an answer too
                log("call_failed", model=model, error=repr(error))

    def beat(self) -> None:
        """Several times a second: whoever has waited long enough asks for the last time."""
        moment = now()
        for model, parked in [*self._parked.items()]:
            self._given_up = True
            try:
                while parked and parked[0][1] <= moment:
                    parked.popleft()[0]()
            finally:
                self._given_up = False
            if not parked and self._parked.get(model) is parked:
                del self._parked[model]

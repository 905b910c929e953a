"""The loads that are under way: each on a thread of its own, a few at a time, none without end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Thread

from fairlead.core.clock import now
from fairlead.core.errors import LoadFailed
from fairlead.serving.loading import Loaded, Loader
from fairlead.serving.shelf import Candidate, Shelf

LONGEST_S = 300.0
MOST, _MOST_OVERDUE = 2, 4


@dataclass(eq=False, slots=True)
class Load:
    """A version that is being loaded. overdue: nobody waits for it any more."""

    shelf: Shelf
    version: int
    candidate: Candidate
    since: float
    overdue: bool = False


class Loads:
    """post: hands a callable to the thread on which everything but the loading is.

    warming: told there when a version begins to warm. loaded: and what came of a load.
    """

    def __init__(
        self,
        loader: Loader,
        post: Callable[[Callable[[], None]], None],
        warming: Callable[[Load], None],
        loaded: Callable[[Load, Loaded | Exception], None],
        most: int = MOST,
    ) -> None:
        """most: loads at a time."""
        self._loader = loader
        self._post = post
        self._warming = warming
        self._loaded = loaded
        self._most = most
        self._under_way: list[Load] = []

    @property
    def full(self) -> bool:
        """Whether no further load may begin now."""
        overdue = sum(load.overdue for load in self._under_way)
        return len(self._under_way) - overdue >= self._most or overdue >= _MOST_OVERDUE

    @property
    def due(self) -> float | None:
        """`clock.now` at which the first of them is given up; None when there is none."""
        return min((load.since + LONGEST_S for load in self._waited_for()), default=None)

    def begin(self, shelf: Shelf, version: int, candidate: Candidate) -> None:
        """Begins to load a version."""
        load = Load(shelf, version, candidate, now())
        self._under_way.append(load)
        Thread(target=self._run, args=(load,), name="load", daemon=True).start()

    def give_up_overdue(self) -> None:
        """A load that does not end is left behind: its thread cannot be ended."""
        for load in self._waited_for():
            if now() - load.since > LONGEST_S:
                load.overdue = True
                error = LoadFailed(f"it was not loaded within {LONGEST_S:.0f} s")
                self._loaded(load, error)

    def _waited_for(self) -> list[Load]:
        return [load for load in self._under_way if not load.overdue]

    def _run(self, load: Load) -> None:
        """On a thread of its own."""

        def warming() -> None:
            self._post(partial(self._warms, load))

        outcome: Loaded | Exception
        try:
            outcome = self._loader.load(load.candidate.make(), warming)
        except Exception as error:
            outcome = error
        self._post(partial(self._ended, load, outcome))

    def _warms(self, load: Load) -> None:
        if not load.overdue:
            self._warming(load)

    def _ended(self, load: Load, outcome: Loaded | Exception) -> None:
        self._under_way.remove(load)
        if not load.overdue:
            self._loaded(load, outcome)
        elif isinstance(outcome, Loaded):
            outcome.served.close()

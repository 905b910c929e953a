"""Those who asked for a model to be loaded or ended, and are told what has become of it."""

from __future__ import annotations

from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.serving.errands import Errands
from fairlead.serving.registry import Registry
from fairlead.serving.shelf import Shelf
from fairlead.serving.states import READY
from fairlead.serving.stock import Stock


class Askers:
    """One worker's, for its manager's thread alone; they are told on the loop."""

    def __init__(self, stock: Stock, registry: Registry, errands: Errands) -> None:
        self._stock = stock
        self._registry = registry
        self._errands = errands

    def answer(self, shelf: Shelf) -> None:
        """Tells those who waited for what has become of a model."""
        ready = {v for v, standing in shelf.states.items() if standing.state == READY}
        for waiter in [w for w in shelf.waiters if ready.issuperset(w.wanted)]:
            shelf.waiters.remove(waiter)
            shelf.wish = waiter.choice or shelf.wish
            self.tell_choice(shelf)
            self._errands.add(waiter.done, None)
        if shelf.ended and not shelf.in_memory:
            self.refuse(shelf, LoadFailed("it was ended before it was loaded"))
            if shelf.enders and shelf.placed:
                self._forget(shelf)
            self.tell_enders(shelf)

    def tell_enders(self, shelf: Shelf, error: FairleadError | None = None) -> None:
        """A model has ended, or will not."""
        enders, shelf.enders = shelf.enders, []
        for done in enders:
            self._errands.add(done, error)

    def refuse(self, shelf: Shelf, error: FairleadError, version: int = 0) -> None:
        """Tells those who wait for a version that will not come; 0 for any."""
        for waiter in [w for w in shelf.waiters if not version or version in w.wanted]:
            shelf.waiters.remove(waiter)
            if shelf.placed and not shelf.served:
                self._forget(shelf)
            self._errands.add(waiter.done, error)

    def tell_choice(self, shelf: Shelf) -> None:
        """Which version answers when none is named, and where the labels point to."""
        self._errands.add(self._registry.label, shelf.name, shelf.labels, shelf.own.default)

    def _forget(self, shelf: Shelf) -> None:
        self._stock.forget(shelf.name)
        self._errands.add(self._registry.forget, shelf.name)

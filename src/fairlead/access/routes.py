"""Which leases the calls of a caller to a model take from; remembered while they are used."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.access.asking import Asking
from fairlead.access.lease import Lease, Route
from fairlead.access.limits import Account, Rules, applying
from fairlead.core.access import Caller
from fairlead.core.allowance import Limit

ROUTES = 16_384
"""Pairs of caller and model whose leases are remembered at least; at most twice as many."""


class Routes:
    """The leases of one worker, by name and by route.

    seen: routes by caller and model, of the younger of two generations: what was idle for a whole
    one is forgotten. leases: by name.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._rules = Rules()
        self.leases: dict[str, Lease] = {}
        self.seen: dict[tuple[Caller, str], Route] = {}
        self._before: dict[tuple[Caller, str], Route] = {}

    def adopt(self, rules: Rules) -> None:
        """Goes on under other rules; what was used stays used."""
        self._rules = rules
        if len(self.leases) >= ROUTES:
            # Rules may change more often than so many callers come.
            self._forget((*self._before.values(), *self.seen.values()))
        self.seen, self._before = {}, {}

    def route(self, caller: Caller, model: str) -> Route:
        """The leases of the calls of a caller to a model."""
        known = caller, model
        route = self.seen.get(known) or self._before.get(known)
        if route is None:
            route = Route([self._lease(*one) for one in applying(self._rules, caller, model)])
        if len(self.seen) >= ROUTES:
            self._before, self.seen = self.seen, {}
            self._forget((*self._before.values(), route))
        self.seen[known] = route
        return route

    def _lease(self, account: Account, limit: Limit, zone: str) -> Lease:
        found = Lease(account, limit, zone)
        before = self.leases.setdefault(found.name, found)
        if before.limit != limit:
            before.change(limit)
        before.zone = zone
        return before

    def _forget(self, routes: Iterable[Route]) -> None:
        """Leases that none of these routes uses go back."""
        used = {one.name for route in routes for one in route.leases}
        for name, one in list(self.leases.items()):
            if name not in used and not (one.asked or one.busy or one.owed):
                self._asking.give(one)
                # What calls still give back to it goes to the lender.
                one.ticket = None
                del self.leases[name]

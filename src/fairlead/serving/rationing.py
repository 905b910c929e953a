"""What a call takes of its caller's limits before the model is reached, and gives back after it.

Everything is taken together or nothing is. A worker takes from what the bookkeeper has lent it
(access/leases.py); a call that finds too little there is parked for about a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from fairlead.access.leases import Leases
from fairlead.access.limits import Left, Rules
from fairlead.access.terms import Terms
from fairlead.access.told import lines
from fairlead.core.access import Caller
from fairlead.core.allowance import DIMENSIONS, MOST, Cost, Limit
from fairlead.core.call import PUBLIC, Call, Head, Route
from fairlead.core.clock import monotonic_ns, wall_ns
from fairlead.core.errors import FairleadError, Overloaded
from fairlead.serving.record import refuse

_FRESH_NS, _FRESH_FAR_NS, _FAR, _LINES_KEPT = 1_000_000, 10_000_000, 50, 4096
"""Nanoseconds for which what was told of a caller's limits is told again, the longer where enough
is left of each for so many calls of twice the cost; and to how many callers."""


class _Told(NamedTuple):
    """What was told of a caller's limits: until when it is told again, and of calls of which most
    rows and bytes."""

    until: int
    lines: bytes
    rows: int
    size: int


class Rationing:
    """The limits of one worker.

    refused: told of every call that had to wait and is answered with its error. shut: why no call
    is taken now, whoever makes it.
    """

    shut: Overloaded | None = None

    def __init__(self, leases: Leases, server: tuple[Limit, ...] = ()) -> None:
        """server: the limits of the whole server."""
        self.refused: Callable[[Call], None] = lambda call: None
        self._leases = leases
        self._server = server
        self._models: dict[str, tuple[Limit, ...]] = {}
        self._tenants: Mapping[str, tuple[Limit, ...]] = {}
        self._zones: Mapping[str, str] = {}
        self._lines: dict[tuple[Caller, str], _Told] = {}
        self._adopt()

    def of_tenants(self, terms: Mapping[str, Terms]) -> None:
        """From now on tenants have these limits, and their days and months begin in these zones."""
        self._tenants = {name: its.limits for name, its in terms.items() if its.limits}
        self._zones = {name: its.zone for name, its in terms.items()}
        self._adopt()

    def of_model(self, name: str, limits: tuple[Limit, ...]) -> None:
        """From now on a model has these limits, over all of its callers."""
        if self._models.get(name, ()) != limits:
            self._models[name] = limits
            self._adopt()

    def _adopt(self) -> None:
        self._leases.adopt(
            Rules(
                server=self._server, tenants=self._tenants, models=self._models, zones=self._zones
            )
        )

    def _limited(self, caller: Caller, model: str) -> bool:
        """Whether any limit holds for the calls of a caller to a model."""
        tenants, models = self._tenants, self._models
        own = caller.limits or self._server
        return bool(own or models.get(model) or tenants.get(caller.tenant))

    # --- on the path ------------------------------------------------------------------------

    def enter(self, route: Route) -> None:
        """Refuses calls and streams of them while none is taken. Raises Overloaded.

        Before a model is looked at: who is sent away wakes none that sleeps.
        """
        if self.shut is None or route.operation == PUBLIC:
            return
        if route.decode is not None or route.open is not None:
            raise self.shut.with_traceback(None)

    def look(self, caller: Caller, head: Head) -> None:
        """Refuses by the head alone what cannot pass; takes nothing.

        Raises ResourceExhausted, AboveLimit.
        """
        if self._limited(caller, head.route.model):
            size = max(0, head.length)
            self._leases.fits(caller, head.route.model, 1, size, monotonic_ns())

    def charge(self, call: Call, submit: Callable[[Call], None]) -> None:
        """Takes what a decoded call costs and hands it on, now or once its limits are known.

        Raises ResourceExhausted, AboveLimit, LimitsUnavailable, Overloaded; a call that had to wait
        is answered with them.
        """
        caller, model = call.caller, call.route.model
        if not self._limited(caller, model):
            submit(call)
            return
        leases = self._leases
        moment, wall = monotonic_ns(), wall_ns()
        cost = Cost.of_call(call.rows, call.bytes_in)
        try:
            grant = leases.take(caller, model, cost, moment, wall)
        except FairleadError:
            call.told = lines(leases.left(caller, model, moment, wall))
            raise
        if grant is None:
            leases.wait(partial(self._charge_late, call, submit))
            return
        call.grant = grant
        call.told = self._told(caller, model, cost, moment, wall)
        submit(call)

    def _told(self, caller: Caller, model: str, cost: Cost, moment: int, wall: int) -> bytes:
        """What is left of a caller's limits as header lines; of a busy caller a moment old."""
        _, rows, size, *_ = cost.units
        known = self._lines.get((caller, model))
        if known is not None and moment < known.until and rows <= known.rows and size <= known.size:
            return known.lines
        if len(self._lines) >= _LINES_KEPT:
            self._lines.clear()
        left = self._leases.left(caller, model, moment, wall)
        # Calls are not all alike: what is told holds for those that cost up to twice as much.
        twice = Cost.of_call(2 * rows, 2 * size)
        if all([_is_far(one, twice) for one in left]):
            told = _Told(moment + _FRESH_FAR_NS, lines(left), 2 * rows, 2 * size)
        else:
            told = _Told(moment + _FRESH_NS, lines(left), MOST, MOST)
        self._lines[caller, model] = told
        return told.lines

    def _charge_late(self, call: Call, submit: Callable[[Call], None]) -> None:
        try:
            self.charge(call, submit)
        except Exception as error:
            refuse(call, error)
            self.refused(call)

    # --- beside the path ---------------------------------------------------------------------

    def left(self, caller: Caller, models: Iterable[str], done: Callable[[Any], None]) -> None:
        """Gives `done` what is left of a caller's own limits, by model, now or soon."""
        names = list(models)
        asked = [self._leases.look(caller, name) for name in names]

        def told() -> None:
            moment, wall = monotonic_ns(), wall_ns()
            done({name: self._leases.left(caller, name, moment, wall) for name in names})

        if any(asked):
            self._leases.wait(told)
        else:
            told()


def left_to_json(left: Left) -> dict[str, Any]:
    """What is left of one limit, as callers get it."""
    limit = left.limit
    return {
        "name": limit.name,
        "of": left.account.whose,
        "dimension": limit.dimension,
        "amount": limit.amount,
        "per": limit.period or None,
        "burst": limit.burst or None,
        "left": left.left,
        "reset_s": left.reset_s,
    }


def _is_far(left: Left, cost: Cost) -> bool:
    """Whether many such calls are left of a limit; of what is known only afterwards, none are."""
    each = cost.units[DIMENSIONS.index(left.limit.dimension)]
    return each > 0 and left.left >= _FAR * each

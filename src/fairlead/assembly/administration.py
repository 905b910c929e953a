"""What the admin listener answers: the wire for programs, and the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fairlead.access.secrets import Digester, read_pepper
from fairlead.access.sessions import Sessions
from fairlead.assembly.edges import over_tls_alone
from fairlead.assembly.settings import Settings
from fairlead.core.access import Caller
from fairlead.core.audit import By
from fairlead.core.call import Call, Head, Peer
from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, PermissionDenied, Unauthenticated
from fairlead.edge.router import Router
from fairlead.edge.templates import Templates
from fairlead.pages.admin import AdminPages
from fairlead.pages.administered import Administered
from fairlead.serving import any_json
from fairlead.serving.admission import Admission, Policy
from fairlead.serving.check_reports import read_report
from fairlead.serving.clerk import Outcome
from fairlead.serving.exchange import Within
from fairlead.serving.judging import Judging
from fairlead.serving.keeping import Keeping
from fairlead.serving.papers import Papers
from fairlead.serving.reckoning import Reckoning
from fairlead.serving.status import StatusPages
from fairlead.serving.steering import Done, Steering
from fairlead.serving.trends import Trends
from fairlead.wires.admin import Admin
from fairlead.wires.problem import error_reply


class AdminPath:
    """Who may at the admin listener: everything there wants a key, on loopback too.

    refused: puts what was refused into the audit trail.
    """

    def __init__(
        self,
        state: Path,
        refused: Callable[[By, str, FairleadError], None],
        stale_max_s: float,
        sessions: Sessions,
    ) -> None:
        policy = Policy(stale_max_s=stale_max_s)
        digester = lambda: Digester(read_pepper(state))  # noqa: E731
        self._admission = Admission(policy, lambda model, version: 0, digester, sessions=sessions)
        self._refused = refused
        self.line = Within(self._admission.hear)

    def whose(self, head: Head, peer: Peer) -> Caller:
        """Who sends a request. Raises as admission does."""
        return self._admission.caller(head, peer)

    def admit(self, head: Head, peer: Peer) -> Caller:
        try:
            return self._admission.enter(head, peer)
        except (Unauthenticated, PermissionDenied) as error:
            # Only who lacks a scope is known by a key.
            known = type(error) is PermissionDenied
            who = self._admission.caller(head, peer).key if known else ""
            self._refused(By(who, peer.address), f"{head.method} {head.path}", error)
            raise

    def predict(self, call: Call, head: Head, body: bytes, peer: Peer) -> None:
        raise NotImplementedError("nothing is predicted at the admin listener")


class Administration:
    """The admin listener's router and path, over the desks of the bookkeeper.

    status: the descriptor of the workers' pages. tell: hands a callable from a thread to the loop.
    """

    def __init__(
        self,
        state: Path,
        settings: Settings,
        status: int,
        keeping: Keeping,
        reckoning: Reckoning,
        judging: Judging,
        steering: Steering,
        tell: Callable[[Callable[[], None]], object],
    ) -> None:
        sessions = Sessions(lambda: read_pepper(state))
        self.path = AdminPath(state, keeping.refused, settings.state.stale_max_s, sessions)
        self._status = StatusPages(status, any_json)
        self._trends = Trends()

        def control(
            act: str,
            given: Mapping[str, Any],
            by: By,
            told: Callable[[FairleadError | None], None],
        ) -> None:
            def done(outcome: Outcome) -> None:
                told(outcome if isinstance(outcome, FairleadError) else None)

            steering.ask(f"models.{act}", given, by, done)

        def acts(kind: str, given: Mapping[str, Any], by: By, done: Done) -> None:
            room = steering if kind in steering.kinds else keeping
            room.ask(kind, given, by, done)

        wire = Admin(acts, reckoning.ask, reckoning.ask_costs, keeping.facts)
        papers = Papers(state, self._status.fresh, tell)
        pages = AdminPages(
            Administered(
                sessions,
                self.path.whose,
                keeping.ask,
                reckoning.ask,
                reckoning.ask_costs,
                self._status.fresh,
                self._status.counts,
                self._trends,
                judging.told,
                partial(read_report, state),
                control,
                steering.labels,
                papers.card,
                papers.cost,
                over_tls_alone(settings),
            ),
            error_reply,
        )
        if settings.pages.on:
            self.router = Router([pages, wire], pages=pages)
        else:
            self.router = Router([wire])
        self.templates = Templates([wire, pages])

    def tick(self) -> None:
        """Once a second: what was counted is remembered, minute by minute."""
        self._trends.take(now(), self._status.counts())

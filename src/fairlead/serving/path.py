"""The life of a prediction, from top to bottom.

Admission comes before the body is read; then body to tensors, limits, the model, the journal, the
answer. Every check is on what is in memory; `settle` is called when the rows have been answered.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.access import Caller
from fairlead.core.call import Call, Head, Peer
from fairlead.core.clock import now
from fairlead.serving.admission import Admission
from fairlead.serving.answered import Answered
from fairlead.serving.rationing import Rationing
from fairlead.serving.record import encode, finish, note, refuse, too_many_rows, write_down
from fairlead.serving.registry import Registry, Served
from fairlead.usage.journal import Journal


class PredictionPath:
    """The one way by which predictions are made."""

    def __init__(
        self, registry: Registry, admission: Admission, rations: Rationing, journal: Journal
    ) -> None:
        self._registry, self._admission = registry, admission
        self._rations, self._journal = rations, journal

    def admit(self, head: Head, peer: Peer) -> Caller:
        """Refuses a request by its head alone, so that its body need not be read."""
        caller = self._admission.enter(head, peer)
        if head.route.decode is not None:
            self._registry.check(head.route.model, head.route.version)
            self._rations.look(caller, head)
        return caller

    def predict(self, call: Call, head: Head, body: bytes, peer: Peer) -> None:
        """Takes a call whose body has arrived; `call.done` is called once, now or later."""
        try:
            call.caller = self.admit(head, peer)
            served = call.lease = self._registry.lease(call.route.model, call.route.version)
            served.receive(call)
            call.route.decode(call, head, body)  # type: ignore[misc] - prediction routes decode
            if call.rows > call.encoder.most_rows:
                raise too_many_rows(call, call.lease)
            self._rations.charge(call, call.lease.submit)
        except Exception as error:
            refuse(call, error)

    def settle(self, served: Served, calls: Sequence[Call], answers: Sequence[Answered]) -> None:
        """Answers executed calls: encoded, counted, written down, and only then sent."""
        encode(answers)
        write_down(self._journal, served, calls)
        served.stats.answered(calls, now())
        note(served, answers)
        served.leases -= len(calls)
        finish(calls)

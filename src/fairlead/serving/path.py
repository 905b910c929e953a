"""The life of a prediction: admission before the body is read; body to tensors, limits, the model,
the journal, the answer. Every check is on what is in memory; `settle` is called by the model."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.access import Caller
from fairlead.core.call import Call, Head, Peer
from fairlead.core.clock import now
from fairlead.serving.admission import Admission
from fairlead.serving.answered import Answered
from fairlead.serving.rationing import Rationing
from fairlead.serving.record import check_rows, encode, finish, note, refuse, write_down
from fairlead.serving.registry import Registry
from fairlead.serving.requests import UNTOLD, Requests
from fairlead.serving.served import Served
from fairlead.usage.journal import Journal


class PredictionPath:
    """The one way by which predictions are made. requests: told of every call."""

    requests: Requests = UNTOLD

    def __init__(
        self, registry: Registry, admission: Admission, rations: Rationing, journal: Journal
    ) -> None:
        self._registry, self._admission = registry, admission
        self._rations, self._journal = rations, journal

    def admit(self, head: Head, peer: Peer) -> Caller:
        """Refuses a request by its head alone, so that its body need not be read."""
        caller = self._admission.enter(head, peer)
        self._rations.enter(head.route)
        if head.route.decode is not None:
            self._registry.check(head.route.model, head.route.version)
            self._rations.look(caller, head)
        return caller

    def predict(self, call: Call, head: Head, body: bytes, peer: Peer) -> None:
        """Takes a call whose body has arrived; `call.done` is called once, now or later."""
        try:
            call.caller = self.admit(head, peer)
            self._registry.take(call).receive(call)
            call.route.decode(call, head, body)  # type: ignore[misc] - prediction routes decode
            check_rows(call)
            self._rations.charge(call, call.lease.submit)
        except Exception as error:
            if refuse(call, error, lambda: self.predict(call, head, body, peer)):
                self.requests.refused(call)

    def settle(self, served: Served, calls: Sequence[Call], answers: Sequence[Answered]) -> None:
        """Answers executed calls: encoded, counted, written down, and only then sent."""
        encode(answers)
        write_down(self._journal, served, calls)
        good = served.stats.answered(calls, moment := now())
        note(served, calls, answers)
        finish(served, calls)
        self.requests.answered(served, calls, good, moment)

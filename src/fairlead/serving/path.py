"""The life of a prediction, from top to bottom.

Admission comes before the body is read; then body to tensors, the model, the journal, the answer.
Nothing here waits: every check is on what is in memory, and the batcher calls `settle` when the
rows have been through the model.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.call import Call, Head, Route
from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, Internal
from fairlead.serving.answered import Answered
from fairlead.serving.log import log
from fairlead.serving.record import encode, note, refuse, too_many_rows, write_down
from fairlead.serving.registry import Registry, Served
from fairlead.usage.journal import Journal


class PredictionPath:
    """The one way by which predictions are made."""

    def __init__(self, registry: Registry, journal: Journal) -> None:
        self._registry = registry
        self._journal = journal

    def admit(self, route: Route) -> None:
        """Refuses a call by its head alone, so that its body need not be read."""
        if self._registry.get(route.model, route.version) is None:
            raise self._registry.absence(route.model, route.version)

    def predict(self, call: Call, head: Head, body: bytes) -> None:
        """Takes a call whose body has arrived; `call.done` is called once, now or later."""
        try:
            served = call.lease = self._registry.lease(call.route.model, call.route.version)
            if served.watch is not None and served.watch.suspects:
                served.watch.restrain(call.caller)
            call.route.decode(call, head, body)  # type: ignore[misc] - prediction routes decode
            if call.rows > call.encoder.most_rows:
                raise too_many_rows(call, served)
            served.submit(call)
        except FairleadError as error:
            refuse(call, error)
        except Exception as error:
            log("call_failed", model=call.route.model, error=repr(error))
            refuse(call, Internal("the server failed on this request"))

    def settle(self, served: Served, calls: Sequence[Call], answers: Sequence[Answered]) -> None:
        """Answers executed calls: encoded, counted, written down, and only then sent."""
        encode(answers)
        write_down(self._journal, served, calls)
        served.stats.answered(calls, now())
        note(served, answers)
        served.leases -= len(calls)
        for call in calls:
            call.done(call)

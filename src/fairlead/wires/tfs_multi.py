"""TensorFlow Serving's MultiInference: several questions about the same examples, in one request.

Every task is a call of its own on the prediction path. The results stand in the order of the tasks;
the first task that cannot be answered, in that order, is the answer to all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fairlead.core.call import Call, Channel, Route
from fairlead.core.errors import (
    BadParameter,
    FairleadError,
    MalformedBody,
    MissingField,
    Unsupported,
)
from fairlead.wires.grpc_service import parsed
from fairlead.wires.grpc_status import error_reply
from fairlead.wires.tfs_signatures import SIGNATURE

MOST_TASKS = 64
KINDS = {"tensorflow/serving/classify": "Classify", "tensorflow/serving/regress": "Regress"}
"""The methods that a task may name, and what is then asked."""


def checked_tasks(tasks: Sequence[Any]) -> Sequence[Any]:
    """The tasks of a request, which ask one model, each by another signature.

    Raises MissingField, BadParameter, and Unsupported for a method that is none of KINDS.
    """
    if not tasks:
        raise MissingField("Missing ModelSpec", where="tasks")
    if len(tasks) > MOST_TASKS:
        raise BadParameter(f"{len(tasks)} tasks in one request; {MOST_TASKS} is the limit")
    seen: set[str] = set()
    for number, task in enumerate(tasks):
        where = f"tasks[{number}]"
        if task.model_spec.name != tasks[0].model_spec.name:
            raise BadParameter(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
                where=where,
            )
        name = task.model_spec.signature_name or SIGNATURE
        if name in seen:
            raise BadParameter(f"Duplicate evaluation of signature: {name[:80]}", where=where)
        seen.add(name)
        if task.method_name not in KINDS:
            raise Unsupported(
                f"Unsupported signature method_name: {task.method_name[:80]}", where=where
            )
    return tasks


class MultiInference:
    """The wire's end of one request.

    takes: the request's message. most: bytes that it may take in memory. route: of one task, with
    the request's examples.
    """

    def __init__(
        self, channel: Channel, takes: Any, most: int, route: Callable[[Any, Any], Route]
    ) -> None:
        self._channel = channel
        self._takes = takes
        self._most = most
        self._route = route
        self._bodies: list[bytes] = []
        self._calls: dict[int, Call] = {}
        self._left = 0

    def message(self, body: bytes) -> None:
        """The request."""
        if len(self._bodies) < 2:
            self._bodies.append(body)

    def ended(self) -> None:
        """The request is whole."""
        bodies, self._bodies = self._bodies, []
        try:
            if len(bodies) != 1:
                raise MalformedBody("a unary call has one message")
            asked = parsed(self._takes, bodies[0], self._most)
            routes = [self._route(task, asked.input) for task in checked_tasks(asked.tasks)]
        except FairleadError as error:
            self._channel.end(error_reply(error))
            return
        self._left = len(routes)
        for place, route in enumerate(routes):
            # What has come is counted once, however many ask about it.
            self._channel.predict(route, b"" if place else bodies[0], self._done_at(place))

    def _done_at(self, place: int) -> Callable[[Call], None]:
        def done(call: Call) -> None:
            self._calls[place] = call
            self._left -= 1
            if not self._left:
                self._answer([self._calls[number] for number in sorted(self._calls)])

        return done

    def _answer(self, calls: Sequence[Call]) -> None:
        for call in calls:
            if call.error is not None:
                self._channel.end(error_reply(call.error))
                return
        # Messages with the same repeated field, one after the other, are the message with all.
        parts = [part for call in calls for part in (call.payload or b"", *call.tail)]
        self._channel.send(b"".join(parts))
        self._channel.end()

    def room(self) -> None:
        """There is one answer."""

    def left(self) -> None:
        """Nobody listens any more."""
        self._calls.clear()

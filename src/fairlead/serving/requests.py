"""What is told of each request: a line of the log, and a span of its trace.

Calls are told by the batch, once they are answered. A line holds words of ours, numbers, names that
were checked, and of what a caller has sent only what is escaped and short: never a header, a body
or a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import orjson

from fairlead.core.access import NOBODY, Caller
from fairlead.core.call import Call, Head, Reply
from fairlead.core.clock import now
from fairlead.core.decision import OUTCOMES
from fairlead.core.errors import FairleadError
from fairlead.serving.log import as_text, cut, is_written, log, stamp

OFF, SAMPLED, ALL = "off", "sampled", "all"
WAYS = (OFF, SAMPLED, ALL)
"""What the setting log.requests may be."""

ONE_IN = 100
"""Of so many good requests one is told, where they are sampled."""
MOST_PER_S = 50
"""Lines of failed requests in a second, and of good ones, where they are sampled."""
_TELL_S = 10.0
_NEVER = 1 << 62
_PARENT = "traceparent"
_ID = "x-request-id"

Known = tuple[str, str]
"""The address as the reference writes it, such as /predict/{model}, and the wire; "" for none."""
_NOWHERE = "(none)"
"""In place of the route of an address that nobody answers."""


class Served(Protocol):
    """What is told of a version."""

    @property
    def key(self) -> str: ...


class Spans(Protocol):
    """What traces are made of (tracing.py)."""

    def answered(self, calls: Sequence[Call], moment: float) -> None:
        """Calls that are answered or refused."""
        ...

    def plain(self, head: Head, reply: Reply, error: FairleadError | None, began: float) -> None:
        """A request that needs no model."""
        ...

    def tick(self) -> None:
        """Now and then."""
        ...

    def close(self, within_s: float) -> None:
        """What waits is sent, within so many seconds or sooner."""
        ...


class Requests:
    """Tells of the requests of one process.

    lost: lines of failed requests that were left out, because there were too many.
    """

    def __init__(
        self,
        way: str = OFF,
        text: bool = False,
        writer: str = "",
        put: Callable[[bytes], None] = lambda lines: None,
        unwritten: Callable[[], int] = int,
        known: Callable[[str, str], Known] = lambda method, path: ("", ""),
        spans: Spans | None = None,
    ) -> None:
        """way: one of WAYS. text: lines are for people. writer: the first half of usage ids.

        put: takes lines. unwritten: how many of this process could not be written.
        known: what a method and a path ask for.
        """
        self._way = way if is_written("info") else OFF
        self._text = text
        self._writer = writer
        self._put, self._unwritten = put, unwritten
        self._known = known
        self._spans = spans
        self._left = {OFF: _NEVER, SAMPLED: ONE_IN, ALL: 0}[self._way]
        self._second = self._told_s = now()
        self._good = self._failed = 0
        self._told = 0
        self._fault = ""
        self.lost = 0

    def answered(self, served: Served, calls: Sequence[Call], good: int, moment: float) -> None:
        """Calls of one execution are answered. good: how many of them without an error."""
        try:
            if self._spans is not None:
                self._spans.answered(calls, moment)
            left = self._left - good
            if left > 0 and good == len(calls):
                self._left = left
            elif self._way != OFF:
                self._tell(self._chosen(calls, left, moment), served.key, moment)
        except Exception as error:
            self._failed_to_tell(error)

    def refused(self, call: Call) -> None:
        """A call that never reached the model is answered."""
        try:
            moment = now()
            if self._spans is not None:
                self._spans.answered([call], moment)
            if self._way != OFF:
                key = call.lease.key if call.lease is not None else ""
                self._tell(self._chosen([call], self._left, moment), key, moment)
        except Exception as error:
            self._failed_to_tell(error)

    def plain(
        self,
        head: Head | None,
        reply: Reply,
        error: FairleadError | None = None,
        caller: Caller = NOBODY,
        size: int = 0,
        began: float = 0.0,
    ) -> None:
        """A request that needs no model is answered.

        head: None where it could not be read. size: bytes of the body. began: `clock.now` when it
        was read.
        """
        try:
            if self._spans is not None and head is not None:
                self._spans.plain(head, reply, error, began)
            if self._way != OFF:
                self._tell_plain(head, reply, error, caller, size, began)
        except Exception as fault:
            self._failed_to_tell(fault)

    def _tell_plain(
        self,
        head: Head | None,
        reply: Reply,
        error: FairleadError | None,
        caller: Caller,
        size: int,
        began: float,
    ) -> None:
        moment = now()
        failed = error is not None or reply.status >= 400
        if self._way == SAMPLED and not self._is_chosen(failed, moment):
            return
        said = self._first()
        if head is not None:
            self._ask(said, head, head.echo)
        said["status"] = reply.status
        if error is not None:
            _say_error(said, error)
        said["bytes_in"], said["bytes_out"] = size, len(reply.body)
        said["ms"] = round((moment - began) * 1e3, 3) if began else 0.0
        if caller.key:
            said["key"] = _plain(caller.key)
        self._write([said])

    def _failed_to_tell(self, error: Exception) -> None:
        """A fault of ours, said once: no request pays for it that nothing is told of it.

        It is answered already, and whoever called us would answer it once more.
        """
        if self._fault != repr(error):
            self._fault = repr(error)
            log("telling_failed", error=self._fault)

    def lines_lost(self) -> dict[str, int]:
        """Lines that are not in the log: of failed requests that were too many in a second, and
        those that could not be written."""
        return {"too_many": self.lost, "unwritten": self._unwritten()}

    def tick(self) -> None:
        """Now and then: says how many failed requests were left out since that was said last."""
        moment = now()
        if self.lost > self._told and moment - self._told_s > _TELL_S:
            self._told_s = moment
            count, self._told = self.lost - self._told, self.lost
            log("requests_left_out", requests=count)
        if self._spans is not None:
            self._spans.tick()

    def close(self, within_s: float) -> None:
        """No request comes any more; what is told apart may take so many seconds yet."""
        if self._spans is not None:
            self._spans.close(within_s)

    # --- which ----------------------------------------------------------------------------

    def _chosen(self, calls: Sequence[Call], left: int, moment: float) -> Sequence[Call]:
        """Those of the calls that a line is written of."""
        if self._way == ALL:
            return calls
        more = 0
        if left <= 0:
            more = 1 + -left // ONE_IN
            left += more * ONE_IN
        self._left = left
        chosen: list[Call] = []
        for call in calls:
            if call.error is not None:
                if self._has_room(True, moment):
                    chosen.append(call)
            elif more:
                more -= 1
                if self._has_room(False, moment):
                    chosen.append(call)
        return chosen

    def _is_chosen(self, failed: bool, moment: float) -> bool:
        if not failed:
            self._left -= 1
            if self._left > 0:
                return False
            self._left = ONE_IN
        return self._has_room(failed, moment)

    def _has_room(self, failed: bool, moment: float) -> bool:
        """Whether a line may be written in this second."""
        if moment - self._second >= 1.0:
            self._second, self._good, self._failed = moment, 0, 0
        if not failed:
            self._good += 1
            return self._good <= MOST_PER_S
        self._failed += 1
        if self._failed <= MOST_PER_S:
            return True
        self.lost += 1
        return False

    # --- what -----------------------------------------------------------------------------

    def _tell(self, calls: Sequence[Call], key: str, moment: float) -> None:
        if calls:
            model, _, version = key.rpartition("/")
            number = int(version or 0)
            self._write([self._of_call(call, model, number, moment) for call in calls])

    def _of_call(self, call: Call, model: str, version: int, moment: float) -> dict[str, Any]:
        # Of every call where all are told: no dictionary is made only to be joined to another.
        said = self._first()
        if call.head is not None:
            self._ask(said, call.head, call.echo)
        if model:
            said["model"], said["version"] = model, version
        if call.usage >= 0:
            said["usage_id"] = f"{self._writer}-{call.usage:x}"
        error, reply = call.error, call.reply
        said["status"] = 200 if reply is None else reply.status
        if error is not None:
            _say_error(said, error)
        said["rows"], said["bytes_in"] = call.rows, call.bytes_in
        size = len(call.payload or b"")
        said["bytes_out"] = call.sent or (size + sum(map(len, call.tail)) if call.tail else size)
        said["ms"] = round((moment - call.received) * 1e3, 3)
        said["model_ms"] = round(call.compute_ns / 1e6, 3)
        if error is None or call.decision:
            said["decision"] = OUTCOMES[call.decision]
        if call.caller.key:
            said["key"] = _plain(call.caller.key)
        return said

    def _first(self) -> dict[str, Any]:
        """How a line begins; the time is filled in when it is written."""
        return {"time": "", "level": "info", "event": "request"}

    def _ask(self, said: dict[str, Any], head: Head, echo: Sequence[tuple[str, str]]) -> None:
        """What was asked for, and by which ids its caller knows it."""
        route, wire = self._known(head.method, head.path)
        if route:
            said["method"], said["route"], said["wire"] = head.method, route, wire
        else:
            # Whatever stands in an address that nobody answers may be anything, a key among it.
            said["method"], said["route"] = _plain(head.method[:20]), _NOWHERE
        for name, value in echo:
            if name == _ID:
                said["request_id"] = value
            elif name == _PARENT:
                said["trace_id"] = value[3:35]

    def _write(self, told: Sequence[dict[str, Any]]) -> None:
        time = stamp()
        for one in told:
            one["time"] = time
        if self._text:
            self._put("".join([as_text(one) + "\n" for one in told]).encode())
        else:
            option = orjson.OPT_APPEND_NEWLINE
            self._put(b"".join([orjson.dumps(one, option=option) for one in told]))


UNTOLD = Requests()
"""Tells nothing."""


def _say_error(said: dict[str, Any], error: FairleadError) -> None:
    said["error"], said["error_id"], said["code"] = error.name, error.id, error.code.value


@lru_cache(1024)
def _plain(text: str) -> str:
    """A caller's text in ASCII, cut, so that no reader of the log takes it for two lines."""
    return cut(text.encode("ascii", "backslashreplace").decode())

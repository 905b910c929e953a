"""The desk of limits: lends units to workers, who then ask nobody for each call.

What counts them may block on a disk or another host, and does so in a thread of its own. Until it
can be opened nothing is lent, and it is tried again every second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fairlead.access.lending import Lending
from fairlead.access.metering import Behind, Meters
from fairlead.core.clock import now
from fairlead.serving.exchange import Line, Message
from fairlead.serving.log import log

_AGAIN_S = 1.0

OpenMeters = Callable[[Behind], tuple[Meters, bool]]
"""Opens what counts, and says whether whoever counted before had ended in order. It may block."""


class Lender:
    """Limits of one host.

    open_meters: called in the thread. tell: hands a callable from there to the loop.
    """

    kinds: frozenset[str] = frozenset(("lease",))

    def __init__(
        self, open_meters: OpenMeters, tell: Callable[[Callable[[], None]], object]
    ) -> None:
        self._open_meters = open_meters
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, "meters")
        self._lines: set[Line] = set()
        self._meters: Meters | None = None
        self._lending: Lending | None = None
        self._next_try = 0.0
        self._opening = False
        self._fault = ""

    # --- what counts --------------------------------------------------------------------------

    def _behind(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Does `work` in the thread; `done` gets its result, or its error, in the loop."""

        def run() -> None:
            try:
                result: Any = work()
            except Exception as error:
                result = error
            self._tell(lambda: done(result))

        self._thread.submit(run)

    def _open(self) -> None:
        self._opening, self._next_try = True, now() + _AGAIN_S
        self._behind(lambda: self._open_meters(self._behind), self._opened)

    def _opened(self, found: Any) -> None:
        self._opening = False
        if isinstance(found, Exception):
            if self._fault != repr(found):
                self._fault = repr(found)
                log("bookkeeping_failed", what="limits", error=self._fault)
            return
        meters, in_order = found
        self._meters = meters
        self._lending = Lending(meters, _send, careful=not in_order)
        for line in self._lines:
            self._lending.joined(line)

    # --- as every desk ------------------------------------------------------------------------

    def joined(self, line: Line) -> None:
        """A worker is there."""
        self._lines.add(line)
        if self._lending is not None:
            self._lending.joined(line)

    def lost(self, line: Line) -> None:
        """A worker's line has ended."""
        self._lines.discard(line)
        if self._lending is not None:
            self._lending.lost(line)

    def take(self, line: Line, message: Message) -> None:
        """What a worker brings back and wants; until anything can be counted it hears nothing."""
        if self._lending is not None:
            self._lending.take(line, message)

    def beat(self) -> None:
        """Ends what waits, and opens what counts."""
        if self._lending is not None:
            self._lending.beat()
        elif not self._opening and now() >= self._next_try:
            self._open()

    def save(self) -> None:
        """Writes what was given back."""
        if self._meters is not None:
            self._meters.save()

    def close(self) -> None:
        """Writes the last; whoever comes next knows whether anything is still held."""
        meters, lending = self._meters, self._lending
        if meters is not None and lending is not None:
            idle = lending.idle
            closing = self._thread.submit(lambda: meters.close(idle))
            error = closing.exception()
            if error is not None:
                log("bookkeeping_failed", what="limits", error=repr(error))
        self._thread.shutdown()


def _send(line: Line, message: Mapping[str, Any]) -> bool:
    if message["kind"] == "recall":
        return line.send(message)
    line.press(message)  # a book of keys may be on its way over the same line
    return True

"""The predictions of one stream that are under way, whatever protocol carries it."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.core.call import Call, Head, Route
from fairlead.core.clock import now


class Calls:
    """Every message of a stream that asks is a call; what holds for its caller holds for all.

    full: whether the caller takes no more pieces for now.
    """

    __slots__ = ("_full", "_open")

    def __init__(self, full: Callable[[], bool]) -> None:
        self._full = full
        self._open: set[Call] = set()

    def __len__(self) -> int:
        return len(self._open)

    def begin(
        self,
        route: Route,
        head: Head,
        size: int,
        done: Callable[[Call], None],
        piece: Callable[[Call], None] | None,
        until: float = 0.0,
    ) -> Call:
        """A call for a message of so many bytes; `done` gets it unless its caller has left.

        until: `clock.now` after which nobody listens; 0 for as long as the head allows.
        """

        def over(call: Call) -> None:
            self._open.discard(call)
            if not call.gone:
                done(call)

        moment = now()
        deadline = moment + head.patience
        call = Call(route, moment, min(deadline, until or deadline), size, True, over)
        call.head, call.echo = head, head.echo
        if piece is not None:
            call.piece, call.full = piece, self._full
        self._open.add(call)
        return call

    def resume(self) -> None:
        """The caller takes pieces again."""
        for call in [*self._open]:
            if call.resume is not None:
                call.resume()

    def leave(self) -> None:
        """The caller is gone: nobody is told of what becomes of them."""
        for call in self._open:
            call.gone = True
        self._open.clear()

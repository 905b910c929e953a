"""What a model is told of a call beside its tensors: its parameters, and its place in a sequence.

Calls of one sequence are executed in the order in which they come, each by itself. A sequence is
known to one worker: the one that it began with.
"""

from __future__ import annotations

from typing import Any

from fairlead.core.call import Call
from fairlead.core.clock import now
from fairlead.core.errors import Overloaded, SequenceUnknown
from fairlead.serving.served import Served

_MOST = 10_000
"""Sequences of one version that are under way at most."""
_IDLE_S = 600.0
"""A sequence of which nothing was heard for so long is forgotten."""
_ID, _START, _END = "sequence_id", "sequence_start", "sequence_end"
WORDS = (_ID, _START, _END)
"""The parameters by which a caller says where a call stands in its sequence."""


class Sequences:
    """The sequences of one version that are under way, by their callers' ids."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, int | str], float] = {}

    def enter(self, whose: str, identity: int | str, start: bool, end: bool) -> None:
        """A call of a sequence comes. Raises SequenceUnknown, Overloaded.

        whose: the account of its caller; another's sequence of equal id is another one.
        """
        moment, key = now(), (whose, identity)
        heard = self._heard.pop(key, None)
        if not start and (heard is None or heard < moment - _IDLE_S):
            raise SequenceUnknown(
                f"no sequence {str(identity)[:80]!r} is under way here",
                where=_ID,
                fix="Begin it with sequence_start, and keep one connection: each worker of the "
                "server knows the sequences that began with it",
            )
        if end:
            return
        self._forget(moment)
        if len(self._heard) >= _MOST:
            raise Overloaded(
                f"{len(self._heard)} sequences are under way already",
                fix="End sequences with sequence_end",
            )
        self._heard[key] = moment

    def _forget(self, moment: float) -> None:
        """The idle ones; the one that was heard of last stands last."""
        for key in [*self._heard]:
            if self._heard[key] >= moment - _IDLE_S:
                return
            del self._heard[key]

    def clear(self) -> None:
        """The model has forgotten them all."""
        self._heard.clear()


def said_of(served: Served, call: Call) -> dict[str, Any]:
    """What the model is told of a call. Raises SequenceUnknown, Overloaded."""
    takes, given = served.package.takes, call.parameters
    said: dict[str, Any] = {}
    if "parameters" in takes:
        said["parameters"] = {k: v for k, v in given.items() if k not in WORDS}
    identity = given.get(_ID, 0)
    if "sequence" in takes and identity not in (0, ""):
        start, end = bool(given.get(_START, False)), bool(given.get(_END, False))
        sequences = served.derived("sequences", lambda _: Sequences())
        sequences.enter(str(call.caller.account), identity, start, end)
        said["sequence"] = [identity, start, end]
    return said

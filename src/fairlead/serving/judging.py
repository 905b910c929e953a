"""The desk of the guards: takes what workers have seen, tells all of them what has come of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.core.audit import By
from fairlead.core.clock import now
from fairlead.serving.exchange import Line, Message
from fairlead.serving.guard_state import FILE

if TYPE_CHECKING:
    from fairlead.serving.standing import Standing

_TELL_EVERY = 5
_AT_ONCE_S, _MOST_LATER, _VALUES = 0.004, 4096, 1024
"""Seconds of judging between two turns of the loop, pieces that may wait, p-values of one."""

ACTS = {"forgive": "misuse.forgive", "restart": "drift.restart"}
"""What the audit trail calls the messages that change something."""


def about(message: Message) -> str:
    """What such a message is about, as the audit trail calls it."""
    return str(message.get("caller") or message.get("model") or "")


class Judging:
    """Adds up the guards of all workers.

    accuracy: gives how right the answers of each version were, as far as labels have come.
    note: puts what the command line does into the audit trail.
    """

    kinds: frozenset[str] = frozenset(("seen", "looked", "suspects", "forgive", "restart"))

    def __init__(
        self,
        folder: Path,
        accuracy: Callable[[], Mapping[tuple[str, int], Mapping[str, Any]]],
        note: Callable[[By, str, str], None] = lambda by, act, about: None,
    ) -> None:
        self._file = folder / FILE
        self._accuracy = accuracy
        self._note = note
        self._opened: Standing | None = None
        self._lines: dict[Line, int] = {}
        self._beats = 0
        self._later: deque[Message] = deque()

    def _standing(self) -> Standing:
        """The guards' state. What it needs is loaded once there are guards."""
        if self._opened is None:
            from fairlead.serving.standing import Standing

            self._opened = Standing(self._file)
        return self._opened

    def joined(self, line: Line) -> None:
        """A worker that has not heard the newest standing yet."""
        self._lines[line] = -1

    def lost(self, line: Line) -> None:
        """A worker that need not be told any more."""
        self._lines.pop(line, None)

    def take(self, line: Line, message: Message) -> None:
        """What a worker has seen, or a question of the command line."""
        kind = message["kind"]
        if kind == "seen":
            self._later.extend(_pieces(message))
            if len(self._later) > _MOST_LATER:
                self._judge(float("inf"))
        elif kind == "looked":
            self._relay(line, message)
        else:
            self._judge(float("inf"))
            answer = self._standing().answer(message)
            self._tell()
            self.save()
            if kind in ACTS:
                self._note(By(f"uid {line.uid}", "command line"), ACTS[kind], about(message))
            line.send({**answer, "id": message.get("id")})

    def _relay(self, line: Line, message: Message) -> None:
        """The other workers learn where the caller's rows lay; this one what it missed."""
        before = self._standing().looked(message)
        about = {
            "kind": "places",
            "key": f"{message['model']}/{message['version']}",
            "caller": message["caller"],
        }
        if message.get("new"):
            line.send({**about, "places": before.tolist()})
        for other in self._lines:
            if other is not line:
                other.send({**about, "places": message["block"]["places"]})

    def beat(self) -> None:
        """Tells what is new, four times a second."""
        self._beats += 1
        self._judge(now() + _AT_ONCE_S)
        if self._beats % _TELL_EVERY == 0:
            self._tell()

    def _judge(self, until: float) -> None:
        """Judges what has been seen, as far as there is time: others wait for this loop too."""
        while self._later and now() < until:
            self._standing().seen(self._later.popleft())

    def _tell(self) -> None:
        """Every worker that has not heard the newest standing hears it."""
        live = self._accuracy()
        if self._opened is None and not live and not self._file.exists():
            return  # there is nothing to know; otherwise who was suspected still is
        standing = self._standing()
        standing.live(live)
        revision = standing.revision
        behind = [line for line, known in self._lines.items() if known != revision]
        if behind:
            message = {"kind": "standing", "versions": standing.told()}
            for line in behind:
                if line.send(message):
                    self._lines[line] = revision

    def told(self) -> Mapping[str, Mapping[str, Any]]:
        """How the guards of each version stand, by "model/version"; {} before there are any."""
        return self._opened.told() if self._opened is not None else {}

    def save(self) -> None:
        """Everything that is not in the database yet."""
        if self._opened is not None:
            self._opened.save()

    def close(self) -> None:
        """Judges the rest, and closes the database."""
        self._judge(float("inf"))
        if self._opened is not None:
            self._opened.save()
            self._opened.close()


def _pieces(message: Message) -> Iterator[Message]:
    """What a worker has seen in pieces that are judged in a millisecond or two each."""
    chunks, p_values = message["chunks"], message["p_values"]
    for chunk in chunks:
        yield {**message, "chunks": [chunk], "p_values": []}
    for start in range(0, len(p_values), _VALUES):
        yield {**message, "chunks": [], "p_values": p_values[start : start + _VALUES]}

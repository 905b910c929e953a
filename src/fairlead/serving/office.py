"""The bookkeeper's side of the lines: every message goes to the desk that deals with its kind.

Workers and the command line speak to it. No message, no database and no desk may end the process
that writes the ledger too: what fails is told once, and tried again where it is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from fairlead.core.errors import FairleadError, Internal
from fairlead.serving import exchange
from fairlead.serving.exchange import Line, Message, error_to_json
from fairlead.serving.log import log

_BEAT_S, _SAVE_EVERY = 0.05, 20
_KINDS_TOLD = 64


class Desk(Protocol):
    """What deals with some kinds of messages.

    kinds: of messages that it takes. A message of the command line has an "id"; its answer is
    `{"kind": "answer", "id": ..., ...}`, sent over the same line, now or later.
    """

    kinds: frozenset[str]

    def take(self, line: Line, message: Message) -> None:
        """Deals with a message. What it raises is answered as an error."""
        ...

    def joined(self, line: Line) -> None:
        """A worker has said that it is there."""
        ...

    def lost(self, line: Line) -> None:
        """A line has ended."""
        ...

    def beat(self) -> None:
        """Twenty times a second."""
        ...

    def save(self) -> None:
        """Once a second, and at the end: what is only in memory goes to the disk."""
        ...

    def close(self) -> None:
        """Nothing comes any more."""
        ...


class Office:
    """Answers at the state folder's socket."""

    def __init__(self, folder: Path, desks: Sequence[Desk]) -> None:
        self._folder = folder
        self._desks = desks
        self._by_kind = {kind: desk for desk in desks for kind in desk.kinds}
        self._lines: set[Line] = set()
        self._told: dict[str, str] = {}

    async def run(self, over: asyncio.Event) -> None:
        """Answers until `over` is set; then everything is saved."""
        server = await exchange.listen(self._folder, self._heard, self._lost)
        beats = 0
        while not over.is_set():
            for desk in self._desks:
                self._careful("beat", desk, desk.beat)
                if beats % _SAVE_EVERY == 0:
                    self._careful("save", desk, desk.save)
            beats += 1
            try:
                await asyncio.wait_for(over.wait(), _BEAT_S)
            except TimeoutError:
                continue
        server.close()
        # What the workers sent last is still in the sockets.
        await asyncio.sleep(0)
        for line in list(self._lines):
            line.close()
        for desk in self._desks:
            self._careful("save", desk, desk.save)
            self._careful("close", desk, desk.close)

    def _lost(self, line: Line) -> None:
        self._lines.discard(line)
        for desk in self._desks:
            self._careful("lost", desk, lambda d=desk: d.lost(line))

    def _heard(self, line: Line, message: Message) -> None:
        self._lines.add(line)
        kind = str(message.get("kind"))
        if kind == "hello":
            for desk in self._desks:
                self._careful("joined", desk, lambda d=desk: d.joined(line))
            return
        try:
            desk = self._by_kind.get(kind)
            if desk is None:
                raise Internal(f"nobody here deals with messages of kind {kind[:40]!r}")
            desk.take(line, message)
        except Exception as error:
            ours = error if isinstance(error, FairleadError) else Internal("the message failed")
            if ours is not error:
                self._say(f"a message of kind {kind[:40]}", error)
            line.send({"kind": "answer", "id": message.get("id"), "error": error_to_json(ours)})

    def _careful(self, what: str, desk: Desk, act: Callable[[], None]) -> None:
        """A fault is told once, and tried again at the next beat."""
        name = f"{type(desk).__name__} {what}"
        try:
            act()
        except Exception as error:
            self._say(name, error)
        else:
            self._told.pop(name, None)

    def _say(self, what: str, error: Exception) -> None:
        if self._told.get(what) != repr(error):
            if len(self._told) >= _KINDS_TOLD:
                self._told.clear()
            self._told[what] = repr(error)
            log("bookkeeping_failed", what=what, error=repr(error))

"""A worker's side of the line to the bookkeeper: what was seen goes there, what came of it back.

Predictions never wait for it. Without a bookkeeper what was seen is kept, up to a point, and sent
when there is one again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, cast

from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, Overloaded, StateUnavailable
from fairlead.serving.exchange import Line, Message, connect, error_of
from fairlead.serving.served import Served
from fairlead.serving.watching import Watch

_LOOK_S, _NEXT_S = 0.2, 0.002
"""Seconds until the first look at what was answered, and between looks while there is more."""

_ANSWER_S, _MOST_ASKED = 5.0, 1024
"""Seconds within which a question is answered, and questions that may wait at once."""

Heard = Callable[[Message], None]
Told = Callable[[Message | FairleadError], None]
"""Takes the answer to a question, or why there is none."""


class Reporting:
    """All watches of one worker, and its line.

    standing: what the bookkeeper said last of all versions, by "model/version".
    """

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._folder = folder
        self._loop = loop
        self._others: dict[str, Heard] = {}
        self._broken: list[Callable[[], None]] = []
        self._asked: dict[int, tuple[float, Told]] = {}
        self._ids = count(1)
        self._watches: dict[str, Watch] = {}
        self._line: Line | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._armed = False
        self.standing: Mapping[str, Mapping[str, Any]] = {}

    def listen(self, kinds: tuple[str, ...], heard: Heard, broke: Callable[[], None]) -> None:
        """From now on messages of these kinds go to `heard`; `broke` is told when the line ends."""
        self._others |= dict.fromkeys(kinds, heard)
        self._broken.append(broke)

    @property
    def connected(self) -> bool:
        """Whether the bookkeeper is there."""
        return self._line is not None

    def send(self, message: Message) -> bool:
        """Whether the message is on its way to the bookkeeper."""
        return self._line is not None and self._line.send(message)

    def ask(self, message: Message, told: Told, within_s: float = _ANSWER_S) -> None:
        """Asks the bookkeeper; `told` is called once, now or within so many seconds."""
        number = next(self._ids)
        if len(self._asked) >= _MOST_ASKED:
            told(Overloaded("too many questions wait already", fix="Try again in a second"))
        elif not self.send({**message, "id": number}):
            told(_away())
        else:
            self._asked[number] = now() + within_s, told

    def _answered(self, message: Message) -> None:
        found = self._asked.pop(cast("int", message.get("id")), None)
        if found is not None:
            found[1](error_of(message["error"]) if message.get("error") else message)

    def _give_up(self, before: float) -> None:
        """Questions that had to be answered by then are answered by an error."""
        for number in [n for n, (due, _) in self._asked.items() if due <= before]:
            self._asked.pop(number)[1](_away())

    def watch(self, served: Served) -> None:
        """From now on looks at what goes through this version."""
        package = served.package
        if served.guarding is None:
            return
        watch = Watch(package.name, package.version, str(package.folder), served.guarding, self.arm)
        served.watch = self._watches[served.key] = watch
        self._tell(served.key, watch)

    def forget(self, key: str) -> None:
        """From now on nothing goes through this version."""
        self._watches.pop(key, None)

    def _tell(self, key: str, watch: Watch) -> None:
        """What is known of a version; who is suspected at one version is so at all of a model."""
        suspects: dict[str, Mapping[str, Any]] = {}
        for name, told in self.standing.items():
            if name.rpartition("/")[0] == watch.model:
                suspects |= told.get("suspects", {})
        watch.told(self.standing.get(key, {}), suspects)

    def arm(self) -> None:
        """Something waits to be looked at."""
        if not self._armed:
            self._armed = True
            self._loop.call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        more = [watch.look() for watch in self._watches.values()]
        if any(more):
            self._loop.call_later(_NEXT_S, self._look)
        else:
            self._armed = False

    def beat(self) -> None:
        """Several times a second: sends what has been seen."""
        self._give_up(now())
        if self._line is None:
            if self._connecting is None:
                self._connecting = self._loop.create_task(self._connect())
            return
        for watch in self._watches.values():
            for message in watch.messages():
                if not self._line.send(message):
                    return  # the rest waits for the next beat
                watch.sent(message)

    def close(self) -> None:
        """Sends the last, and ends the line."""
        while any([watch.look() for watch in self._watches.values()]):
            pass
        if self._line is not None:
            self.beat()
            self._line.close()

    async def _connect(self) -> None:
        with suppress(OSError):
            self._line = await connect(self._folder, self._heard, self._lost)
            self._line.send({"kind": "hello"})
        self._connecting = None

    def _lost(self, line: Line) -> None:
        self._line = None
        self._give_up(float("inf"))
        for broke in self._broken:
            broke()

    def _heard(self, line: Line, message: Message) -> None:
        with suppress(KeyError, TypeError, ValueError):
            kind = message["kind"]
            if kind == "answer":
                self._answered(message)
            elif kind in self._others:
                self._others[kind](message)
            elif kind == "standing":
                self.standing = cast("Mapping[str, Mapping[str, Any]]", message["versions"])
                for key, watch in self._watches.items():
                    self._tell(key, watch)
            elif kind == "places":
                watch = self._watches[message["key"]]
                watch.remember(message["caller"], message["places"])


def _away() -> StateUnavailable:
    return StateUnavailable(
        "what this address tells cannot be looked up now", fix="Try again in a second"
    )

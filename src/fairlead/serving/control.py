"""Which models are to be served, changed while the server runs.

A worker that is asked for a change asks the bookkeeper; it tells every worker, and answers once all
have done it. What was wished last is kept (`wishes`) for workers that start later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.serving.choosing import NEWEST, Choice
from fairlead.serving.exchange import Line, Message, Within, error_of, error_to_json
from fairlead.serving.log import log
from fairlead.serving.wishes import keep_wishes, read_wishes

if TYPE_CHECKING:
    from fairlead.serving.manager import Manager
    from fairlead.serving.reporting import Reporting

ASKED, TOLD, DONE = "control.ask", "control.tell", "control.done"
LOAD, END = "load", "end"
_WISH = ("act", "model", "choice")
"""What is told of a change, and kept."""
_PATIENCE_S = 300.0

Told = Callable[[FairleadError | None], None]
"""Is told once that it is done, or why not."""


class Control(Protocol):
    """Loads and unloads models on all workers."""

    def load(self, model: str, told: Told, choice: Choice = NEWEST) -> None:
        """Serves what is wanted of the versions of a model that its repository holds now.

        It is done once every worker answers for it. A version that cannot be loaded never displaces
        one that answers.
        """
        ...

    def unload(self, model: str, told: Told) -> None:
        """Ends a model; it is done once every worker has given its memory back."""
        ...


class WorkerControl:
    """One worker's side: asks for changes, and makes those that are told."""

    def __init__(self, reporting: Reporting, manager: Callable[[], Manager]) -> None:
        self._reporting = reporting
        self._manager = manager
        reporting.listen((TOLD,), self._hear, lambda: None)

    def load(self, model: str, told: Told, choice: Choice = NEWEST) -> None:
        self._ask({"act": LOAD, "model": model, "choice": choice.to_json()}, told)

    def unload(self, model: str, told: Told) -> None:
        self._ask({"act": END, "model": model}, told)

    def _ask(self, wish: Message, told: Told) -> None:
        def answered(answer: Message | FairleadError) -> None:
            told(answer if isinstance(answer, FairleadError) else None)

        self._reporting.ask({"kind": ASKED, **wish}, answered, within_s=_PATIENCE_S)

    def _hear(self, message: Message) -> None:
        """Makes a change, and says that it is made."""
        serial = message["serial"]

        def done(error: FairleadError | None) -> None:
            fault = None if error is None else error_to_json(error)
            self._reporting.send({"kind": DONE, "serial": serial, "error": fault})

        manager, model = self._manager(), message["model"]
        if message["act"] == LOAD:
            manager.load(model, done, Choice.from_json(message["choice"]))
        else:
            manager.end(model, done)


@dataclass
class _Change:
    """A change that is being made.

    wish: what is told to workers. waiting: for these lines. error: what went wrong first.
    """

    asker: Line
    asked: Any
    wish: Mapping[str, Any]
    waiting: set[Line]
    since: float = field(default_factory=now)
    error: Any = None


class Controlling:
    """The bookkeeper's desk: tells all workers, waits for all, answers one."""

    kinds: frozenset[str] = frozenset((ASKED, DONE))

    def __init__(self, state: Path) -> None:
        self._state = state
        self._workers: set[Line] = set()
        self._changes: dict[int, _Change] = {}
        self._serial = 0
        self._wishes: dict[str, Mapping[str, Any]] = read_wishes(state)

    def take(self, line: Line, message: Message) -> None:
        """A change is asked for, or a worker has made one."""
        if message["kind"] == DONE:
            self._done(line, message)
            return
        self._serial += 1
        wish = {key: message[key] for key in _WISH if key in message}
        change = _Change(line, message.get("id"), wish, {*self._workers})
        self._changes[self._serial] = change
        for worker in [*change.waiting]:
            worker.press({"kind": TOLD, "serial": self._serial, **wish})
        self._settle(self._serial)

    def ask(self, act: str, model: str, told: Told) -> None:
        """Asks for a change from within this process: LOAD or END."""

        def heard(message: Message) -> None:
            fault = message.get("error")
            told(error_of(fault) if fault else None)

        self.take(Within(heard), {"kind": ASKED, "act": act, "model": model, **_newest(act)})

    def _done(self, line: Line, message: Message) -> None:
        serial = int(message["serial"])
        change = self._changes.get(serial)
        if change is not None:
            change.error = change.error or message.get("error")
            change.waiting.discard(line)
            self._settle(serial)

    def _settle(self, serial: int) -> None:
        """Answers who asked, once nobody is waited for."""
        change = self._changes[serial]
        if change.waiting:
            return
        del self._changes[serial]
        if change.error is not None and change.wish.get("choice", {}).get("source"):
            # A model that a platform loads answers everywhere or nowhere.
            for worker in self._workers:
                worker.press({"kind": TOLD, "serial": 0, "act": END, "model": change.wish["model"]})
        if change.error is None:
            self._wishes[str(change.wish["model"])] = change.wish
            self._keep()
        answer = {"kind": "answer", "id": change.asked}
        change.asker.press(answer | ({"error": change.error} if change.error else {}))

    def _keep(self) -> None:
        """What is not kept on the disk is only lost where this process ends before the server."""
        try:
            keep_wishes(self._state, self._wishes)
        except OSError as error:
            log("bookkeeping_failed", what="what was wished", error=repr(error))

    def joined(self, line: Line) -> None:
        """A worker that starts is told what was wished before, and what is being done."""
        self._workers.add(line)
        for wish in self._wishes.values():
            line.press({"kind": TOLD, "serial": 0, **wish})
        for serial, change in self._changes.items():
            change.waiting.add(line)
            line.press({"kind": TOLD, "serial": serial, **change.wish})

    def lost(self, line: Line) -> None:
        """A worker that is gone is not waited for: its successor is told when it joins."""
        self._workers.discard(line)
        for serial in [*self._changes]:
            self._changes[serial].waiting.discard(line)
            self._settle(serial)

    def beat(self) -> None:
        """Nobody is waited for without end."""
        late = [s for s, change in self._changes.items() if now() - change.since > _PATIENCE_S]
        for serial in late:
            change = self._changes[serial]
            change.error = error_to_json(LoadFailed("not every worker has done it in time"))
            change.waiting.clear()
            self._settle(serial)

    def save(self) -> None:
        """What was wished is on the disk already."""

    def close(self) -> None:
        """Nothing is held open."""


def _newest(act: str) -> dict[str, Any]:
    return {"choice": NEWEST.to_json()} if act == LOAD else {}

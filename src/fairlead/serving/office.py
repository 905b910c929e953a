"""The bookkeeper's side of the lines: takes what workers have seen, tells all of them the result.

The command line speaks to it too, so that what an owner decides reaches the workers at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.serving import exchange
from fairlead.serving.exchange import Line, Message
from fairlead.serving.guard_state import FILE
from fairlead.serving.log import log

if TYPE_CHECKING:
    from fairlead.serving.standing import Standing

_TELL_S, _SAVE_S = 0.25, 1.0


class Office:
    """Answers at the state folder's socket.

    accuracy: gives how right the answers of each version were, as far as labels have come.
    """

    def __init__(
        self,
        folder: Path,
        accuracy: Callable[[], Mapping[tuple[str, int], Mapping[str, Any]]],
    ) -> None:
        self._folder = folder
        self._accuracy = accuracy
        self._opened: Standing | None = None
        self._lines: dict[Line, int] = {}
        self._refused = False
        self._unsaved = self._untold = False

    async def run(self, over: asyncio.Event) -> None:
        """Answers until `over` is set; then everything is saved."""
        server = await exchange.listen(self._folder, self._heard, self._lost)
        beats = 0
        while not over.is_set():
            self._careful_tell()
            if beats % round(_SAVE_S / _TELL_S) == 0:
                self._save()
            beats += 1
            try:
                await asyncio.wait_for(over.wait(), _TELL_S)
            except TimeoutError:
                continue
        server.close()
        # What the workers sent last is still in the sockets.
        await asyncio.sleep(0)
        for line in list(self._lines):
            line.close()
        self._save()
        if self._opened is not None:
            try:
                self._opened.close()
            except Exception as error:
                log("bookkeeping_failed", what="guard state", error=repr(error))

    def _standing(self) -> Standing:
        """The guards' state. What it needs is loaded once there are guards."""
        if self._opened is None:
            from fairlead.serving.standing import Standing

            self._opened = Standing(self._folder / FILE)
        return self._opened

    def _lost(self, line: Line) -> None:
        self._lines.pop(line, None)

    def _heard(self, line: Line, message: Message) -> None:
        self._lines.setdefault(line, -1)
        try:
            self._take(line, message)
        except Exception as error:
            # No message and no database may end the process that writes the ledger too.
            if not self._refused:
                self._refused = True
                log("bookkeeping_failed", what="a message", error=repr(error))

    def _take(self, line: Line, message: Message) -> None:
        kind = message["kind"]
        if kind == "seen":
            self._standing().seen(message)
        elif kind == "looked":
            self._relay(line, message)
        elif kind != "hello":
            answer = self._standing().answer(message)
            self._tell()
            self._save()
            line.send(answer)

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

    def _careful_tell(self) -> None:
        """A fault of the database is told once, and tried again at the next beat."""
        try:
            self._tell()
        except Exception as error:
            if not self._untold:
                self._untold = True
                log("bookkeeping_failed", what="guard state", error=repr(error))
        else:
            self._untold = False

    def _tell(self) -> None:
        """Every line that has not heard the newest standing hears it."""
        live = self._accuracy()
        if self._opened is None and not live and not (self._folder / FILE).exists():
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

    def _save(self) -> None:
        """A database that cannot be written is told once, and tried again."""
        if self._opened is None:
            return
        try:
            self._opened.save()
        except Exception as error:
            if not self._unsaved:
                self._unsaved = True
                log("bookkeeping_failed", what="guard state", error=repr(error))
        else:
            self._unsaved = False

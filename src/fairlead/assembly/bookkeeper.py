"""The bookkeeper put together: its desks, the journals that it follows, the admin listener."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from fairlead.core.access import StoredKey
from fairlead.serving.book_messages import Book, pieces
from fairlead.serving.bookkeeper import Following
from fairlead.serving.exchange import Line, Message
from fairlead.serving.judging import Judging
from fairlead.serving.log import configure
from fairlead.serving.office import Desk, Office

_NICENESS = 10  # predictions come first; the journal can wait


class _Book:
    """Tells workers the keys. (serving/keeping.py takes its place.)"""

    kinds: frozenset[str] = frozenset()

    def __init__(self, state: Path) -> None:
        self._state = state

    def joined(self, line: Line) -> None:
        from fairlead.usage.stores.keys_sqlite import FILE, KeyStore

        found: tuple[int, list[StoredKey]] = (0, [])
        if (self._state / FILE).exists():
            store = KeyStore(self._state / FILE)
            found = store.snapshot()
            store.close()
        for piece in pieces(Book(found[0], True, found[1])):
            line.send(piece)

    def take(self, line: Line, message: Message) -> None: ...
    def lost(self, line: Line) -> None: ...
    def beat(self) -> None: ...
    def save(self) -> None: ...
    def close(self) -> None: ...


async def serve(state: Path, pipe: int) -> int:
    """Runs until SIGTERM, or until the supervisor's end of the pipe closes; the exit status."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    orphaned: list[bool] = []

    def alone() -> None:
        # The supervisor is gone: what is left to roll up is there for the next server.
        orphaned.append(True)
        loop.remove_reader(pipe)
        over.set()

    loop.add_signal_handler(signal.SIGTERM, over.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.add_reader(pipe, alone)
    following = Following(state)
    following.start()
    desks: list[Desk] = [_Book(state), Judging(state, lambda: following.accuracy)]
    await Office(state, desks).run(over)
    if orphaned:
        os._exit(1)
    await asyncio.to_thread(following.end)
    return 0


def main(arguments: list[str]) -> int:
    """arguments: the state folder, the descriptor of the pipe, and what `log.configure` takes."""
    configure(*arguments[2:])
    with suppress(OSError):
        os.nice(_NICENESS)
    return asyncio.run(serve(Path(arguments[0]), int(arguments[1])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

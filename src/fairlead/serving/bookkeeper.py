"""The bookkeeper: the one process that talks to the database.

It follows the workers' journals and rolls them up into the ledger. Workers never wait for it:
when it is away the journals grow, and it catches up from the offsets that it committed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from threading import Event

from fairlead.serving.log import log
from fairlead.usage.ledger import Ledger, segments

LEDGER = "ledger.sqlite"
JOURNAL = "journal"
_EVERY_S = 0.5
_NICENESS = 10  # predictions come first; the journal can wait
_KEPT_BYTES = 256 << 20


def main(arguments: list[str]) -> int:
    """Runs until SIGTERM, or until the supervisor's end of the pipe closes.

    arguments: the state folder and the descriptor of the pipe.
    """
    state = Path(arguments[0])
    over = Event()
    signal.signal(signal.SIGTERM, lambda number, frame: over.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = int(arguments[1])
    os.set_blocking(pipe, False)
    os.nice(_NICENESS)
    ledger = Ledger(state / LEDGER)
    while not over.is_set():
        _follow(ledger, state / JOURNAL)
        over.wait(_EVERY_S)
        if _closed(pipe):
            break
    while _follow(ledger, state / JOURNAL):
        pass
    ledger.close()
    return 0


def _follow(ledger: Ledger, folder: Path) -> int:
    """One round over all segments; a fault of the database is told and tried again."""
    try:
        done = sum(ledger.roll_up(segment) for segment in segments(folder))
        _forget(folder)
        return done
    except Exception as error:
        log("bookkeeping_failed", error=repr(error))
        return 0


def _forget(folder: Path) -> None:
    """Removes the oldest rolled-up segments beyond the bytes that are kept."""
    found = sorted(segments(folder), key=lambda p: p.stat().st_mtime_ns, reverse=True)
    kept = 0
    for segment in found[1:]:
        kept += segment.stat().st_size
        if kept > _KEPT_BYTES:
            segment.unlink()


def _closed(pipe: int) -> bool:
    try:
        return os.read(pipe, 1) == b""
    except BlockingIOError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

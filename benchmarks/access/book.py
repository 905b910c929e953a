"""How a book of many keys reaches a worker, and how long keys take to be listed and ended."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from benchmarks.report import Part, Promise
from fairlead.access.minting import new_key
from fairlead.assembly.rooms import open_room
from fairlead.core.access import parse_scopes
from fairlead.core.audit import By
from fairlead.core.clock import now, wall_ns
from fairlead.serving.acting import Room
from fairlead.serving.acts import do
from fairlead.serving.book_messages import Gathered
from fairlead.serving.keeping import Keeping

KEYS, TENANTS, TRIES = 100_000, 100, 20
_BEAT_S = 0.05
_PROMISED_S = 1.0
_SOMEBODY = By("uid 0", "command line")


class _Worker:
    """A worker's end of a line."""

    def __init__(self) -> None:
        self.book, self.pieces = Gathered(), 0

    def send(self, message: Any) -> bool:
        self.pieces += 1
        self.book.take(message)
        return True


class _Office:
    """A desk in a loop that beats twenty times a second."""

    def __init__(self, folder: Path) -> None:
        self._handed: Queue[Callable[[], None]] = Queue()
        self.desk = Keeping(folder, lambda: open_room(folder), self._handed.put)
        self.worker = _Worker()
        self.desk.joined(self.worker)  # type: ignore[arg-type]

    def until(self, true: Callable[[], Any]) -> float:
        """Seconds until something is true."""
        begun = beat = now()
        while not true():
            try:
                self._handed.get(timeout=max(0.0, beat - now()))()
            except Empty:
                beat = now() + _BEAT_S
                self.desk.beat()
        return now() - begun


def run(count: int = KEYS) -> Part:
    """Makes so many keys, and times what is done to them."""
    with tempfile.TemporaryDirectory(prefix="fairlead-book-") as name:
        folder = Path(name)
        with closing(open_room(folder)) as room:
            ids = _made(room, count)
            lines = [*_listed(room), *_ended(room)]
        office = _Office(folder)
        took = office.until(lambda: office.worker.book.keys)
        lines.append(
            f"{count:,} keys reach a worker in {office.worker.pieces} pieces: {took:.1f} s"
        )
        delays = sorted(_revoked(office, key_id) for key_id in ids[-TRIES:])
        office.desk.close()
    middle, worst = delays[len(delays) // 2], delays[-1]
    lines.append(f"revoked and known to a worker: p50 {middle * 1e3:.0f} ms, worst {worst:.3f} s")
    promise = Promise(
        f"a worker knows of a revocation among {count:,} keys within 1 s",
        _PROMISED_S,
        worst,
        f"{worst:.3f} s",
        most=True,
    )
    return Part("Many keys", lines, {"known_s": delays, "book_s": took}, [promise])


def _made(room: Room, count: int) -> list[str]:
    """Keys of some tenants, all in one transaction."""
    digester, scopes, moment = room.digester(), parse_scopes(["predict:*"]), wall_ns()
    ids: list[str] = []
    with room.database.writing():
        for number in range(count):
            name, tenant = f"k{number}", f"t{number % TENANTS}"
            stored = new_key(name, tenant, scopes, moment + number, digester)[1]
            room.keys.create(stored.key, stored.digest)
            ids.append(stored.key.id)
    return ids


def _listed(room: Room) -> list[str]:
    times: list[float] = []
    after: str | None = ""
    while after is not None:
        begun = now()
        after = do(room, "keys.list", {"after": after}, _SOMEBODY)["next"]
        times.append(now() - begun)
    times.sort()
    middle, worst = times[len(times) // 2] * 1e3, times[-1] * 1e3
    return [f"a page of 1,000 keys: p50 {middle:.0f} ms, worst {worst:.0f} ms"]


def _ended(room: Room) -> list[str]:
    begun = now()
    count = do(room, "keys.revoke", {"pattern": "k1*"}, _SOMEBODY)["count"]
    return [f"{count:,} keys that fit a pattern are revoked in {now() - begun:.1f} s"]


def _revoked(office: _Office, key_id: str) -> float:
    """Seconds from asking until the worker knows."""
    begun = now()
    answers: list[Any] = []
    office.desk.ask("keys.revoke", {"pattern": key_id}, _SOMEBODY, answers.append)
    keys = office.worker.book.keys
    office.until(lambda: keys[key_id].key.revoked_ns is not None)
    return now() - begun

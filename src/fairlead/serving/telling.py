"""Who has been told what of the book: each worker gets it whole once, and then what changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fairlead.core.access import StoredKey
from fairlead.core.clock import now
from fairlead.serving.book_messages import Book, pieces
from fairlead.serving.exchange import Line, Message

_CONFIRM_S = 1.0
"""Seconds after which a worker hears that nothing has changed."""

_MOST_BOOKS = 64
"""Changes that a worker may be behind; beyond that it gets the whole book anew."""


class _Outbox:
    """What one worker has still to be sent."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._books: list[Iterator[Message]] = []
        self._piece: Message | None = None

    @property
    def full(self) -> bool:
        return len(self._books) >= _MOST_BOOKS

    @property
    def idle(self) -> bool:
        return not self._books and self._piece is None

    def add(self, book: Book) -> None:
        self._books.append(pieces(book))

    def replace(self, book: Book) -> None:
        """Nothing that was not sent yet is needed any more."""
        self._books, self._piece = [pieces(book)], None

    def send(self) -> None:
        """Sends as much as the line takes; of a long book one piece: workers wait for leases, and
        to make a piece takes as long as to answer many of them."""
        while not self.idle:
            if self._piece is None:
                self._piece = next(self._books[0], None)
                if self._piece is None:
                    self._books.pop(0)
                    continue
            if not self._line.send(self._piece):
                return
            more, self._piece = self._piece["more"], None
            if more:
                return


class Telling:
    """Tells the workers. Changes that come together are sent together, at the next beat.

    whole: gives the whole book; of revision -1 while nothing is known.
    """

    def __init__(self, whole: Callable[[], Book]) -> None:
        self._whole = whole
        self._outboxes: dict[Line, _Outbox] = {}
        self._new: set[Line] = set()
        self._keys: dict[str, StoredKey] = {}
        self._tenants: dict[str, Any] = {}
        self._plans: dict[str, Any] = {}
        self._revoked: dict[str, int] = {}
        self._confirmed = now()

    def joined(self, line: Line) -> None:
        """A worker is there; it gets the whole book as soon as there is one."""
        self._outboxes[line] = _Outbox(line)
        self._new.add(line)

    def lost(self, line: Line) -> None:
        """A worker is gone."""
        self._outboxes.pop(line, None)
        self._new.discard(line)

    def anew(self) -> None:
        """Everything may be other than it was: every worker gets the whole book."""
        self._new.update(self._outboxes)
        self._forget()

    def change(
        self,
        keys: Iterable[StoredKey] = (),
        tenants: Mapping[str, Any] | None = None,
        plans: Mapping[str, Any] | None = None,
        revoked: Mapping[str, int] | None = None,
    ) -> None:
        """Something has changed."""
        for stored in keys:
            self._keys[stored.key.id] = stored
        self._tenants |= tenants or {}
        self._plans |= plans or {}
        self._revoked |= revoked or {}

    def _forget(self) -> None:
        self._keys, self._tenants, self._plans, self._revoked = {}, {}, {}, {}

    def beat(self, revision: int, age_s: float) -> None:
        """Sends what is new. age_s: seconds since the database was read."""
        about = self._tenants, self._plans, self._revoked
        change = Book(revision, False, list(self._keys.values()), *about, age_s)
        news = bool(self._keys or any(about))
        # While nothing is known, only a revocation can be told, and nothing can be confirmed.
        confirm = revision >= 0 and now() - self._confirmed >= _CONFIRM_S
        if confirm:
            self._confirmed = now()
        for line, outbox in self._outboxes.items():
            if revision >= 0 and (line in self._new or outbox.full):
                outbox.replace(_aged(self._whole(), age_s))
                self._new.discard(line)
            elif news or (confirm and outbox.idle):
                outbox.add(change)
            outbox.send()
        if news:
            self._forget()


def _aged(book: Book, age_s: float) -> Book:
    return Book(book.revision, book.full, book.keys, book.tenants, book.plans, book.revoked, age_s)

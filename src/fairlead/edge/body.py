"""The pieces of a body until it is whole."""

from __future__ import annotations

from io import BytesIO

_LONG = 1 << 20


class Body:
    """Collects the pieces of one body.

    A long one grows in one place instead of being joined at the end: pieces and what they are
    joined to would be there at the same time, and the memory of pieces is not given back.
    """

    __slots__ = ("_long", "_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._long: BytesIO | None = None

    def append(self, piece: bytes) -> None:
        """The next piece."""
        if self._long is not None:
            self._long.write(piece)
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > _LONG:
            self._long = BytesIO()
            self._long.writelines(self._pieces)
            self._pieces = []

    def take(self) -> bytes:
        """The whole body, of which nothing is kept here."""
        long, self._long, self._size = self._long, None, 0
        pieces, self._pieces = self._pieces, []
        if long is not None:
            return long.getvalue()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

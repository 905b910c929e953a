"""Heads that were parsed before: equal bytes mean an equal head, so that they need no parser."""

from __future__ import annotations

from fairlead.core.call import Head
from fairlead.core.errors import BadParameter
from fairlead.edge.heads import TIMEOUT, HttpLimits, marked, without_marks

_KEPT, _TIMED_KEPT = 1024, 64
_BYTES_KEPT = 2048


class KnownHeads:
    """The heads of all connections of a worker.

    exact: by their bytes, from the first to the empty line.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self.exact: dict[bytes, Head] = {}
        self._limits = limits
        self._timed: dict[bytes, Head] = {}
        self._over = False

    def remember(self, raw: bytes, head: Head) -> None:
        """Keeps a parsed head.

        raw: the bytes up to the end of the head. A line break before the head, which HTTP allows,
        is no part of it: such bytes are not kept.
        """
        begins = raw.startswith(head.method.encode() + b" ") and raw.endswith(b"\r\n\r\n")
        if not begins or len(raw) > _BYTES_KEPT or self._over or not head.keep_alive:
            return
        if "expect" in head.headers or raw.count(b"\r\n") > self._limits.headers:
            return
        if len(self.exact) >= _KEPT:
            self.exact.clear()
        plain, marks = without_marks(raw)
        if head.echo and not marks:
            return  # What comes twice is not cut out.
        self.exact[plain] = marked(head, {}, self._limits) if marks else head

    def recall(self, raw: bytes) -> Head | None:
        """The head for bytes that differ from known ones by the caller's id or timeout alone.

        An id comes once; but most callers give all their requests the same timeout.
        """
        timed = self._timed.get(raw)
        if timed is not None:
            return timed
        plain, marks = without_marks(raw)
        known = self.exact.get(plain) if marks and len(raw) <= self._limits.head else None
        if known is None:
            return None
        try:
            head = marked(known, marks, self._limits)
        except BadParameter:
            return None
        if marks.keys() == {TIMEOUT} and len(raw) <= _BYTES_KEPT:
            if len(self._timed) >= _TIMED_KEPT:
                self._timed.clear()
            self._timed[raw] = head
        return head

    def forget(self) -> None:
        """From now on none is known: every answer is its connection's last."""
        self._over = True
        self.exact.clear()
        self._timed.clear()

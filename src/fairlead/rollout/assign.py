"""Which version serves a call: drawn for every call, or the same for all calls of a caller.

Both are functions of the rollout's id alone, and of the worker's where calls are drawn: nothing
is kept, and nothing has to be agreed upon between workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b, shake_128

import numpy as np

_AT_ONCE = 4096
_MOST_KNOWN = 10_000
_WHOLE = 1 << 64

GROUPS = 64
"""Callers are counted in so many groups, so that evidence is bounded whoever calls."""


class Drawn:
    """Says for every call anew whether the candidate serves it.

    rollout: the rollout's id. worker: the worker's own id, so that no two draw alike. share: the
    share of calls that the candidate serves, 0 to 1.

    The draws are a hash of how many there were before: the same ids draw the same again.
    """

    def __init__(self, rollout: str, worker: str, share: float) -> None:
        self._seed = _joined(rollout, worker)
        self._limit = _limit(share)
        self._block = 0
        self._draws: Iterator[bool] = iter(())

    def candidate(self) -> bool:
        """Whether the candidate serves the next call."""
        for drawn in self._draws:
            return drawn
        self._draws = iter(self._next())
        self._block += 1
        return next(self._draws)

    def _next(self) -> list[bool]:
        raw = shake_128(self._seed + self._block.to_bytes(8, "little")).digest(8 * _AT_ONCE)
        if self._limit >= _WHOLE:
            return [True] * _AT_ONCE
        return (np.frombuffer(raw, "<u8") < np.uint64(self._limit)).tolist()


class Kept:
    """Says whether the candidate serves a caller: always the same, on every worker.

    rollout: the rollout's id, so that another rollout meets other callers. share: the share of
    callers that the candidate serves, 0 to 1. A caller without a name is one caller.
    """

    def __init__(self, rollout: str, share: float) -> None:
        self._key = blake2b(rollout.encode("utf-8", "surrogatepass")).digest()
        self._limit = _limit(share)
        self._known: dict[str, tuple[bool, int]] = {}

    def candidate(self, caller: str) -> bool:
        """Whether the candidate serves this caller."""
        known = self._known.get(caller)
        return known[0] if known is not None else self._place(caller)[0]

    def group(self, caller: str) -> int:
        """One of `GROUPS` groups of callers, for the evidence; it says nothing of the version."""
        known = self._known.get(caller)
        return known[1] if known is not None else self._place(caller)[1]

    def _place(self, caller: str) -> tuple[bool, int]:
        text = caller.encode("utf-8", "surrogatepass")
        drawn = blake2b(text, digest_size=16, key=self._key).digest()
        place = (
            int.from_bytes(drawn[:8], "little") < self._limit,
            int.from_bytes(drawn[8:], "little") % GROUPS,
        )
        if len(self._known) >= _MOST_KNOWN:
            # Whoever calls under ever new names takes no memory; a place is soon worked out again.
            self._known.clear()
        self._known[caller] = place
        return place


def _limit(share: float) -> int:
    if not 0.0 <= share <= 1.0:
        raise ValueError("a share lies between 0 and 1")
    return int(share * _WHOLE)


def _joined(*texts: str) -> bytes:
    """Texts as bytes that no other texts give."""
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)

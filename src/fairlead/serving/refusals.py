"""Refused attempts at the admin listener, on their way into the audit trail.

The first of a kind is recorded at once. Those that follow within a minute are counted, and become
one record: nobody can fill the trail by knocking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.access.secrets import without_secrets
from fairlead.core.audit import By
from fairlead.core.clock import now

TOGETHER_S = 60.0
MOST_KINDS = 100
"""Kinds of refusals that are told apart within a minute; the others are counted together."""

_OTHERS = By("others", "several addresses")

Note = Callable[[By, str, str, Mapping[str, Any] | None, Mapping[str, Any] | None], None]


@dataclass(slots=True)
class _Counted:
    since: float
    times: int = 0


class Refusals:
    """Counts refusals; `note` writes a record."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._counted: dict[tuple[By, str, str], _Counted] = {}

    def add(self, by: By, act: str, error: str) -> None:
        """Somebody was refused an act with an error of this id."""
        # Somebody may have asked for a key by its secret, and the record may wait in a file.
        kind = by, without_secrets(act), error
        if kind not in self._counted and len(self._counted) >= MOST_KINDS:
            kind = _OTHERS, "several", ""
        known = self._counted.get(kind)
        if known is not None:
            known.times += 1
            return
        self._counted[kind] = _Counted(now())
        self._record(kind, 1)

    def flush(self, *, all_of_them: bool = False) -> None:
        """Records what was counted for a minute, or all of it."""
        moment = now()
        over = [
            kind
            for kind, counted in self._counted.items()
            if all_of_them or moment - counted.since >= TOGETHER_S
        ]
        for kind in over:
            counted = self._counted.pop(kind)
            if counted.times:
                self._record(kind, counted.times)

    def _record(self, kind: tuple[By, str, str], times: int) -> None:
        by, act, error = kind
        self._note(by, "refused", act, None, {"error": error, "times": times})

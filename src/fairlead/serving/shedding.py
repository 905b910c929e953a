"""The refusals of a version that has more to do than it can: few are made, and given to many.

Refusing must cost next to nothing just when there is most of it, so one error, and each wire's
answer made of it, serves every call that is refused until the model has got on.
"""

from __future__ import annotations

from math import ceil
from random import random

from fairlead.core.errors import Overloaded

_APART = 8
_MOST_S = 30


class Shedding:
    """The refusals of one version."""

    def __init__(self) -> None:
        self._made: dict[str, list[Overloaded]] = {}
        self._given = 0

    def renew(self) -> None:
        """What was said so far is said no more: the model has got on."""
        if self._made:
            self._made = {}

    def give(self, what: str, queued_s: float) -> Overloaded:
        """One of a few refusals that say `what`, each with another time to try again.

        queued_s: seconds until what waits now is done. Whoever is sent away comes back within a
        little more than twice that, and not all at once.
        """
        made = self._made.setdefault(what, [])
        if len(made) == _APART:
            self._given += 1
            return made[self._given % _APART]
        error = Overloaded(what, fix="Try again later, as Retry-After says")
        spread = min(_MOST_S, 2 + ceil(2 * queued_s))
        error.retry_after = 1 + int(random() * spread)  # noqa: S311 - nothing secret hangs on it
        error.replies = {}
        made.append(error)
        return error

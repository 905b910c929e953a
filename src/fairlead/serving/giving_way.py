"""A model that is asked for more than it can give lets those go first that are not.

Only a model in a process of its own can, and only while another model answers: alone it would but
lose to programs that are none of ours. Versions that are compared in a rollout are left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, cast

from fairlead.serving.served import Served

LATELY_S = 1.0


class Waits(Protocol):
    """What is looked at of a version's queue. waiting: calls in it."""

    @property
    def served(self) -> Served: ...
    @property
    def waiting(self) -> int: ...


class Apart(Protocol):
    """A model in a process of its own.

    busy: whether it answers a call just now. last: whether its process goes after all others.
    may_wait: whether that does it no harm.
    """

    @property
    def busy(self) -> bool: ...
    @property
    def last(self) -> bool: ...
    @property
    def may_wait(self) -> bool: ...

    def give_way(self, last: bool) -> bool:
        """Puts its process after all others, or back; whether it stands there now."""
        ...


def give_way(queues: Sequence[Waits], every: Collection[Served], moment: float) -> None:
    """Several times a second: says which processes go last, and which no longer.

    The system may hear of one change at a time: who goes back is said first, and one that goes last
    only when nobody is left to go back. queues: of all versions in memory. every: those that
    answer new calls. moment: `clock.now`.
    """
    lately = {one.package.name for one in every if moment - one.stats.last < LATELY_S}
    back: list[Apart] = []
    last: list[Apart] = []
    for queue in queues:
        if hasattr(queue.served.model, "give_way"):
            model = cast("Apart", queue.served.model)
            hot = _hot(queue, every) and lately - {queue.served.package.name}
            (last if hot and model.may_wait else back).append(model)
    back.sort(key=lambda model: not model.busy)
    if all([model.give_way(False) for model in back]):
        for model in [model for model in last if not model.last][:1]:
            model.give_way(True)


def _hot(queue: Waits, every: Collection[Served]) -> bool:
    """Whether calls wait, others are refused, and still more may come: it is not being replaced."""
    served = queue.served
    asked = served.pressed is not None and queue.waiting > 0 and served.trial is None
    return asked and (served.main or served) in every

"""A model that is asked for more than it can give takes no time from those that are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fairlead.serving.served import Served

LATELY_S = 1.0


def give_way(every: Sequence[Served], moment: float) -> None:
    """Several times a second: models of which calls are refused go after the others.

    Only those in processes of their own can, and only while others answer at all: alone, a model
    would but lose to programs that are none of ours. moment: `clock.now`.
    """
    answering = [served for served in every if moment - served.stats.last < LATELY_S]
    for served in every:
        others = any(one is not served for one in answering)
        for one in (served, *served.further.values()):
            told: Callable[[bool], None] | None = getattr(one.model, "give_way", None)
            if told is not None:
                told(others and one.pressed is not None)

"""How long something takes, tried as often as it needs to be known: one loop for all."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from fairlead.core.clock import now


def timed(
    run: Callable[[], Any], *, least: int, most: int, enough_s: float, longest_s: float = inf
) -> list[float]:
    """Seconds of each run, in order.

    It goes on until there are `most` runs, or `enough_s` seconds and `least` runs have passed, or
    `longest_s` whatever there is. There is at least one. Raises what the run raises.
    """
    began, times = now(), list[float]()
    while True:
        start = now()
        run()
        end = now()
        times.append(end - start)
        spent, count = end - began, len(times)
        if count >= most or spent > longest_s or (spent >= enough_s and count >= least):
            return times

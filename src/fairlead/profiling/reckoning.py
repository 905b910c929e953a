"""What is reckoned from what a server did: its loop's work, and what callers wait beyond it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from statistics import median

import numpy as np

from fairlead.costs.profile import Service, Way

_LEAST_SPREAD = 0.1
"""Of the executions of a call, below which a line over them says nothing."""

_MOST_SLOWED = 1.5
"""Beyond that it was the machine that changed meanwhile."""


def way_of(pause_s: float, waits: Sequence[float], one: Service, times: float = 1.0) -> Way:
    """What of a lone caller's waits is not the execution, each part of the calls by itself.

    times: so many times as long as by itself an execution is taken to be.
    """
    pairs = zip(waits, one.quantiles, strict=True)
    beyond = [max(0.0, wait - times * own) for wait, own in pairs]
    return Way(pause_s, tuple(accumulate(beyond, max)))


def loop_seconds(
    services: Sequence[Service],
    at_once: int,
    counted: Sequence[Mapping[str, float]],
    *,
    inline: bool,
) -> tuple[float, float]:
    """Processor time of the loop for a call, and for an execution beside what that takes.

    counted: with as many callers as there are points, as `Served.measured` says. Callers who are
    many are answered by few executions: what a call takes is a line over the executions of a call.
    Where none are joined it is the median: a machine's own speed differs from second to second.
    """
    own = [s for s in services if s.threads == at_once]
    each = [_beside(busy, own, inline=inline) for busy in counted if busy["calls"]]
    if not each:
        return 0.0, 0.0
    shares = [busy["executions"] / busy["calls"] for busy in counted if busy["calls"]]
    if max(shares) - min(shares) < _LEAST_SPREAD:
        return median(each), 0.0
    per_execution, per_call = np.polyfit(shares, each, 1).tolist()
    if per_execution <= 0:
        return median(each), 0.0
    if per_call <= 0:
        return 0.0, float(np.dot(shares, each) / np.dot(shares, shares))
    return per_call, per_execution


def busy_times(
    services: Sequence[Service],
    loop: tuple[float, float],
    counted: Sequence[Mapping[str, float]],
    *,
    inline: bool,
    slots: int,
    cores: int,
) -> list[float]:
    """So many times as long as by themselves executions took in a busy server, at each point.

    There they share caches and cores with the loop and with what surrounds them. loop: seconds for
    a call and for an execution. counted: as for `loop_seconds`.
    """
    own = [s for s in services if s.threads == (1 if inline else slots)]
    times: list[float] = []
    for busy in counted:
        if not busy["executions"] or not busy["calls"]:
            continue
        rows = busy["calls"] / busy["executions"]
        found = busy["compute_s"] / busy["executions"]
        if not inline and slots >= cores:  # the loop's time is taken from theirs
            found -= loop[0] * rows + loop[1]
        times.append(found / _between(own, rows, lambda one: one.mean_s))
    return times


def slowed(times: Sequence[float]) -> float:
    """The median of them: a machine's own speed differs from second to second."""
    return min(_MOST_SLOWED, max(1 / _MOST_SLOWED, median(times))) if times else 1.0


def unsteady(times: Sequence[float]) -> float:
    """So many times as long as usual they took at the slowest point."""
    usual = median(times) if times else 0.0
    return min(_MOST_SLOWED, max(times) / usual) if usual > 0 else 1.0


def _beside(busy: Mapping[str, float], services: Sequence[Service], *, inline: bool) -> float:
    """Processor time of the loop for each call, whatever for, less that of executions."""
    if busy["loop_s"]:
        ran, waited = busy["loop_s"], busy["held_up_s"]
        # What executions took by the clock was in part waiting for a processor.
        own = busy["compute_s"] * ran / (ran + waited) if inline else 0.0
        return max(0.0, ran - own) / busy["calls"]
    rows = busy["calls"] / max(1, busy["executions"])
    beside = busy["cpu_s"] - busy["executions"] * _between(services, rows, lambda one: one.cpu_s)
    if beside <= 0:  # other programs slowed down the executions that were timed alone
        beside = busy["cpu_s"] - busy["compute_s"]
    return max(0.0, beside / busy["calls"])


def _between(services: Sequence[Service], rows: float, of: Callable[[Service], float]) -> float:
    """A figure of an execution of so many rows, between those that were measured."""
    before = max((s for s in services if s.rows <= rows), key=lambda s: s.rows, default=services[0])
    after = min((s for s in services if s.rows >= rows), key=lambda s: s.rows, default=before)
    if after.rows == before.rows:
        return of(before)
    share = (rows - before.rows) / (after.rows - before.rows)
    return of(before) + share * (of(after) - of(before))

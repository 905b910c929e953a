"""What is known exactly of queues with independent arrivals and exponential service (M/M/c)."""

from __future__ import annotations

from math import log


def erlang_c(servers: int, offered: float) -> float:
    """The probability of having to wait. offered: calls per service time, below `servers`."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    load = offered / servers
    return blocked / (1 - load * (1 - blocked))


def mean_wait(servers: int, load: float, mean_s: float) -> float:
    """Seconds before service, on average over all calls."""
    return erlang_c(servers, servers * load) * mean_s / (servers * (1 - load))


def wait_quantile(servers: int, load: float, mean_s: float, part: float) -> float:
    """Seconds before service within which so many calls are."""
    waits = erlang_c(servers, servers * load)
    return max(0.0, log(waits / (1 - part)) * mean_s / (servers * (1 - load)))

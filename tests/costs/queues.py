"""What is known exactly of queues with independent arrivals: the judge of what is simulated."""

from __future__ import annotations

from math import exp, lgamma, log


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


def sojourn_quantile(servers: int, load: float, mean_s: float, part: float) -> float:
    """Seconds of wait and service together within which so many calls are, of M/M/c."""
    rate, waits = 1 / mean_s, erlang_c(servers, servers * load)
    drain = servers * rate * (1 - load)

    def beyond(at: float) -> float:
        own = exp(-rate * at)
        if abs(drain - rate) < 1e-9 * rate:
            return (1 - waits) * own + waits * (1 + rate * at) * own
        both = (drain * own - rate * exp(-drain * at)) / (drain - rate)
        return (1 - waits) * own + waits * both

    low, high = 0.0, 100 * mean_s / (1 - load)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) > 1 - part else (low, middle)
    return high


def mean_wait_general(load: float, mean_s: float, square_s: float) -> float:
    """Pollaczek and Khinchine, M/G/1. square_s: the mean of the squares of service times."""
    return load / mean_s * square_s / (2 * (1 - load))


def mean_wait_fixed(servers: int, load: float, each_s: float) -> float:
    """Crommelin, M/D/c: every service takes the same time."""
    total = 0.0
    for step in range(1, 2000):
        mean, least = step * servers * load, step * servers
        term = _at_least(least, mean) - _at_least(least + 1, mean) / load
        total += term
        if term < 1e-12:
            break
    return total * each_s


def _at_least(count: int, mean: float) -> float:
    """The probability that a Poisson number is so large."""
    term = exp(count * log(mean) - mean - lgamma(count + 1))
    total, number = 0.0, count
    while term > 1e-17 * max(total, 1e-300):
        total += term
        number += 1
        term *= mean / number
    return total


def blocked(servers: int, most: int, load: float) -> float:
    """The share of calls that find as many before them as there is room for, of M/M/c/K.

    most: calls in service and waiting.
    """
    term, terms = 1.0, [1.0]
    for number in range(1, most + 1):
        term *= servers * load / min(number, servers)
        terms.append(term)
    return terms[-1] / sum(terms)


def mean_wait_joined(most: int, load: float, mean_s: float) -> float:
    """One server takes all who wait, up to so many at once, and never waits for more.

    Its service is exponential, of whatever size. load: of batches that are all full. With n who
    wait behind a busy server the probabilities fall as r^n, where r solves the balance.
    """
    calls, done = most * load / mean_s, 1 / mean_s
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        balance = calls * (1 - middle) - done * middle * (1 - middle**most)
        low, high = (middle, high) if balance > 0 else (low, middle)
    fall = low
    first = 1 / (done / calls + 1 / (1 - fall))
    return first * fall / (1 - fall) ** 2 / calls


def too_late(load: float, mean_s: float, deadline_s: float) -> float:
    """The share not answered in time, of M/M/1 whose callers leave the queue at their deadline.

    The work that a call finds before it has the density of M/M/1 up to the deadline, and beyond it
    falls as one service does, since nobody joins who would be served after it (Barrer).
    """
    calls, done = load / mean_s, 1 / mean_s
    drain = done - calls
    empty = 1 / (
        1 + calls * (1 - exp(-drain * deadline_s)) / drain + calls / done * exp(-drain * deadline_s)
    )
    own = exp(-done * deadline_s)
    served = (1 - exp(-drain * deadline_s)) / drain - own * (exp(calls * deadline_s) - 1) / calls
    return 1 - empty * (1 - own + calls * served)

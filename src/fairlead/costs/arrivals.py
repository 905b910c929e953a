"""When calls come: drawn from what was said of them, or as they came in a log; and how bursty
they are.

A burst is a time of a few seconds in which calls come faster: an on-off rate, whose share of time
is chosen so that the variance over the mean of the calls in 10 s is what was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

import numpy as np
from numpy.typing import NDArray

from fairlead.costs.traffic import Flash, Traffic

Times = NDArray[np.float64]
WINDOW_S = 10.0
_BURST_S = 5.0
"""The time in which bursts and lulls are forgotten."""


def dispersion_of(times: Sequence[float] | Times) -> float:
    """Variance over mean of the calls in 10 s; 1 where there are too few to tell.

    times: seconds, ascending.
    """
    at = np.asarray(times, np.float64)
    whole = int((at[-1] - at[0]) // WINDOW_S) if len(at) else 0
    if whole < 2:
        return 1.0  # what is left of the last window is not counted
    windows = ((at - at[0]) / WINDOW_S).astype(np.int64)
    counts = np.bincount(windows, minlength=whole)[:whole]
    return float(counts.var() / counts.mean())


def drawn(
    per_s: float,
    seconds: float,
    dispersion: float,
    random: np.random.Generator,
    flash: Flash | None = None,
) -> Times:
    """Calls at a mean rate for so many seconds. flash: begins after a third of them."""
    share = share_on(per_s, dispersion) if per_s > 0 else 1.0
    if share >= 1:
        times = _even(per_s, 0.0, seconds, random)
    else:
        times = _on_and_off(per_s, seconds, share, random)
    if flash is None:
        return times
    begin, lasts = seconds / 3, min(flash.seconds, seconds / 3)
    crowd = _even(per_s * (flash.factor - 1), begin, begin + lasts, random)
    return np.sort(np.concatenate([times, crowd]))


def share_on(per_s: float, dispersion: float) -> float:
    """The share of time in which calls come, all the faster, for so much dispersion in 10 s.

    The rate is r / share while it is on, and 0 while it is off; its covariance falls as
    exp(-t / burst), and the variance of the calls in T is
    r T + r^2 (1 - share) / share * 2 burst (T - burst (1 - exp(-T / burst))).
    """
    lag, window = _BURST_S, WINDOW_S
    weight = 2 * lag * (window - lag * (1 - exp(-window / lag))) / window
    if dispersion <= 1:
        return 1.0
    return 1 / (1 + (dispersion - 1) / (per_s * weight))


def cold_share(per_s: float, dispersion: float, kept_s: float) -> float:
    """The part of calls before which nobody called for so long.

    Of independent calls exp(-rate x kept). In bursts the rate is higher while they last, and each
    begins cold if the lull before it was as long.
    """
    if per_s <= 0:
        return 1.0
    if dispersion <= 1:
        return exp(-per_s * kept_s)
    share = share_on(per_s, dispersion)
    calls = per_s * _BURST_S * (1 / max(1 - share, 1e-9) + 1 / share)
    within = exp(-min(700.0, per_s / share * kept_s))
    return min(1.0, exp(-kept_s * share / _BURST_S) / max(1.0, calls) + within)


def _on_and_off(per_s: float, seconds: float, share: float, random: np.random.Generator) -> Times:
    mean_on, mean_off = _BURST_S / (1 - share), _BURST_S / share
    moment, on = 0.0, bool(random.random() < share)
    parts: list[Times] = []
    while moment < seconds:
        lasts = float(random.exponential(mean_on if on else mean_off))
        if on:
            parts.append(_even(per_s / share, moment, min(seconds, moment + lasts), random))
        moment += lasts
        on = not on
    return np.concatenate(parts) if parts else np.empty(0)


def _even(per_s: float, begin: float, end: float, random: np.random.Generator) -> Times:
    """Independent calls: so many as come by chance, each at any time."""
    count = int(random.poisson(max(0.0, per_s * (end - begin))))
    return np.sort(random.uniform(begin, end, count))


def peak(
    traffic: Traffic, part: float, random: np.random.Generator, *, calls: int
) -> tuple[Times, float]:
    """The busiest hour as one of many workers sees it, and its seconds.

    part:  of the calls, chosen at random, that come to this worker. calls: so many are drawn where
    an hour has as many, and up to three times that for the sake of more bursts.
    """
    if traffic.recorded:
        return _replayed(np.asarray(traffic.recorded), part, random, 3 * calls)
    rate = traffic.peak_per_s * part
    dispersion = 1 + (traffic.dispersion - 1) * part
    crowd = 1 + (traffic.flash.factor - 1) / 3 if traffic.flash is not None else 1.0
    enough = calls / max(rate * crowd, 1e-9)
    most = min(3600.0, 3 * enough)
    seconds = min(most, max(enough, 20 * _BURST_S, _rounds_s(rate, dispersion)))
    times = drawn(rate, seconds, dispersion, random, traffic.flash)
    # Of hours in which hardly anybody calls, one who does tells all.
    return (times if len(times) else np.array([seconds / 2])), seconds


def _replayed(
    every: Times, part: float, random: np.random.Generator, most: int
) -> tuple[Times, float]:
    """A worker's part of recorded calls; of many, those around the busiest moment."""
    mine = every[random.random(len(every)) < part]
    if not len(mine):
        mine = every[:1]
    if len(mine) > most:
        begin = int(np.argmin(mine[most - 1 :] - mine[: len(mine) - most + 1]))
        mine = mine[begin : begin + most]
    return mine - mine[0], max(1.0, float(mine[-1] - mine[0]))


def _rounds_s(per_s: float, dispersion: float) -> float:
    """Seconds in which bursts come and go so often that no single one decides."""
    if dispersion <= 1 or per_s <= 0:
        return 0.0
    share = share_on(per_s, dispersion)
    return 40 * _BURST_S * (1 / share + 1 / max(1 - share, 1e-9))

"""What a machine's time cost, and whose it was: whole numbers of 10^-12 US dollars, no rest left.

Both shares of a day go by compute time. The busy share is the part of the time, of all workers, in
which they computed; the idle share is the rest of what was paid. A day without calls has an idle
cost that is allotted to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from fairlead.usage.stores.machine import Stretch

_HOUR_NS = 3600 * 10**9


class Paid(NamedTuple):
    """What a time cost, in 10^-12 US dollars. capacity_ns: that its workers could have computed."""

    pico: int
    capacity_ns: int


def within(stretch: Stretch, start_ns: int, end_ns: int) -> int:
    """Nanoseconds of a stretch that lie in [start, end)."""
    return max(0, min(stretch.until_ns, end_ns) - max(stretch.began_ns, start_ns))


def paid(stretches: Iterable[Stretch], start_ns: int, end_ns: int) -> Paid:
    """What the machines cost in [start, end).

    What times that lie side by side cost adds up exactly to what the whole of them costs: a
    stretch is rounded at its end alone, and always down.
    """
    pico = capacity = 0
    for stretch in stretches:
        pico += _until(stretch, end_ns) - _until(stretch, start_ns)
        capacity += within(stretch, start_ns, end_ns) * stretch.workers
    return Paid(pico, capacity)


def _until(stretch: Stretch, wall_ns: int) -> int:
    """What a stretch cost from its beginning to a time."""
    return stretch.price.pico * within(stretch, stretch.began_ns, wall_ns) // _HOUR_NS


def parts(time: Paid, compute_ns: int) -> tuple[int, int]:
    """The busy and the idle share of what a time cost, by what was computed in it.

    Who computes on more threads than there are workers may be busy for more than the time there
    was: then all of it is busy, and nothing idle.
    """
    if not time.capacity_ns:
        return 0, time.pico
    busy = time.pico * min(compute_ns, time.capacity_ns) // time.capacity_ns
    return busy, time.pico - busy


def spread(amount: int, weights: Sequence[int]) -> list[int]:
    """An amount in parts that stand to each other as the weights do, within one unit.

    The parts add up to the amount. Raises ValueError where no weight is above 0, or one below.
    """
    sums = [0, *accumulate(weights)]
    if sums[-1] <= 0 or min(weights) < 0:
        raise ValueError("there is nobody to allot it to")
    return [
        amount * after // sums[-1] - amount * before // sums[-1] for before, after in pairwise(sums)
    ]

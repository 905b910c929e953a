"""Put before everything else on the path of a process, this moves its wall clock.

The seconds by which it is wrong stand in the file that WRONG_CLOCK names, and may change.
What Python asks of the system's other clock, which only goes on, is left as it is.
"""

import os
import time

_right, _right_ns = time.time, time.time_ns


def _wrong_by():
    with open(os.environ["WRONG_CLOCK"], encoding="ascii") as file:
        return int(file.read() or 0)


def _wrong():
    return _right() + _wrong_by()


def _wrong_ns():
    return _right_ns() + _wrong_by() * 1_000_000_000


if "WRONG_CLOCK" in os.environ:
    time.time, time.time_ns = _wrong, _wrong_ns

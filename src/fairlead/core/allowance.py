"""How much a caller may use: the words for limits, whatever counts them.

A limit is written `requests=100/second`, `rows=1000/minute:50`, `bytes=1000000000/month`,
`credits=5000` or `concurrency=8`. Per second, minute or hour it is a rate, counted without
windows; per day or month it is a quota of the tenant's calendar; without a period it is a stock
that is used up (`credits`) or a number at one time (`concurrency`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast, get_args

from fairlead.core.errors import KeyFieldInvalid

Dimension = Literal["requests", "rows", "bytes", "compute_ms", "concurrency", "credits"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
"""What is counted; the order is that of the fields of a `Cost`."""

Period = Literal["second", "minute", "hour", "day", "month", ""]
SECONDS: dict[Period, int] = {"second": 1, "minute": 60, "hour": 3600}
"""The periods of rates."""
CALENDAR = frozenset[Period]({"day", "month"})
MOST = 10**15
"""The largest amount: a petabyte, or what a core computes in thirty thousand years."""

_LIMIT = re.compile(
    r"(?P<dimension>[a-z_]+)=(?P<amount>[0-9]{1,16})(?:/(?P<period>[a-z]+))?(?::(?P<burst>[0-9]{1,16}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` of a dimension in each period.

    burst: of a rate, how much may come at once after a pause. In any span of time T at most
           burst + amount * T / period passes, so a burst of a fiftieth of the amount keeps every
           single period within 2 % of it, and a burst of the whole amount (what is meant when
           none is given) never refuses a caller who stays below the amount in every period.
    """

    dimension: Dimension
    amount: int
    period: Period = ""
    burst: int = 0

    @property
    def name(self) -> str:
        """What the limit is called in answers: `requests-per-second`, `concurrency`."""
        per = f"-per-{self.period}" if self.period else ""
        return self.dimension.replace("_", "-") + per

    def __str__(self) -> str:
        """As it is written."""
        text = f"{self.dimension}={self.amount}"
        if self.period:
            text += f"/{self.period}"
        return f"{text}:{self.burst}" if self.burst not in (0, self.amount) else text


def parse_limit(text: str) -> Limit:
    """A limit as somebody writes it (see above).

    Raises KeyFieldInvalid, which says what is wrong and what would be right.
    """
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise _bad(text, "it cannot be read", "Write DIMENSION=AMOUNT/PERIOD: requests=100/second")
    if found["dimension"] not in DIMENSIONS:
        raise _bad(text, "nothing of that name is counted", f"Known: {', '.join(DIMENSIONS)}")
    if (found["period"] or "") not in get_args(Period):
        raise _bad(text, "no such period", "Known: second, minute, hour, day, month")
    dimension = cast("Dimension", found["dimension"])
    period = cast("Period", found["period"] or "")
    amount, burst = int(found["amount"]), int(found["burst"] or 0)
    _check_together(text, dimension, period, amount, found["burst"] is not None, burst)
    if period in SECONDS:
        burst = burst or amount
    return Limit(dimension, amount, period, burst)


def _check_together(
    text: str, dimension: Dimension, period: Period, amount: int, given: bool, burst: int
) -> None:
    if not 0 < amount <= MOST:
        raise _bad(text, "the amount is out of range", f"Give 1 to {MOST}")
    if dimension == "concurrency" and period:
        raise _bad(text, "what goes on at one time has no period", f"Write concurrency={amount}")
    if not period and dimension not in ("concurrency", "credits"):
        raise _bad(text, "no period is given", f"Write {dimension}={amount}/second, or another")
    if given and period not in SECONDS:
        raise _bad(text, "only a rate has a burst", "Leave the part after ':' out")
    if given and not 0 < burst <= MOST:
        raise _bad(text, "the burst is out of range", f"Give 1 to {MOST}")


def _bad(text: str, what: str, fix: str) -> KeyFieldInvalid:
    return KeyFieldInvalid(f"{text[:80]!r} is no limit: {what}", where="limits", fix=fix)


def parse_limits(texts: Iterable[str]) -> tuple[Limit, ...]:
    """Limits as somebody writes them, in their order. Raises KeyFieldInvalid, also for two of
    one dimension and period."""
    limits = tuple(parse_limit(text) for text in texts)
    if len({limit.name for limit in limits}) < len(limits):
        raise KeyFieldInvalid(
            "two limits count the same thing", where="limits", fix="Give each limit once"
        )
    return limits


class Cost:
    """What one call uses, in whole units, in the order of DIMENSIONS.

    Compute time is in nanoseconds here, since most calls need less than a millisecond.
    """

    __slots__ = ("units",)

    def __init__(
        self, *, requests: int = 1, rows: int = 0, size: int = 0, compute_ns: int = 0,
        concurrency: int = 1, credits: int = 0,
    ) -> None:  # fmt: skip
        """size: bytes of the body. Nothing may be negative: ValueError."""
        self.units = (requests, rows, size, compute_ns, concurrency, credits)
        if min(self.units) < 0:
            raise ValueError("a cost is never negative")

    @classmethod
    def of_call(cls, rows: int, size: int) -> Cost:
        """What a call costs before it is executed: a row is a credit, and no count is negative."""
        made = cls.__new__(cls)
        made.units = (1, rows, size, 0, 1, rows)
        return made

"""What a caller is told of its limits in headers: the only place that knows their form.

`RateLimit-Policy` and `RateLimit` follow draft-ietf-httpapi-ratelimit-headers-11 (structured
fields, RFC 9651); `Retry-After` is that of RFC 9110.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from fairlead.access.limits import Left, Whose
from fairlead.core.allowance import SECONDS, Dimension, Limit, Period
from fairlead.core.errors import ResourceExhausted

_UNITS: dict[Dimension, str] = {
    "rows": "rows",
    "bytes": "content-bytes",
    "compute_ms": "compute-milliseconds",
    "concurrency": "concurrent-requests",
    "credits": "credits",
}
"""The quota unit of each dimension; requests are what is meant when none is said."""

_WINDOWS: dict[Period, int] = {**SECONDS, "day": 86_400}
"""Seconds of a window, where all have the same: months have not."""


def headers(left: Sequence[Left]) -> tuple[tuple[str, str], ...]:
    """What to send with an answer: nothing where no limit is the caller's own."""
    if not left:
        return ()
    policies = ", ".join([_policy(one.account.whose, one.limit) for one in left])
    remaining = ", ".join([_remaining(one) for one in left])
    return ("ratelimit-policy", policies), ("ratelimit", remaining)


def lines(left: Sequence[Left]) -> bytes:
    """The same as header lines, each with its end."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers(left)]).encode("ascii")


def retry_after(error: ResourceExhausted) -> tuple[tuple[str, str], ...]:
    """What to send with a refusal, where it is known when asking again may succeed."""
    return () if error.retry_after is None else (("retry-after", str(error.retry_after)),)


@lru_cache(maxsize=4096)
def _name(whose: Whose, limit: Limit) -> str:
    return f'"{whose}-{limit.name}"'


@lru_cache(maxsize=4096)
def _policy(whose: Whose, limit: Limit) -> str:
    unit = _UNITS.get(limit.dimension)
    text = f"{_name(whose, limit)};q={limit.amount}"
    if unit:
        text += f';qu="{unit}"'
    return f"{text};w={_WINDOWS[limit.period]}" if limit.period in _WINDOWS else text


def _remaining(one: Left) -> str:
    text = f"{_name(one.account.whose, one.limit)};r={one.left}"
    return text if one.reset_s is None else f"{text};t={one.reset_s}"

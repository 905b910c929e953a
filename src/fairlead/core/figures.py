"""Figures as people read them: times, amounts of money, counts. None is a dash."""

from __future__ import annotations

from math import inf


def span(seconds: float | None) -> str:
    """A time, in the unit in which it is easily read; "never" for one without end."""
    if seconds is None:
        return "-"
    if seconds == inf:
        return "never"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def figure(number: float) -> str:
    """A number in three digits, thousands apart."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def dollars(amount: float | None) -> str:
    """An amount in US dollars, in as many digits as it is worth."""
    if amount is None:
        return "-"
    if abs(amount) >= 1000:
        return f"${amount:,.0f}"
    if 0 < abs(amount) < 0.001:
        return "under $0.001"
    return f"${amount:,.2f}" if abs(amount) >= 0.1 or not amount else f"${amount:.3g}"

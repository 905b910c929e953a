"""Money: integers and decimals only, with the currency in the type.

A `Money` is a whole number of micro-units, so that no sum is ever rounded. A `Price` has up to
twelve places, since one row may cost less than a micro-unit; what many rows cost is kept exactly
and rounded once, when it becomes the amount of a line. Nothing here takes a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import Literal, get_args

MICRO_PLACES = 6
MICROS = 10**MICRO_PLACES
"""Micro-units in a major unit: one euro is a million of them."""
PRICE_PLACES = 12
"""Places that a price may have; card processors take as many."""
MOST_PRICE = 10**9
"""The largest price of one thing, in major units."""

Rounding = Literal["half-up", "half-even"]
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)
"""What becomes of exactly half a minor unit: away from zero, or to the even neighbour."""
_RULES = {"half-up": ROUND_HALF_UP, "half-even": ROUND_HALF_EVEN}

_DIGITS = 120
_FAR = 30
_EXACT = Context(prec=_DIGITS, traps=[Inexact, InvalidOperation])
"""Raises where anything would have to be rounded."""
_ROUNDING = Context(prec=_DIGITS, traps=[InvalidOperation])
_AMOUNT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?", re.ASCII)

_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL "
    "GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR "
    "LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD "
    "PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC "
    "SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR "
    "ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS = {code: places for places, codes in _PLACES.items() for code in codes.split()}
"""ISO 4217: how many places the minor unit of each currency has."""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of ISO 4217: its code, and the places of its minor unit (EUR 2, JPY 0, KWD 3)."""

    code: str
    exponent: int

    def __str__(self) -> str:
        return self.code


@lru_cache(maxsize=256)
def currency(code: str) -> Currency:
    """The currency with a code such as `EUR`. Raises ValueError for what is no such code."""
    if code not in EXPONENTS:
        raise ValueError(f"{code[:12]!r} is no currency of ISO 4217, such as EUR")
    return Currency(code, EXPONENTS[code])


@dataclass(frozen=True, slots=True)
class Money:
    """An amount: whole micro-units of the major unit of one currency.

    Amounts of two currencies have no sum and no order: TypeError, as for a number without one.
    """

    micros: int
    currency: Currency

    def __post_init__(self) -> None:
        if type(self.micros) is not int:
            raise TypeError(f"an amount is an integer, not {type(self.micros).__name__}")

    @classmethod
    def of(cls, amount: str | int | Decimal, code: str | Currency) -> Money:
        """An amount in major units, exactly: `Money.of("12.50", "EUR")`.

        Raises TypeError for a float, and ValueError for what no micro-units are.
        """
        micros = _EXACT.scaleb(exactly(amount), MICRO_PLACES)
        if micros != micros.to_integral_value():
            raise ValueError(f"an amount has {MICRO_PLACES} places at most")
        return cls(int(micros), currency(code) if isinstance(code, str) else code)

    @classmethod
    def parse(cls, text: str) -> Money:
        """An amount as it is written: `12.50 EUR`. Raises ValueError."""
        amount, _, code = text.partition(" ")
        return cls.of(amount, code)

    def __str__(self) -> str:
        """As `parse` takes it: at least the places of the minor unit, more only where needed."""
        return f"{written(self.amount, self.currency.exponent)} {self.currency.code}"

    @property
    def amount(self) -> Decimal:
        """In major units."""
        return _EXACT.scaleb(Decimal(self.micros), -MICRO_PLACES)

    @property
    def minor(self) -> int:
        """In minor units (cents). Raises ValueError where that is no whole number."""
        whole, rest = divmod(self.micros, 10 ** (MICRO_PLACES - self.currency.exponent))
        if rest:
            raise ValueError(f"{self} is no whole number of minor units")
        return whole

    def __add__(self, other: Money) -> Money:
        return Money(self.micros + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.micros - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.micros, self.currency)

    def __mul__(self, count: int) -> Money:
        if type(count) is not int:
            raise TypeError("an amount is multiplied by integers only")
        return Money(self.micros * count, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        return self.micros < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.micros <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.micros > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.micros >= self._same(other)

    def __bool__(self) -> bool:
        return self.micros != 0

    def _same(self, other: object) -> int:
        if not isinstance(other, Money):
            raise TypeError(f"money and {type(other).__name__} do not go together")
        if other.currency != self.currency:
            raise TypeError(f"{self.currency} and {other.currency} do not go together")
        return other.micros


@dataclass(frozen=True, slots=True)
class Price:
    """What one thing costs: an exact decimal of major units, never negative.

    Raises TypeError for a float, ValueError for what cannot be a price.
    """

    amount: Decimal
    currency: Currency

    def __post_init__(self) -> None:
        if type(self.amount) is not Decimal:
            raise TypeError(f"a price is a Decimal, not {type(self.amount).__name__}")
        if not self.amount.is_finite() or not 0 <= self.amount <= MOST_PRICE:
            raise ValueError(f"a price lies between 0 and {MOST_PRICE}")
        shifted = _EXACT.scaleb(self.amount, PRICE_PLACES)
        if shifted != shifted.to_integral_value():
            raise ValueError(f"a price has {PRICE_PLACES} places at most")

    @classmethod
    def of(cls, amount: str | int | Decimal, code: str | Currency) -> Price:
        """A price in major units: `Price.of("0.0001", "EUR")`. Raises TypeError, ValueError."""
        return cls(exactly(amount), currency(code) if isinstance(code, str) else code)

    def __str__(self) -> str:
        return f"{written(self.amount)} {self.currency.code}"

    def times(self, count: int, tenths: int = 0) -> Decimal:
        """What `count` things cost, or so many 10^-tenths of one, exactly, in major units.

        So the price of a second takes nanoseconds as `times(ns, 9)`.
        """
        if type(count) is not int:
            raise TypeError("things are counted in integers")
        return _EXACT.scaleb(_EXACT.multiply(self.amount, Decimal(count)), -tenths)


def exactly(amount: str | int | Decimal) -> Decimal:
    """A decimal that says what was written, and nothing rounded.

    Raises TypeError for a float or a bool, and ValueError for text that is no plain number:
    `1e3`, `١٢`, `NaN`, ` 5`.
    """
    if isinstance(amount, str):
        if not _AMOUNT.fullmatch(amount):
            raise ValueError(f"{amount[:40]!r} is no amount; write it as 12.50")
        return Decimal(amount)
    if type(amount) is int:
        return Decimal(amount)
    if isinstance(amount, Decimal):
        if not amount.is_finite() or amount.adjusted() > _FAR or len(f"{amount:f}") > _DIGITS:
            raise ValueError("an amount is a finite number of a sensible size")
        return amount
    raise TypeError(f"money is text, an integer or a Decimal, not {type(amount).__name__}")


def together(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum of exact amounts, in any order."""
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total


def rounded(exact: Decimal, unit: Currency, rule: Rounding = "half-up") -> Money:
    """An exact amount as whole minor units. This is the one place where money is rounded."""
    step = Decimal(1).scaleb(-unit.exponent)
    return Money.of(exact.quantize(step, _RULES[rule], _ROUNDING), unit)


def written(amount: Decimal, places: int = 0) -> str:
    """An exact amount as plain digits, with at least so many places and no needless zeros."""
    whole, _, rest = f"{amount if amount else abs(amount):f}".partition(".")
    rest = rest.rstrip("0").ljust(places, "0")
    return f"{whole}.{rest}" if rest else whole

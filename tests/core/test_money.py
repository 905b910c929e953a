"""Money: exact, of one currency, rounded once, and never a float."""

import ast
from decimal import Decimal, Inexact, localcontext
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fairlead
from fairlead.core.money import (
    _PLACES,
    EXPONENTS,
    ROUNDINGS,
    Currency,
    Money,
    Price,
    currency,
    exactly,
    rounded,
    together,
    written,
)

EUR, JPY, KWD, CLF = map(currency, ("EUR", "JPY", "KWD", "CLF"))
HOUSE = Path(fairlead.__file__).parent
FILES = [
    "core/money.py", "core/plans.py", "access/terms.py", "usage/costs.py", "usage/rating.py",
    "usage/stores/plans.py",
]  # fmt: skip

currencies = st.sampled_from([EUR, JPY, KWD, CLF])
micros = st.integers(-(10**20), 10**20)
monies = st.builds(Money, micros, st.just(EUR))
prices = st.integers(0, 10**15).map(lambda n: Price(Decimal(n).scaleb(-12), EUR))
counts = st.integers(0, 2**63)


def floats(source: str) -> list[str]:
    """What a source has that a float could come from: its literals, `float`, `/`, `round`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            found.append(f"{node.lineno}: {node.value}")
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            found.append(f"{node.lineno}: /")
        if isinstance(node, ast.Name) and node.id in ("float", "round"):
            found.append(f"{node.lineno}: {node.id}")
    return found


@pytest.mark.parametrize("file", FILES)
def test_no_float_touches_money(file):
    assert floats((HOUSE / file).read_text()) == []


def test_what_looks_for_floats_finds_them():
    source = "a = 0.5\nb = a / 2\nb /= 3\nc = float(a)\nd = round(c)\ne = 7 // 2\nf = 1e3\n"
    found = {line.partition(":")[0] for line in floats(source)}
    assert found == {"1", "2", "3", "4", "5", "7"}


@pytest.mark.parametrize(
    ("code", "places"), [("EUR", 2), ("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("ISK", 0)]
)
def test_a_currency_has_the_places_of_iso_4217(code, places):
    assert currency(code) == Currency(code, places)


def test_every_currency_has_one_number_of_places_and_fits_into_micro_units():
    assert len(EXPONENTS) == sum(map(len, map(str.split, _PLACES.values()))) == 165
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)
    assert max(EXPONENTS.values()) <= 6


@pytest.mark.parametrize("code", ["eur", "EU", "EURO", "", "XXX", "€", "EUR ", "XAU"])
def test_what_is_no_currency_is_refused(code):
    with pytest.raises(ValueError, match="no currency"):
        currency(code)


@pytest.mark.parametrize("amount", [0.1, 1.0, True, None, b"1", 1j])
def test_no_amount_is_made_of_a_float(amount):
    with pytest.raises(TypeError):
        Money(amount, EUR)
    with pytest.raises(TypeError):
        Money.of(amount, EUR)
    with pytest.raises(TypeError):
        Price.of(amount, EUR)
    with pytest.raises(TypeError):
        Price(amount, EUR)
    with pytest.raises(TypeError):
        Price.of("1", EUR).times(amount)
    with pytest.raises(TypeError):
        Money(1, EUR) * amount


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "+1", "1e3", "1E-3", ".5", "5.", "01", "1,5", "1_000", "NaN", "Infinity", "-",
     "١٢", "1.0000000000000000001", "1" * 19, "0x1", "1\n"],
)  # fmt: skip
def test_text_that_is_no_plain_number_is_no_amount(text):
    with pytest.raises(ValueError, match="no amount"):
        exactly(text)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e31", "1e-200", "1e999999", "-1e31"])
def test_a_decimal_of_no_sensible_size_is_no_amount(amount):
    with pytest.raises(ValueError, match="sensible"):
        exactly(Decimal(amount))


def test_an_amount_below_a_micro_unit_is_refused():
    assert Money.of("0.000001", EUR).micros == 1
    with pytest.raises(ValueError, match="6 places"):
        Money.of("0.0000001", EUR)


@pytest.mark.parametrize("amount", ["-0.01", "1000000001", "0.0000000000001"])
def test_what_cannot_be_a_price_is_refused(amount):
    with pytest.raises(ValueError, match="a price"):
        Price.of(amount, EUR)


@given(currencies, micros)
def test_an_amount_is_read_as_it_was_written(unit, amount):
    money = Money(amount, unit)
    assert Money.parse(str(money)) == money
    assert Money.of(money.amount, unit) == money
    digits = str(money).partition(" ")[0].partition(".")[2]
    assert len(digits) >= unit.exponent


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(12_500_000, EUR), "12.50 EUR"),
        (Money(-1, EUR), "-0.000001 EUR"),
        (Money(0, EUR), "0.00 EUR"),
        (Money(3_000_000, JPY), "3 JPY"),
        (Money(1_234_000, KWD), "1.234 KWD"),
        (Money(1_234_560, KWD), "1.23456 KWD"),
    ],
)
def test_an_amount_is_written_with_the_places_of_its_currency(money, text):
    assert str(money) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0.00010", "0.0001"), ("1E+2", "100"), ("1E-12", "0.000000000001"), ("0E-9", "0"),
     ("-0", "0"), ("12", "12"), ("12.0", "12")],
)  # fmt: skip
def test_an_exact_amount_is_written_in_plain_digits(amount, text):
    assert written(Decimal(amount)) == text


@given(monies, monies, monies)
def test_sums_are_the_same_in_any_order(a, b, c):
    sums = {(x + y) + z for x, y, z in permutations((a, b, c))}
    assert sums == {a + (b + c)}
    assert a + b - b == a
    assert a - a == Money(0, EUR)
    assert not a - a
    assert -a + a == Money(0, EUR)


@given(monies, st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_an_amount_of_so_many_is_the_sum_of_its_parts(a, n, m):
    assert a * (n + m) == a * n + m * a


@given(monies, monies)
def test_amounts_of_one_currency_have_an_order(a, b):
    assert (a < b) is (a.micros < b.micros)
    assert (a <= b) is not (a > b)
    assert (a >= b) is not (a < b)


@pytest.mark.parametrize("other", [Money(1, JPY), 1, Decimal(1), None], ids=str)
def test_amounts_of_two_currencies_do_not_go_together(other):
    one = Money(1, EUR)
    for refused in (
        lambda: one + other,
        lambda: one - other,
        lambda: one < other,
        lambda: one <= other,
        lambda: one > other,
        lambda: one >= other,
    ):
        with pytest.raises(TypeError):
            refused()
    assert one != other


@given(prices, counts, st.sampled_from([0, 9]))
def test_what_many_cost_is_exact(price, count, tenths):
    exact = Fraction(price.amount) * count / 10**tenths
    assert Fraction(price.times(count, tenths)) == exact


@given(prices, st.lists(counts, max_size=8), st.sampled_from([0, 9]))
def test_many_events_cost_what_one_of_their_sum_costs(price, parts, tenths):
    whole = price.times(sum(parts), tenths)
    assert together(price.times(part, tenths) for part in parts) == whole
    assert together(price.times(part, tenths) for part in reversed(parts)) == whole


@given(st.integers(-(10**30), 10**30), currencies, st.sampled_from(ROUNDINGS))
def test_rounding_gives_the_nearest_minor_unit_and_a_half_goes_as_the_rule_says(n, unit, rule):
    exact = Decimal(n).scaleb(-15)
    minor = rounded(exact, unit, rule).minor
    away = abs(Fraction(exact) * 10**unit.exponent - minor)
    assert away <= Fraction(1, 2)
    if away == Fraction(1, 2):
        assert (
            minor % 2 == 0 if rule == "half-even" else abs(minor) >= abs(exact) * 10**unit.exponent
        )


@pytest.mark.parametrize(
    ("exact", "unit", "up", "even"),
    [
        ("0.005", EUR, 1, 0),
        ("0.015", EUR, 2, 2),
        ("-0.005", EUR, -1, 0),
        ("0.00499999999999999999999", EUR, 0, 0),
        ("0.5", JPY, 1, 0),
        ("1.5", JPY, 2, 2),
        ("0.0005", KWD, 1, 0),
        ("2.675", EUR, 268, 268),
    ],
)
def test_a_half_is_rounded_as_the_rule_says(exact, unit, up, even):
    assert rounded(Decimal(exact), unit).minor == up
    assert rounded(Decimal(exact), unit, "half-even").minor == even


@given(st.integers(-(10**30), 10**30), st.sampled_from(ROUNDINGS))
def test_what_is_rounded_stays_as_it_is(n, rule):
    once = rounded(Decimal(n).scaleb(-12), EUR, rule)
    assert rounded(once.amount, EUR, rule) == once


def test_an_amount_between_minor_units_has_no_minor_units():
    assert Money.of("12.34", EUR).minor == 1234
    assert Money.of("7", JPY).minor == 7
    with pytest.raises(ValueError, match="no whole number"):
        Money(1, EUR).minor  # noqa: B018


def test_a_sum_that_would_have_to_be_rounded_is_refused():
    with pytest.raises(Inexact):
        together([Decimal("1E+100"), Decimal("1E-100")])
    with pytest.raises(Inexact):
        Price.of("0.000000000001", EUR).times(10**130 + 1)


def test_no_setting_of_decimals_changes_a_sum():
    with localcontext() as context:
        context.prec = 3
        price = Price.of("123456.789012", EUR)
        assert price.times(1_000_001, 9) == Decimal("123.456912468789012")
        assert together([Decimal("123456.789012"), Decimal("0.000001")]) == Decimal("123456.789013")
        assert rounded(Decimal("123456.785"), EUR).minor == 12345679
        assert Money.of("123456.789012", EUR).micros == 123456789012

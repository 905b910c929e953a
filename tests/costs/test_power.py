"""Power and electricity come from who says them, or from a named source; else there is none."""

from __future__ import annotations

import math

import pytest
from tests.costs.samples import said

from fairlead.core.errors import PowerUnknown
from fairlead.costs.power import Power, grid, grids, parse_power, tariff


def test_the_energy_of_a_month():
    # 10 W for 730 h and 20 W more for 73 h, at 1.5 times for cooling
    assert Power(10, 30, "wall meter", 1.5).kwh(730, 73) == pytest.approx(
        (7300 + 1460) * 1.5 / 1000
    )


@pytest.mark.parametrize(
    "told", ["", "25", "25:60:1", "a:b", "0:60", "60:25", "-1:5", "nan:60", "1:inf"]
)
def test_what_is_no_power_of_a_machine_is_refused(told):
    assert "--power 25:60" in said(PowerUnknown, lambda: parse_power(told))


@pytest.mark.parametrize("overhead", [0.5, math.nan, math.inf])
def test_what_is_no_overhead_is_refused(overhead):
    with pytest.raises(PowerUnknown, match="overhead"):
        Power(1, 2, "TDP", overhead)


def test_how_it_is_known_says_how_sure_it_is():
    found = [parse_power("1:2", source).confidence for source in ("wall meter", "RAPL", "TDP")]
    assert found == ["high", "medium", "low"]


def test_some_forty_countries_are_known_each_with_year_and_source():
    assert len(grids()) >= 40
    for code, found in grids().items():
        assert len(code) == 2
        assert 10 < found.g_per_kwh < 1000
        assert 2020 <= found.year <= 2026
        assert found.source
        assert found.tariff is None or 0 < found.tariff.usd < 1


def test_a_country_is_found_in_any_case_or_named_with_what_is_near():
    assert grid("de") == grids()["DE"]
    assert "such as DE" in said(PowerUnknown, lambda: grid("DEU"))


@pytest.mark.parametrize("usd", [0.0, -0.3, math.nan, math.inf])
def test_what_is_no_tariff_is_refused(usd):
    with pytest.raises(PowerUnknown, match="no price of a kWh"):
        tariff("DE", usd)


def test_what_the_owner_says_is_over_what_is_known_of_the_country():
    assert tariff("DE", 0.2).usd == 0.2
    assert tariff("DE", None).usd == 0.365

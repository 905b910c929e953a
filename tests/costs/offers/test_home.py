"""The bill of a machine at home, by hand; and none from figures that nobody gave."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.costs.samples import monthly, usage

from fairlead.core.errors import PowerUnknown
from fairlead.costs.bill import Place
from fairlead.costs.offers.home import lines, refusal
from fairlead.costs.power import parse_power
from fairlead.costs.prices import packaged

PRICES = packaged()
HOME = Place("local", power=parse_power("25:60"), country="DE", tariff_usd=0.31)
MONTH = usage(instance_hours=730.0, busy_hours=500_000 / 3600)


def test_electricity_and_what_it_emits():
    electricity, carbon = lines(MONTH, PRICES, HOME)
    # 25 W x 730 h, and 35 W more in the 138.9 h (10 million x 0.05 s) in which it works
    kwh = 18.25 + 35 * 500 / 3600
    assert electricity.quantity == pytest.approx(kwh)
    assert electricity.monthly == pytest.approx(kwh * 0.31)
    assert (carbon.unit, carbon.monthly) == ("kg", 0.0)
    assert carbon.quantity == pytest.approx(kwh * 0.381)
    assert carbon.date == "2023"


def test_the_tariff_of_a_country_stands_in_for_one_that_is_not_said():
    found = lines(MONTH, PRICES, replace(HOME, tariff_usd=None))
    assert found[0].usd == 0.365
    assert found[0].confidence == "low"
    assert "worldpopulationreview.com" in found[0].source


def test_who_names_no_country_is_told_no_emissions():
    assert [*monthly(lines(MONTH, PRICES, replace(HOME, country="")))] == ["electricity"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"power": None}, "what the machine draws"),
        ({"country": "", "tariff_usd": None}, "what a kWh costs"),
        ({"country": "FR", "tariff_usd": None}, "in France is not known"),
        ({"country": "XX"}, "electricity of 'XX'"),
    ],
)
def test_nothing_is_invented(more, why):
    with pytest.raises(PowerUnknown, match=why):
        lines(MONTH, PRICES, replace(HOME, **more))


def test_how_the_power_is_known_says_how_sure_the_line_is():
    guessed = replace(HOME, power=parse_power("25:60", "TDP"))
    found = lines(MONTH, PRICES, guessed)[0]
    assert found.confidence == "low"
    assert found.source == "what the owner pays; power by TDP"


def test_without_a_power_it_is_refused_in_words():
    assert refusal(MONTH, HOME) == ""
    assert "draws" in refusal(MONTH, replace(HOME, power=None))

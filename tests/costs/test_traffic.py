"""Words about traffic mean one week of calls, or are refused with the phrase that is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import TrafficInvalid
from fairlead.costs.traffic import HOURS, MONTH_S, USUAL_DISPERSION, traffic_of


@pytest.mark.parametrize(
    ("text", "per_s"),
    [
        ("5/s", 5.0),
        ("300 per minute", 5.0),
        ("36k/hour", 10.0),
        ("86400 requests a day", 1.0),
        ("7200 an hour", 2.0),
        ("1.5m/month", 1.5e6 / MONTH_S),
        ("7 predictions per week", 7 / 604800),
    ],
)
def test_a_rate_is_said_in_units_that_people_have(text, per_s):
    traffic = traffic_of(text)
    assert traffic.mean_per_s == pytest.approx(per_s)
    assert traffic.peak_per_s == pytest.approx(per_s)


def test_a_rate_by_the_second_is_meant_of_open_hours():
    traffic = traffic_of("6/s, open 8-18, weekdays")
    assert traffic.peak_per_s == pytest.approx(6)
    assert traffic.open_hours == 50
    assert traffic.per_month == pytest.approx(6 * 50 / HOURS * MONTH_S)


def test_a_rate_by_the_day_is_meant_of_a_weekday_and_one_by_the_month_of_all_of_it():
    day = traffic_of("1000/day, open 9-17, weekdays")
    assert sum(day.week) * 3600 == pytest.approx(5000)
    month = traffic_of("1000/month, open 9-17, weekdays")
    assert month.per_month == pytest.approx(1000)


@given(st.floats(1, 20), st.floats(0.1, 1e5))
def test_the_busiest_hour_has_so_many_times_the_mean_of_the_open_ones(peak, rate):
    traffic = traffic_of(f"{rate:.6f}/s, peak {peak:.6f}x")
    assert traffic.peak_per_s == pytest.approx(peak * rate, rel=1e-4)
    assert traffic.mean_per_s == pytest.approx(rate, rel=1e-4)


def test_opening_hours_may_go_beyond_midnight_and_begin_within_an_hour():
    night = traffic_of("4/s, open 22-6")
    assert night.open_hours == 8 * 7
    assert night.week[23] == night.week[5] == pytest.approx(4)
    half = traffic_of("4/s, open 8.5-10")
    assert half.week[8] == pytest.approx(half.week[9] / 2)
    assert half.week[9] == pytest.approx(4)


def test_a_weekend_has_a_part_of_a_weekday():
    traffic = traffic_of("100/day, weekend 30%")
    assert sum(traffic.week[120:144]) == pytest.approx(0.3 * sum(traffic.week[:24]))


def test_growth_bursts_rows_and_a_crowd_are_said_in_words():
    traffic = traffic_of("10/s, growth 10%/month, bursty 20, rows 8, flash 30x for 2 minutes")
    assert (traffic.growth, traffic.dispersion, traffic.rows) == (0.1, 20.0, 8)
    assert traffic.flash == (traffic.flash.__class__(30.0, 120.0))
    assert traffic_of("10/s, growth 100%/year").growth == pytest.approx(2 ** (1 / 12) - 1)


def test_what_nobody_said_is_assumed_by_name():
    assert traffic_of("5/s").dispersion == USUAL_DISPERSION
    assert len(traffic_of("5/s").assumed) == 2
    assert traffic_of("5/s, steady, open 8-18").assumed == ()
    assert traffic_of("5/s, steady").dispersion == 1


def test_a_standard_shape_is_a_word():
    assert traffic_of("10/s, diurnal").peak_per_s > 15
    assert set(traffic_of("10/s, constant").week) == {10.0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "how many calls"),
        ("peak 4x", "how many calls"),
        ("0/s", "no calls"),
        ("-5/s", "no rate"),
        ("5/fortnight", "no rate"),
        ("5/s, 6/s", "twice"),
        ("5/s, peak 2x, peak 9x", "twice"),
        ("5/s, steady, bursty", "twice"),
        ("5/ms", "no rate"),
        ("5/s, flash 10x for 500ms", "planned for"),
        ("1e9/s", "no rate"),
        ("99b/s", "no traffic"),
        ("0.000001/year", "no traffic"),
        ("5/s, peak 40x", "1 to 24"),
        ("5/s, peak 12x, open 8-18", "open hours"),
        ("5/s, open 8-30", "no hours"),
        ("5/s, open 8-8", "no hours"),
        ("5/s, growth -200%/month", "planned for"),
        ("5/s, bursty 0.2", "1 to 1,000,000"),
        ("5/s, flash 0x", "planned for"),
        ("5/s, flash 10x for 3 parsecs", "planned for"),
        ("5/s, rows 0", "one row"),
        ("5/s, weekand 30%", "Did you mean weekend"),
        ("5/s, gibberish", "known here"),
    ],
)
def test_what_cannot_be_understood_is_refused_and_named(text, says):
    with pytest.raises(TrafficInvalid) as refused:
        traffic_of(text)
    assert says in refused.value.line()


def test_twice_the_traffic_comes_twice_as_fast_and_in_larger_bursts():
    traffic = traffic_of("10/s, bursty 5")
    double = traffic.times(2)
    assert double.mean_per_s == pytest.approx(2 * traffic.mean_per_s)
    assert double.dispersion == 9

"""The bet against the novelty p-values: quiet on good rows, quick on a change, never forgetful."""

import json

import numpy as np
import pytest

from fairlead.guards.betting import Betting


def test_betting_is_quiet_on_good_rows_and_loud_on_a_change():
    raised = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        calibration = np.sort(random.random(1000))

        def p(values, calibration=calibration):
            return (1 + 1000 - np.searchsorted(calibration, values)) / 1001

        bet = Betting(1000, rate=0.001)
        raised += bet.see(p(random.random(5000)))
        changed = Betting(1000, rate=0.001)
        assert changed.see(p(1 - random.random(300) ** 3))
    assert raised == 0


@pytest.mark.parametrize("before", [0, 1000, 20_000])
def test_a_small_fall_is_noticed_soon_however_long_all_was_well(before):
    """Confidence falls from .90 to .85."""
    delays = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        calibration = np.sort(random.beta(18, 2, 1000))

        def p(values, calibration=calibration):
            return (1 + np.searchsorted(calibration, values, side="right")) / 1001

        bet = Betting(1000, rate=0.001)
        assert not bet.see(p(random.beta(18, 2, before)))
        assert bet.see(p(random.beta(17, 3, 1000)))
        delays.append(bet.since - before)
    assert np.median(delays) <= 300


def test_p_values_may_come_one_by_one_or_all_at_once():
    random = np.random.default_rng(0)
    p_values = np.append(random.random(300), random.random(200) ** 3)
    one, all_ = Betting(1000), Betting(1000)
    for start in range(0, 500, 7):
        one.see(p_values[start : start + 7])
    all_.see(p_values)
    assert one.since == all_.since
    assert one.highest == pytest.approx(all_.highest)


def test_an_alarm_of_the_bet_stays_until_somebody_looks():
    bet = Betting(1000)
    assert bet.see(np.full(100, 0.001))
    assert bet.see(np.full(100, 1.0))
    since = bet.since
    assert since is not None
    assert since < 100
    bet.restart()
    assert not bet.alarmed


def test_a_bet_goes_on_where_its_state_was_left():
    random = np.random.default_rng(0)
    p_values = np.append(random.random(300), random.random(200) ** 3)
    whole, first, second = Betting(1000), Betting(1000), Betting(1000)
    whole.see(p_values)
    first.see(p_values[:320])
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert second.state() == first.state()
    second.see(p_values[320:])
    assert second.since == whole.since is not None
    assert second.wealth == pytest.approx(whole.wealth)
    assert second.highest == pytest.approx(whole.highest)


def test_a_state_before_the_first_row_is_one_too():
    bet = Betting(1000)
    bet.restore(json.loads(json.dumps(Betting(1000).state(), allow_nan=False)))
    assert bet.wealth == 0.0
    assert bet.highest_wealth == 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"calibrated": 999},
        {"rate": 0.5},
        {"logs": [0.0]},
        {"logs": None},
        {"seen": "many"},
        {"highest": None},
    ],
)
def test_the_state_of_another_bet_is_refused_and_nothing_of_it_is_taken(change):
    bet = Betting(1000)
    bet.see(np.full(50, 0.3))
    before = bet.state()
    with pytest.raises((ValueError, KeyError)):
        bet.restore(before | change)
    assert bet.state() == before
    with pytest.raises((ValueError, KeyError)):
        bet.restore({})


def test_wealth_that_no_number_can_hold_is_said_as_the_largest_one():
    bet = Betting(1000)
    bet.see(np.full(5000, 0.001))
    assert 1e300 < bet.wealth < float("inf")
    assert 1e300 < bet.highest_wealth < float("inf")

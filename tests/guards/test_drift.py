"""Drift: quiet without a change, loud with one, in constant memory."""

import numpy as np
import pytest
from scipy import stats

from fairlead.guards import drift as room
from fairlead.guards import learn_drift
from fairlead.guards.drift import Betting, p_value, watch


def rows(count, random):
    """Normal, skewed, counted, constant and categorical columns."""
    return {
        "normal": random.normal(size=count),
        "skewed": random.gamma(2.0, size=count),
        "counted": random.poisson(3, size=count).astype(float),
        "constant": np.ones(count),
        "holes": np.where(random.random(count) < 0.2, np.nan, random.normal(size=count)),
        "city": random.choice(["a", "b", "c"], count, p=[0.7, 0.2, 0.1]).astype(object),
    }


def test_windows_without_a_change_raise_an_alarm_as_rarely_as_they_say():
    """The rate is shared by windows of three sizes; each may have a third of it."""
    raised, ended = dict.fromkeys(room.WINDOWS, 0), dict.fromkeys(room.WINDOWS, 0)
    for seed in range(12):
        random = np.random.default_rng(seed)
        watcher = learn_drift(rows(8000, random))
        for _ in range(2):
            alarms = watcher.see(rows(4096, random))
            for size in room.WINDOWS:
                ended[size] += 4096 // size
                raised[size] += sum(alarm.window == size for alarm in alarms)
    for size in room.WINDOWS:
        assert raised[size] <= stats.binom.ppf(0.9999, ended[size], 0.01)


@pytest.mark.parametrize("size", [300, 1000, 3000])
def test_half_a_deviation_in_one_column_is_seen_from_300_rows_on(size, monkeypatch):
    monkeypatch.setattr(room, "WINDOWS", (size,))
    seen = 0
    names = ("normal", "skewed", "counted")
    for seed in range(20):
        random = np.random.default_rng(seed)
        watcher = learn_drift(rows(8000, random))
        moved = rows(size, random)
        name = names[seed % 3]
        moved[name] = moved[name] + 0.5 * {"normal": 1.0, "skewed": 2**0.5, "counted": 3**0.5}[name]
        seen += any(alarm.column == name for alarm in watcher.see(moved))
    assert seen >= 19


@pytest.mark.parametrize(
    ("change", "column", "says"),
    [
        (lambda r: r | {"city": np.full(1024, "z", dtype=object)}, "city", "do not hold"),
        (lambda r: r | {"normal": np.full(1024, np.nan)}, "normal", "missing holds 100.0%"),
        (lambda r: r | {"constant": np.full(1024, 2.0)}, "constant", "constant: "),
        (lambda r: r | {"city": np.full(1024, "c", dtype=object)}, "city", "'c' holds 100.0%"),
    ],
)
def test_an_alarm_names_the_column_and_what_became_of_it(change, column, says):
    random = np.random.default_rng(0)
    watcher = learn_drift(rows(5000, random))
    alarms = watcher.see(change(rows(1024, random)))
    found = [a for a in alarms if a.window == 1024]
    assert {a.column for a in found} == {column}
    assert says in found[0].words
    assert found[0].psi > found[0].psi_usual


def test_rows_may_come_one_by_one_or_all_at_once():
    random = np.random.default_rng(0)
    train, moved = rows(3000, random), rows(2100, random)
    moved["normal"] = moved["normal"] + 1
    one, all_ = learn_drift(train), learn_drift(train)
    raised = []
    for start in range(0, 2100, 7):
        raised += one.see({k: v[start : start + 7] for k, v in moved.items()})
    assert raised == all_.see(moved)
    assert one.rows == 2100


def test_the_p_value_of_a_number_is_never_smaller_than_kolmogorovs():
    random = np.random.default_rng(0)
    train, fresh = random.normal(size=5000), random.normal(size=800)
    watched = watch("x", train)
    exact = stats.ks_2samp(train, fresh, method="asymp").pvalue
    assert p_value(watched, watched.count(fresh)) >= exact * 0.99


def test_the_p_value_of_categories_is_the_chi_squared_tests():
    random = np.random.default_rng(0)
    train = random.choice(["a", "b", "c"], 4000, p=[0.5, 0.3, 0.2]).astype(object)
    fresh = random.choice(["a", "b", "c"], 500, p=[0.45, 0.33, 0.22]).astype(object)
    watched = watch("x", train)
    counts = watched.count(fresh)
    table = np.array([watched.shares[:3] * 4000, counts[:3]])
    exact = stats.chi2_contingency(table, correction=False).pvalue
    assert p_value(watched, counts) == pytest.approx(exact, rel=0.1)


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

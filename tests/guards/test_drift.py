"""Drift: quiet without a change, loud with one, in constant memory, wherever rows are counted."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fairlead.guards import learn_drift
from fairlead.guards.drift import (
    AT_ONCE,
    CONFIDENT,
    MOST_COLUMNS,
    PREDICTED,
    WINDOWS,
    Drift,
    answer_columns,
    watch,
)
from fairlead.guards.drift_evidence import usual_psi


def rows(count, random):
    """Normal, skewed, counted, rare, constant and missing numbers; few, many and rare texts."""
    many = np.array([f"k{i}" for i in range(1000)], dtype=object)
    share = 1 / np.arange(1, 1001)
    return {
        "normal": random.normal(size=count),
        "skewed": random.gamma(2.0, size=count),
        "counted": random.poisson(3, size=count).astype(float),
        "rare": (random.random(count) < 0.01).astype(float),
        "zeros": np.where(random.random(count) < 0.6, 0.0, random.exponential(size=count)),
        "rounded": random.normal(size=count).round(1),
        "constant": np.ones(count),
        "nothing": np.full(count, np.nan),
        "holes": np.where(random.random(count) < 0.2, np.nan, random.normal(size=count)),
        "few holes": np.where(random.random(count) < 0.003, np.nan, random.normal(size=count)),
        "city": random.choice(["a", "b", "c"], count, p=[0.7, 0.2, 0.1]).astype(object),
        "word": random.choice(many, count, p=share / share.sum()),
        "name": random.integers(0, 10**9, count).astype(str).astype(object),
    }


def taken(table, part):
    return {name: values[part] for name, values in table.items()}


# --- the promise ------------------------------------------------------------------------


@pytest.mark.parametrize("train", [200, 3000])
def test_windows_without_a_change_raise_an_alarm_as_rarely_as_they_say(train):
    """Of every size, also of those that end late: the rate is shared by windows of three sizes."""
    sizes = (256, 300, 511, 1024)
    raised = dict.fromkeys(sizes, 0)
    runs = 100
    for seed in range(runs):
        random = np.random.default_rng([train, seed])
        learnt = learn_drift(rows(train, random)).watched
        for size in sizes:
            watcher = Drift(learnt, windows=(size, 10 * size, 100 * size))
            counts = watcher.count(rows(size, random))
            raised[size] += bool(watcher.absorb(counts, size))
    for size in sizes:
        assert raised[size] <= stats.binom.ppf(0.9999, runs, 0.01 / 3)


@pytest.mark.parametrize("shape", ["normal", "uniform", "skewed", "counted"])
def test_half_a_deviation_in_one_of_thirty_columns_is_seen_in_300_rows(shape):
    """With the windows as they are: the first one ends after 256 rows."""
    draw = {
        "normal": lambda random, count: random.normal(size=count),
        "uniform": lambda random, count: random.uniform(size=count),
        "skewed": lambda random, count: random.gamma(2.0, size=count),
        "counted": lambda random, count: random.poisson(3, count).astype(float),
    }[shape]
    random = np.random.default_rng(0)
    train = {f"x{i}": random.normal(size=2000) for i in range(29)} | {"moved": draw(random, 2000)}
    learnt = learn_drift(train).watched
    seen = 0
    for seed in range(40):
        random = np.random.default_rng([1, seed])
        fresh = {f"x{i}": random.normal(size=300) for i in range(29)}
        fresh["moved"] = draw(random, 300) + 0.5 * train["moved"].std()
        seen += any(alarm.column == "moved" for alarm in Drift(learnt).see(fresh))
    assert seen >= 38


@pytest.mark.parametrize(
    ("change", "column", "says"),
    [
        ({"city": np.full(1024, "z", dtype=object)}, "city", "do not hold"),
        ({"normal": np.full(1024, np.nan)}, "normal", "100.0% of the last 1024 rows are missing"),
        ({"normal": np.full(1024, "x", dtype=object)}, "normal", "values that training rows do"),
        ({"constant": np.full(1024, 2.0)}, "constant", "constant: "),
        ({"counted": np.full(1024, 3.0)}, "counted", "100.0% of the last 1024 rows are 3"),
        (
            {"city": np.full(1024, "c", dtype=object)},
            "city",
            "100.0% of the last 1024 rows are 'c'",
        ),
        ({"skewed": np.full(1024, 40.0)}, "skewed", "rows are 6.156 or more"),
    ],
)
def test_an_alarm_names_the_column_and_what_became_of_it(change, column, says):
    random = np.random.default_rng(0)
    watcher = learn_drift(rows(5000, random))
    found = [a for a in watcher.see(rows(1024, random) | change, "noon") if a.window == 1024]
    assert {a.column for a in found} == {column}
    assert says in found[0].words
    assert found[0].psi > found[0].psi_usual
    assert found[0].when == "noon"


def test_each_alarm_says_what_is_usual_of_its_column_and_its_rows():
    """However often windows of the same and of other sizes have ended before."""
    random = np.random.default_rng(3)
    learnt = {"a": random.normal(size=500), "b": random.gamma(2.0, size=900)[:500]}
    drift = learn_drift(learnt)
    drift.windows = drift.windows[:1]
    for count in [256, 256, *range(257, 300), 256]:
        moved = {name: values[:1].repeat(count) + 9 for name, values in learnt.items()}
        for alarm in drift.absorb(drift.count(moved), count):
            (watched,) = [w for w in drift.watched if w.name == alarm.column]
            assert usual_psi(watched, count) <= alarm.psi_usual <= 1.08 * usual_psi(watched, count)
    assert drift.raised == 2 * 46


def test_an_alarm_says_how_far_the_mean_has_moved():
    random = np.random.default_rng(0)
    watcher = learn_drift(rows(5000, random))
    moved = rows(1024, random)
    moved["normal"] = moved["normal"] - 0.5
    (found,) = [a for a in watcher.see(moved) if a.window == 1024]
    assert found.shift == pytest.approx(-0.5, abs=0.1)
    assert f"the mean has moved by {found.shift:+.2g} standard deviations" in found.words


def test_a_column_stands_until_a_window_of_its_size_ends_without_it():
    random = np.random.default_rng(0)
    watcher = learn_drift(rows(5000, random))
    moved = rows(1024, random)
    moved["normal"] = moved["normal"] + 1
    watcher.see(moved)
    assert [alarm.column for alarm in watcher.standing] == ["normal"]
    assert watcher.standing[0].window == 1024, "the least likely of several"
    watcher.see(rows(512, random))
    assert [alarm.window for alarm in watcher.standing] == [1024]
    watcher.see(rows(512, random))
    assert watcher.standing == []
    assert watcher.raised == len(watcher.alarms) >= 5


# --- wherever rows are counted ----------------------------------------------------------


def test_rows_may_come_one_by_one_or_all_at_once():
    random = np.random.default_rng(0)
    train, moved = rows(3000, random), rows(2100, random)
    moved["normal"] = moved["normal"] + 1
    one, all_ = learn_drift(train), learn_drift(train)
    raised = []
    for start in range(0, 2100, 7):
        raised += one.see(taken(moved, slice(start, start + 7)))
    assert raised == all_.see(moved)
    assert one.rows == 2100


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, AT_ONCE), min_size=1, max_size=30))
def test_a_window_ends_as_soon_as_it_holds_its_size_and_counts_add_up(sizes):
    random = np.random.default_rng(0)
    train, fresh = rows(500, random), rows(sum(sizes), random)
    seen, worker = learn_drift(train), learn_drift(train)
    held = dict.fromkeys(WINDOWS, 0)
    start = 0
    for count in sizes:
        seen.absorb(worker.count(taken(fresh, slice(start, start + count))), count)
        start += count
        for window in seen.windows:
            held[window.size] += count
            if held[window.size] >= window.size:
                assert window.last.rows == held[window.size] < window.size + AT_ONCE
                held[window.size] = 0
            assert window.seen == held[window.size]
    assert seen.rows == sum(sizes)
    every = sum(np.concatenate(worker.count(fresh)).tolist())
    biggest = seen.windows[-1]
    counted = biggest.counts.sum() + (biggest.last.counts.sum() if biggest.last else 0)
    if len(biggest.past) <= 1:
        assert counted == every


def test_a_column_that_is_not_given_counts_as_no_row():
    random = np.random.default_rng(0)
    watcher = learn_drift(rows(500, random))
    counts = watcher.count({"normal": random.normal(size=10), "stranger": np.ones(10)})
    assert [int(each.sum()) for each in counts] == [10, *[0] * 12]
    assert watcher.absorb(counts, 10) == []


def test_counts_of_other_bins_are_refused():
    watcher = learn_drift(np.arange(100.0))
    with pytest.raises(ValueError, match="not of the bins"):
        watcher.absorb([np.zeros(3, np.int64)], 1)
    with pytest.raises(ValueError, match="not of the bins"):
        watcher.absorb([], 1)


def test_memory_is_bounded_and_what_is_left_out_is_said():
    watcher = learn_drift(np.random.default_rng(0).normal(size=(30, MOST_COLUMNS + 88)))
    assert len(watcher.watched) == MOST_COLUMNS
    assert watcher.left_out == 88
    counts = watcher.count({f"x{i}": np.full(256, 9.0) for i in range(MOST_COLUMNS)})
    sizes = []
    for _ in range(3):
        for _ in range(16):
            watcher.absorb(counts, 256)
        sizes.append(len(json.dumps(watcher.state())))
    assert sizes[1] == pytest.approx(sizes[2], rel=0.05)
    assert sizes[2] < 2_000_000
    assert len(watcher.alarms) <= 100


# --- answers ----------------------------------------------------------------------------


def test_scores_are_watched_as_the_class_and_how_sure_it_is():
    scores = np.array([[0.2, 0.8], [0.6, 0.4]], dtype=np.float32)
    found = answer_columns(scores, ("no", "yes"))
    assert found[PREDICTED].tolist() == ["yes", "no"]
    assert found[CONFIDENT] == pytest.approx([0.8, 0.6])


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_a_number_is_watched_as_it_is(shape):
    found = answer_columns(np.array([1.0, 2.0, 3.0]).reshape(shape), ())
    assert {name: values.tolist() for name, values in found.items()} == {PREDICTED: [1, 2, 3]}


# --- what was learnt, and what was seen -------------------------------------------------


@pytest.fixture
def watcher():
    random = np.random.default_rng(0)
    train = rows(2000, random)
    confident = watch(CONFIDENT, random.random(300), "confidence")
    watcher = Drift([*learn_drift(train).watched, confident], left_out=3)
    moved = rows(5000, random) | {CONFIDENT: random.random(5000)}
    moved["normal"] = moved["normal"] + 1
    watcher.see(moved, "2026-11-25T12:00:00+00:00")
    return watcher


def test_what_was_learnt_comes_back_and_equal_rows_make_equal_bytes(watcher):
    raw = watcher.to_bytes()
    back = Drift.from_bytes(raw)
    assert back.to_bytes() == raw
    assert back.rows == 0, "what was seen is no part of it"
    assert (back.rate, back.left_out) == (0.01, 3)
    assert back.watches(CONFIDENT)
    assert not back.watches(PREDICTED)
    assert [w.kind for w in back.watched][-2:] == ["input", "confidence"]
    random = [np.random.default_rng(7) for _ in range(2)]
    again = [learn_drift(rows(2000, each)).to_bytes() for each in random]
    assert again[0] == again[1]
    fresh = rows(300, random[0])
    assert [c.tolist() for c in back.count(fresh)] == [c.tolist() for c in watcher.count(fresh)]


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -100])
def test_what_is_no_such_file_is_refused(watcher, cut):
    with pytest.raises((ValueError, KeyError)):
        Drift.from_bytes(watcher.to_bytes()[:cut])


def rewritten(raw, **changes):
    """The file with some arrays changed."""
    with np.load(io.BytesIO(raw)) as arrays:
        held = {name: arrays[name] for name in arrays.files}
    told = json.loads(held["told"].tobytes())
    for name, change in changes.items():
        if name in held:
            held[name] = change(held[name])
        else:
            told[name] = change
    held["told"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **held)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"format": None},
        {"columns": None},
        {"columns": [{}]},
        {"columns": [None]},
        {"rate": "often"},
        {"filled": lambda array: array[:-1]},
        {"edges": lambda array: array[:5]},
        {"means": lambda array: array[:5]},
        {"edges": lambda array: array.astype(object)},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_file_that_was_tampered_with_is_refused(watcher, changes):
    with pytest.raises((ValueError, KeyError)):
        Drift.from_bytes(rewritten(watcher.to_bytes(), **changes))


def test_an_archive_of_something_else_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("told.npy", b"no array")
    with pytest.raises((ValueError, KeyError)):
        Drift.from_bytes(buffer.getvalue())


def test_it_goes_on_where_its_state_was_left(watcher):
    told = json.loads(json.dumps(watcher.state(), allow_nan=False))
    other = Drift.from_bytes(watcher.to_bytes())
    other.restore(told)
    assert other.state() == watcher.state()
    assert other.standing == watcher.standing != []
    assert other.alarms == watcher.alarms
    assert [len(w.past) for w in other.windows] == [19, 4, 1]
    random = np.random.default_rng(5)
    fresh = rows(3000, random) | {CONFIDENT: random.random(3000)}
    assert other.see(fresh) == watcher.see(fresh)
    assert other.state() == watcher.state()


def test_the_state_of_another_package_is_refused_and_nothing_of_it_is_taken(watcher):
    other = learn_drift(rows(2000, np.random.default_rng(9)))
    before = other.state()
    with pytest.raises(ValueError, match="learnt otherwise"):
        other.restore(watcher.state())
    assert other.state() == before


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("format",), 2),
        (("learnt",), "0"),
        (("rows",), "many"),
        (("alarms",), [{}]),
        (("alarms",), None),
        (("windows",), []),
        (("windows",), [None] * 3),
        (("windows", 0, "size"), 255),
        (("windows", 0, "counts"), "AAAA"),
        (("windows", 0, "counts"), "no base64!"),
        (("windows", 0, "last", "counts"), None),
        (("windows", 0, "past", "found"), "AAAA"),
        (("windows", 0, "past", "rows"), [1]),
        (("windows", 0, "alarms"), [{"column": "x"}]),
        (("windows", 1), {}),
    ],
    ids=str,
)
def test_a_state_that_is_none_is_refused_and_nothing_of_it_is_taken(watcher, place, value):
    told = json.loads(json.dumps(watcher.state()))
    part = told
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    other = Drift.from_bytes(watcher.to_bytes())
    with pytest.raises((ValueError, KeyError)):
        other.restore(told)
    assert other.rows == 0
    assert other.alarms == []
    assert all(window.seen == 0 and not window.past for window in other.windows)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0])
def test_an_impossible_rate_is_refused(rate):
    with pytest.raises(ValueError, match="rate must lie between 0 and 1"):
        learn_drift(np.arange(100.0), rate=rate)
